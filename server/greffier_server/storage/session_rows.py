"""Rows of the table of sessions as `SessionRow`."""

import json
from collections.abc import Sequence
from typing import Any, Final, cast

from sqlalchemy import Column, RowMapping

from greffier_server.storage.store import SessionRow
from greffier_server.storage.tables import sessions

__all__ = ["SESSION_COLUMNS", "session_row"]

SESSION_COLUMNS: Final[tuple[Column[Any], ...]] = tuple(
    sessions.c[name] for name in SessionRow.__slots__
)
"""What makes a `SessionRow`; who owns the session is apart."""


def session_row(found: RowMapping) -> SessionRow:
    """Return the session that a query of at least `SESSION_COLUMNS` has found."""
    values: dict[str, Any] = {name: found[name] for name in SessionRow.__slots__}
    values["translate_to"] = tuple(cast("Sequence[str]", json.loads(found["translate_to"])))
    return SessionRow(**values)
