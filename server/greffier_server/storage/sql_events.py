"""Events in their rows: how they are written, checked against what is stored, and read."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from greffier_server.core.events import Recorded
from greffier_server.core.records import MalformedRecord, decode_record, encode_record
from greffier_server.errors import StorageFailed
from greffier_server.storage.rows import Key, conflict
from greffier_server.storage.store import SessionRow
from greffier_server.storage.tables import events, sessions
from greffier_server.storage.texts import Texts

__all__ = ["CHANGE_ROW", "decoded", "event_values", "row_changes", "verify"]

CHANGE_ROW = (
    update(sessions)
    .where(sessions.c.tenant == bindparam("key_tenant"))
    .where(sessions.c.session == bindparam("key_session"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("updated_at_ms", "state", "language", "duration_ms", "last_seq")
        }
    )
)
"""What the session's row is told of its events; its parameters are `row_changes`."""


def row_changes(row: SessionRow) -> dict[str, object]:
    """Return the parameters of `CHANGE_ROW`."""
    return {
        "key_tenant": row.tenant,
        "key_session": row.session,
        "new_updated_at_ms": row.updated_at_ms,
        "new_state": row.state,
        "new_language": row.language,
        "new_duration_ms": row.duration_ms,
        "new_last_seq": row.last_seq,
    }


def event_values(record: Recorded, texts: Texts) -> dict[str, object]:
    """Return the row of an event, sealed where its tenant's words are."""
    return {
        "tenant": record.tenant,
        "session": record.session,
        "seq": record.seq,
        "type": type(record.event).__name__,
        "at_ms": record.at_ms,
        "audio_from_ms": record.audio_from_ms,
        "audio_to_ms": record.audio_to_ms,
        "payload": texts.seal(
            record.tenant, record.session, str(record.seq), encode_record(record)
        ),
    }


async def verify(
    connection: AsyncConnection, key: Key, known: Sequence[Recorded], texts: Texts
) -> None:
    """Check that `known` are what is stored under their numbers.

    Raises:
        LogConflict: they are not.
    """
    query = select(events.c.seq, events.c.payload).where(
        events.c.tenant == key[0],
        events.c.session == key[1],
        events.c.seq.between(known[0].seq, known[-1].seq),
    )
    stored = {
        int(seq): texts.open(*key, str(seq), str(payload))
        for seq, payload in await connection.execute(query)
    }
    if any(stored.get(record.seq) != encode_record(record) for record in known):
        raise conflict()


def decoded(payload: str) -> Recorded:
    """Read a stored event. Raises StorageFailed."""
    try:
        return decode_record(payload)
    except MalformedRecord as error:
        raise StorageFailed(
            "A stored event cannot be read: it was written by a newer Greffier, or the database "
            "is damaged. Update the server, or restore a backup."
        ) from error
