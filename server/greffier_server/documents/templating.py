"""Templates of documents: ours, and those that a tenant puts in their place.

They are run in Jinja's sandbox with escaping always on, and what they give is read as a small part
of HTML (`markup`). So what was spoken stays text, and a template can neither reach the server nor
put a script into a document.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
)
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["MAX_CHARS", "TemplateFailed", "render", "template_folders"]

MAX_CHARS = 20_000_000
"""Of what a template may give."""
_MOST = 10**9


class TemplateFailed(Exception):
    """A template cannot be used; the message names it and the line, and holds nothing spoken."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which by itself lets a template multiply texts and numbers without end."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply numbers of a usual size."""
        for value in (left, right):
            if operator == "**" or not isinstance(value, int | float) or abs(value) > _MOST:
                raise SecurityError("no such product")
        return super().call_binop(context, operator, left, right)


def template_folders(root: Path | None, tenant: str, language: str) -> tuple[Path, ...]:
    """Return where templates are looked for, the nearest first."""
    if root is None:
        return ()
    return (root / tenant / language, root / tenant, root / language, root)


def render(
    kind: str, values: Mapping[str, Any], folders: tuple[Path, ...], *, max_chars: int = MAX_CHARS
) -> str:
    """Return what the template of `kind` (a `Kind`, or another document's name) makes of `values`.

    Raises:
        TemplateFailed: it is not valid, asks for what there is not, or gives too much.
    """
    loaders: list[BaseLoader] = [FileSystemLoader(folder) for folder in folders]
    loaders.append(PackageLoader("greffier_server.documents", "templates"))
    environment = _Sandbox(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    pieces: list[str] = []
    left = max_chars
    try:
        for piece in environment.get_template(f"{kind}.html").generate(**values):
            left -= len(piece)
            if left < 0:
                raise TemplateFailed(f"the template {kind}.html gives too much text")
            pieces.append(piece)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if isinstance(line, int) else ""
        told = f"the template {kind}.html cannot be used{where}: {type(error).__name__}"
        raise TemplateFailed(told) from None
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        told = f"the template {kind}.html cannot be used: {type(error).__name__}"
        raise TemplateFailed(told) from None
    return "".join(pieces)
