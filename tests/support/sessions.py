"""Builders of stored things: rows, and records that form a true hash chain."""

from collections.abc import Sequence
from dataclasses import replace

from greffier.protocol import AudioFormat, Minutes, MinutesItem
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    InputEnded,
    LanguageDetected,
    MinutesWritten,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.storage.store import SessionRow

__all__ = ["NOW_MS", "chain", "meeting", "row"]

NOW_MS = 1_700_000_000_000


def row(session: str = "s1", tenant: str = "dgfip", **changes: object) -> SessionRow:
    plain = SessionRow(
        tenant=tenant,
        session=session,
        title="Réunion d’équipe",
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
        state="open",
        language="",
        translate_to=("en", "de"),
        duration_ms=0,
        last_seq=0,
        token_hash="0" * 64,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def chain(
    *events: Event,
    session: str = "s1",
    tenant: str = "dgfip",
    after: Sequence[Recorded] = (),
) -> list[Recorded]:
    """Record `events` behind `after`, 10 ms and 100 ms of audio apart."""
    records = list(after)
    for event in events:
        seq = len(records) + 1
        records.append(
            Recorded(
                tenant=tenant,
                session=session,
                seq=seq,
                at_ms=NOW_MS + 10 * seq,
                audio_from_ms=100 * (seq - 1),
                audio_to_ms=100 * seq,
                prev_hash=record_hash(records[-1]) if records else GENESIS,
                engine="whisper-ct2/4.8.5:base@905e5bf8336b:int8,cpu",
                event=event,
            )
        )
    return records[len(after) :]


def meeting(session: str = "s1", tenant: str = "dgfip") -> list[Recorded]:
    """A whole small session."""
    words = (Word(" Ça", 100, 200, 0.1 + 0.2), Word(" va\0 \u2028 « 😀 »", 200, 400, 1e-17))
    minutes = Minutes(0, "fr", "Titre", summary=(MinutesItem("Tout va bien.", (1,), True),))
    return chain(
        SessionStarted(AudioFormat(), "auto", ("en",), title="Réunion"),
        LanguageDetected("fr", 0.98, 0),
        SegmentOpened(1, 100, "fr"),
        WordsCommitted(1, words, tail=" bien"),
        SegmentClosed(1, 100, 400),
        SegmentTranslated(1, "en", "It's fine."),
        InputEnded("finish", 12_345),
        MinutesWritten(minutes),
        SessionFinished("finish"),
        session=session,
        tenant=tenant,
    )
