"""Reading answers of servers whose shape is only hoped for."""

from typing import Any, cast

__all__ = ["at", "integer_at", "integers", "text_at"]


def at(value: object, *path: str | int) -> object:
    """Return what lies at `path` inside parsed JSON, or None where there is nothing."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = cast("dict[str, Any]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int):
            entries = cast("list[object]", value)
            value = entries[step] if step < len(entries) else None
        else:
            return None
    return value


def integer_at(value: object, *path: str | int) -> int | None:
    """Return the integer at `path`, or None."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def text_at(value: object, *path: str | int) -> str | None:
    """Return the string at `path`, or None."""
    found = at(value, *path)
    return found if isinstance(found, str) else None


def integers(value: object) -> list[int] | None:
    """Return `value` if it is a list of integers, else None."""
    if not isinstance(value, list):
        return None
    entries = cast("list[object]", value)
    return [entry for entry in entries if isinstance(entry, int)]
