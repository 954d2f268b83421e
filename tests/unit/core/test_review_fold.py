"""Folding a long session: linear in its events, and the same as applying them one by one."""

import time
from collections.abc import Sequence

import pytest

from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    GapFound,
    LanguageDetected,
    NotesTaken,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    StageFailed,
    TailRevised,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.state import Segment, SessionState, apply, fold

pytestmark = pytest.mark.unit


def session_of(segments: int) -> list[Recorded]:
    """Eight events for each segment, every kind that a long session collects among them."""
    events: list[Event] = []
    for number in range(1, segments + 1):
        at = number * 2_000
        events += [
            SegmentOpened(number, at, "en"),
            WordsCommitted(number, (Word(" one", at, at + 200, 0.9),)),
            SegmentTranslated(number, "fr", "un", closed=True),
            SegmentClosed(number, at, at + 500),
            TextWithheld(at, at + 100, "no_voice", ""),
            GapFound(at, at + 10, "client_lost_audio"),
            StageFailed("translate", "translation_doubtful", "m"),
            NotesTaken(number, number, number, "{}"),
        ]
    return [recorded(event, seq) for seq, event in enumerate(events, start=1)]


def recorded(event: Event, seq: int) -> Recorded:
    return Recorded(
        tenant="t",
        session="s",
        seq=seq,
        at_ms=seq,
        audio_from_ms=0,
        audio_to_ms=0,
        prev_hash="",
        engine="",
        event=event,
    )


def cpu_s(records: Sequence[Recorded], state: SessionState) -> float:
    """Least CPU time of three folds: a busy machine only adds to it."""
    spent: list[float] = []
    for _ in range(3):
        begun = time.process_time()
        fold(records, state)
        spent.append(time.process_time() - begun)
    return min(spent)


def test_an_event_costs_the_same_however_long_the_session_is() -> None:
    records = session_of(20_000 // 8)
    assert len(records) == 20_000
    long = SessionState(
        segments={-number: Segment(-number, 0, 0, "en") for number in range(20_000)},
        withheld=(TextWithheld(0, 1, "no_voice", ""),) * 20_000,
    )
    # About once; a hundred times when each event copies what came before.
    assert cpu_s(records, long) < 5 * cpu_s(records, SessionState())


def test_fold_is_apply_event_by_event_from_any_state() -> None:
    records = session_of(12)
    records.append(recorded(TailRevised(99, " early", 0, 1), len(records) + 1))
    records.append(recorded(LanguageDetected("fr", 0.9, 0), len(records) + 1))
    state = SessionState()
    for record in records:
        state = apply(state, record.event)
    whole = fold(records)
    assert (whole.segments, whole.gaps, whole.notes) == (state.segments, state.gaps, state.notes)
    assert (whole.withheld, whole.failures) == (state.withheld, state.failures)
    assert (whole.seq, whole.language, state.seq) == (len(records), "fr", 0)
    for cut in (0, 1, 37, len(records)):
        assert fold(records[cut:], fold(records[:cut])) == whole


def test_what_was_folded_before_is_left_as_it_was() -> None:
    records = session_of(3)
    before = fold(records[:12])
    texts = {key: segment.text for key, segment in before.segments.items()}
    gaps = before.gaps
    fold(records[12:], before)
    apply(before, records[20].event)
    assert {key: segment.text for key, segment in before.segments.items()} == texts
    assert before.gaps == gaps
