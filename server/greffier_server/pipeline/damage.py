"""What the disk has lost of a recording, as gaps of its log: each is recorded once."""

import asyncio
import logging
from collections.abc import Sequence

from greffier.protocol import AudioFormat
from greffier_server.core.events import GapFound, Recorded, SessionStarted
from greffier_server.errors import ServerError
from greffier_server.pipeline.clock import Clock, SystemClock
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.journal import HoledJournal, SessionJournal
from greffier_server.storage.store import SessionRow, SessionStore

__all__ = ["AUDIO_DAMAGED", "is_recorded", "new_gaps", "record_damage"]

_log = logging.getLogger(__name__)

AUDIO_DAMAGED = "audio_damaged"
"""Cause of a gap that the disk has made."""


def new_gaps(
    journal: SessionJournal, form: AudioFormat, records: Sequence[Recorded]
) -> list[GapFound]:
    """Return the gaps of damaged audio that `records` do not tell of yet (blocking if any)."""
    holes = journal.holes if isinstance(journal, HoledJournal) else ()
    if not holes:
        return []
    per_second = form.rate * form.frame_bytes
    gaps = [
        GapFound(begin * 1000 // per_second, -(-end * 1000 // per_second), AUDIO_DAMAGED)
        for begin, end in holes
    ]
    return [gap for gap in gaps if not is_recorded(gap, records)]


def is_recorded(gap: GapFound, records: Sequence[Recorded]) -> bool:
    """Whether `records` tell of damage in this stretch."""
    return any(
        known.cause == gap.cause and known.from_ms < gap.to_ms and gap.from_ms < known.to_ms
        for record in records
        if isinstance(known := record.event, GapFound)
    )


async def record_damage(
    store: SessionStore,
    journal: SessionJournal,
    row: SessionRow,
    *,
    clock: Clock | None = None,
) -> int:
    """Record the damage of a finished session's audio; return how many gaps were new.

    What cannot be recorded now is found again by the next reader.
    """
    if not isinstance(journal, HoledJournal) or not journal.holes:
        return 0
    records = [record async for record in store.events(row.tenant, row.session)]
    if not records or not isinstance(started := records[0].event, SessionStarted):
        return 0
    gaps = await asyncio.to_thread(new_gaps, journal, started.format, records)
    if not gaps:
        return 0
    log = await asyncio.to_thread(
        EventLog,
        row.tenant,
        row.session,
        clock=clock or SystemClock(),
        sink=store.append,
        history=records,
    )
    try:
        await log.append(
            *gaps, audio_from_ms=gaps[0].from_ms, audio_to_ms=max(gap.to_ms for gap in gaps)
        )
    except ServerError as error:  # another writer was faster, or the disk is full
        _log.warning("damage of session %s is not recorded yet: %s", row.session, error.code)
        return 0
    finally:
        await log.settled()
    _log.warning("the disk has lost audio of session %s in %d places", row.session, len(gaps))
    return len(gaps)
