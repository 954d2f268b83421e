"""Reads `Settings` from flags, environment and file, and says precisely what is wrong with them."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import (
    EnvSettingsSource,
    SettingsError,
)

from greffier_server.errors import SettingsInvalid
from greffier_server.settings import Settings

__all__ = ["OTHER_VARIABLES", "effective", "load_settings", "reference_table", "setting_names"]

PREFIX = "GREFFIER_"
OTHER_VARIABLES = frozenset({"GREFFIER_MODELS_SOURCES", "GREFFIER_SERVER", "GREFFIER_TOKEN"})
"""Variables of the client and of the catalogue of models, which share the environment."""


def load_settings(
    *, flags: Mapping[str, Any] | None = None, config: Path | None = None
) -> Settings:
    """Merge flags over environment over file over defaults.

    Args:
        flags: nested values by setting name; None values count as not given.
        config: the TOML file; ``GREFFIER_CONFIG`` when absent.

    Raises:
        SettingsInvalid: an unknown name, a bad value, or an unreadable file. The message names
            the setting and never repeats a value.
    """
    path = config or _config_from_environment()
    _refuse_unknown_variables(os.environ)
    try:
        merged: dict[str, Any] = {}
        for source in (_read_file(path), EnvSettingsSource(Settings)(), _given(flags or {})):
            merged = _merged(merged, source)
        if path is not None:
            merged["config"] = path
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsInvalid(_explain(error)) from None
    except SettingsError as error:
        raise SettingsInvalid(f"settings: {error}") from None


def setting_names(kind: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting."""
    for name, field in kind.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from setting_names(section, f"{prefix}{name}.")
        else:
            yield prefix + name


def reference_table(kind: type[BaseModel] = Settings, prefix: str = "") -> list[str]:
    """Return one Markdown table row for every setting, in the order of their definition."""
    rows: list[str] = []
    for name, field in kind.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            rows.extend(reference_table(section, f"{prefix}{name}."))
            continue
        text = " ".join((field.description or "").replace("``", "`").replace("|", "/").split())
        default = _default_text(field.default)
        rows.append(f"| `{prefix}{name}` | `{_variable(prefix + name)}` | {default} | {text} |")
    return rows


def effective(settings: Settings) -> dict[str, Any]:
    """Return every value as JSON-ready data, secrets hidden."""
    plain = settings.model_dump(mode="json")
    plain["models_dir"] = str(settings.models_path)
    plain["tokens"] = [f"{token.tenant}: hidden" for token in settings.tokens]
    plain["database_url"] = _without_password(settings.database)
    if settings.language_model.api_key is not None:
        plain["language_model"]["api_key"] = "hidden"
    return plain


def _default_text(default: object) -> str:
    """A default as TOML writes it; places that depend on the user are left to the text."""
    match default:
        case bool():
            return f"`{str(default).lower()}`"
        case int() | float() | str():
            return f"`{default}`"
        case _:
            return ""


def _config_from_environment() -> Path | None:
    path = os.environ.get("GREFFIER_CONFIG")
    return Path(path) if path else None


def _read_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path}: not TOML") from error
    unknown = [name for name in _leaf_names(values) if not _is_known(name)]
    if unknown:
        raise SettingsInvalid(f"{path}: {_advice(unknown[0])}")
    return values


def _leaf_names(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and f"{prefix}{name}" not in {"tokens", *_KNOWN}:
            yield from _leaf_names(cast("dict[str, Any]", value), f"{prefix}{name}.")
        else:
            yield prefix + name


def _is_known(name: str) -> bool:
    return name.startswith("tokens.") or name in _KNOWN


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    for variable in sorted(environ):
        if not variable.upper().startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        name = variable[len(PREFIX) :].lower().replace("__", ".")
        if not _is_known(name) and name not in _SECTIONS:
            close = difflib.get_close_matches(name, _KNOWN, n=1)
            hint = f"; did you mean {_variable(close[0])}?" if close else ""
            raise SettingsInvalid(f"{variable}: no such setting{hint}")


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _advice(name: str) -> str:
    close = difflib.get_close_matches(name, _KNOWN, n=1)
    return f"{name}: no such setting" + (f"; did you mean {close[0]}?" if close else "")


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            section = _given(cast("Mapping[str, Any]", value))
            if section:
                given[name] = section
        elif value is not None:
            given[name] = value
    return given


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for name, value in over.items():
        below = result.get(name)
        if isinstance(value, dict) and isinstance(below, dict) and name != "tokens":
            result[name] = _merged(cast("dict[str, Any]", below), cast("dict[str, Any]", value))
        else:
            result[name] = value
    return result


def _explain(error: ValidationError) -> str:
    lines: list[str] = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(_advice(name))
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
    return "; ".join(lines)


def _without_password(url: SecretStr) -> str:
    text = url.get_secret_value()
    scheme, mark, rest = text.partition("://")
    credentials, at, place = rest.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}{mark}{user}:hidden@{place}" if at and ":" in credentials else text


_KNOWN = tuple(setting_names())
_SECTIONS = frozenset(name.rpartition(".")[0] for name in _KNOWN if "." in name)
