"""Rules that every store follows: how events change a session's row, and what may be appended."""

from collections.abc import Sequence
from dataclasses import replace

from greffier_server.core.events import (
    InputEnded,
    LanguageDetected,
    Recorded,
    SessionFinished,
    SessionStarted,
)
from greffier_server.storage.failures import LogConflict
from greffier_server.storage.store import SessionRow

__all__ = ["Key", "advance", "by_session", "conflict", "page_size", "split_known", "storable"]

Key = tuple[str, str]
"""Tenant and session."""

_LARGEST_PAGE = 1000


def by_session(records: Sequence[Recorded]) -> dict[Key, list[Recorded]]:
    """Group records by session, in a fixed order of sessions (so that row locks cannot cross).

    Raises:
        ValueError: a record is volatile; those are never stored.
    """
    groups: dict[Key, list[Recorded]] = {}
    for record in records:
        if not record.event.durable:
            raise ValueError("volatile events are not stored")
        groups.setdefault((record.tenant, record.session), []).append(record)
    return dict(sorted(groups.items()))


def split_known(
    last_seq: int, records: Sequence[Recorded]
) -> tuple[Sequence[Recorded], Sequence[Recorded]]:
    """Split into records the store must already hold and new ones.

    An append whose answer was lost is made again; its records are known then.

    Raises:
        LogConflict: the new ones do not follow seq `last_seq` without holes.
    """
    known = [record for record in records if record.seq <= last_seq]
    fresh = [record for record in records if record.seq > last_seq]
    if [record.seq for record in fresh] != list(range(last_seq + 1, last_seq + 1 + len(fresh))):
        raise conflict()
    return known, fresh


def conflict() -> LogConflict:
    """Return the error for events that do not fit the stored ones."""
    return LogConflict(
        "The session's stored events differ from these: another server may hold the session. "
        "Reconnect to go on from what is stored."
    )


def advance(row: SessionRow, records: Sequence[Recorded]) -> SessionRow:
    """Return the row after `records`, which follow it."""
    state, language, duration_ms = row.state, row.language, row.duration_ms
    for record in records:
        duration_ms = max(duration_ms, record.audio_to_ms)
        match record.event:
            case SessionStarted(language=spoken):
                state, language = "open", "" if spoken == "auto" else spoken
            case LanguageDetected(language=spoken):
                language = spoken
            case InputEnded(duration_ms=length_ms):
                state, duration_ms = "draining", length_ms
            case SessionFinished():
                state = "finished"
            case _:
                pass
    last = records[-1]
    return replace(
        row,
        state=state,
        language=language,
        duration_ms=duration_ms,
        last_seq=last.seq,
        updated_at_ms=max(row.updated_at_ms, last.at_ms),
    )


def storable(text: str) -> str:
    """Replace what no database holds (NUL, lone surrogates) by U+FFFD.

    Lists show this copy of a title; the exact one is in the session's first event.
    """
    clean = text.replace("\0", "\ufffd")
    return clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def page_size(limit: int) -> int:
    """Return `limit` within what one query may fetch."""
    return max(1, min(limit, _LARGEST_PAGE))
