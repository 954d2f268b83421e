"""Who speaks on which channel."""

import pytest

from greffier.protocol import AudioFormat, Start
from greffier_server.core.channels import channel_numbers, check_speakers, speaker_names
from greffier_server.core.events import (
    GapFound,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    SilencePassed,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.resumption import ChannelStart
from greffier_server.core.state import SessionState, apply
from tests.support.meetings import words_of

pytestmark = pytest.mark.unit


def _start(count: int, *speakers: str) -> Start:
    return Start(AudioFormat(channels=count), channels="separate", speakers=speakers)


def test_names_are_given_in_order_and_the_rest_are_numbers() -> None:
    assert speaker_names(_start(3, " Claire\nM. ", "")) == ("Claire M.", "2", "3")
    assert channel_numbers(_start(3)) == (1, 2, 3)


def test_a_mix_has_no_speakers() -> None:
    mixed = Start(AudioFormat(channels=3))
    assert speaker_names(mixed) == ()
    assert channel_numbers(mixed) == (0,)
    check_speakers(mixed)


def test_what_old_logs_say_is_a_mix() -> None:
    assert channel_numbers(SessionStarted(AudioFormat(channels=2), "fr")) == (0,)


def test_each_channel_goes_on_where_it_was() -> None:
    state = SessionState()
    words = words_of("Bonjour à tous.", start_ms=20_000)
    for event in (
        SegmentOpened(1, 20_000, "fr", "A", 1),
        WordsCommitted(1, words),
        SegmentClosed(1, 20_000, words[-1].end_ms),
        SegmentOpened(2, 30_000, "fr", "B", 2),
        WordsCommitted(2, words_of("Oui", start_ms=30_000)),
        TextWithheld(40_000, 41_000, "loop", channel=1),
        SilencePassed(3, 120_000),
    ):
        state = apply(state, event)
    first, second, third, fourth = (
        ChannelStart.of(state, channel, 8_000) for channel in (1, 2, 3, 4)
    )
    assert (first.decided_ms, first.from_ms) == (41_000, 33_000)
    assert [segment.id for segment in second.segments] == [2]
    assert second.decided_ms == state.segments[2].end_ms
    assert (third.decided_ms, third.from_ms) == (120_000, 112_000)
    assert (fourth.decided_ms, fourth.from_ms) == (0, 0)


def test_what_the_engine_failed_on_is_not_heard_again() -> None:
    state = SessionState()
    for event in (
        SegmentOpened(1, 20_000, "fr", "A", 1),
        WordsCommitted(1, words_of("Oui", start_ms=20_000)),
        GapFound(21_000, 30_000, "engine_failed", 1),
        GapFound(50_000, 60_000, "audio_damaged", 1),
        GapFound(70_000, 80_000, "engine_failed", 2),
    ):
        state = apply(state, event)
    first, second, third = (ChannelStart.of(state, channel, 8_000) for channel in (1, 2, 3))
    assert (first.decided_ms, first.from_ms) == (30_000, 30_000)
    assert (second.decided_ms, second.from_ms) == (80_000, 80_000)
    assert (third.decided_ms, third.from_ms) == (0, 0)
    state = apply(state, WordsCommitted(1, words_of("Non", start_ms=33_000)))
    first = ChannelStart.of(state, 1, 8_000)
    assert (first.from_ms, first.decided_ms) == (30_000, state.segments[1].end_ms)
