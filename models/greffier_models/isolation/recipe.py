"""How a child process makes its engine: a function and its arguments, as plain JSON."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from greffier_models.errors import EngineError
from greffier_models.protocols import BatchRecognizer

__all__ = ["Argument", "Recipe", "whisper_recipe"]

Argument = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Names what to call; nothing is imported before the child calls it."""

    factory: str
    """``module:function``; returns a `BatchRecognizer`."""
    arguments: Mapping[str, Argument] = field(default_factory=dict[str, Argument])
    """Keyword arguments."""

    def make(self) -> BatchRecognizer:
        """Call it. Blocks while weights are loaded.

        Raises:
            EngineError: there is no such function, or it says so.
        """
        module, _, name = self.factory.partition(":")
        try:
            made = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise EngineError(f"There is no engine {self.factory!r}.") from error
        return cast("Callable[..., BatchRecognizer]", made)(**self.arguments)


def whisper_recipe(
    path: Path,
    *,
    name: str = "",
    digest: str = "",
    device: str = "auto",
    device_index: int = 0,
    compute_type: str = "int8",
    workers: int = 0,
    threads: int = 0,
) -> Recipe:
    """Return the recipe of `greffier_models.whisper.engine.load_whisper`."""
    return Recipe(
        f"{__name__}:make_whisper",
        {
            "path": str(path),
            "name": name,
            "digest": digest,
            "device": device,
            "device_index": device_index,
            "compute_type": compute_type,
            "workers": workers,
            "threads": threads,
        },
    )


def make_whisper(
    *,
    path: str,
    name: str,
    digest: str,
    device: str,
    device_index: int,
    compute_type: str,
    workers: int,
    threads: int,
) -> BatchRecognizer:
    """Load the model, in the child."""
    from greffier_models.whisper.engine import load_whisper

    return load_whisper(
        Path(path),
        name=name,
        digest=digest,
        device=device,
        device_index=device_index,
        compute_type=compute_type,
        workers=workers,
        threads=threads,
    )


def make_fake() -> BatchRecognizer:
    """Make the engine that reads encoded speech, in the child."""
    from greffier_models.fakes import FakeRecognizer

    return FakeRecognizer()
