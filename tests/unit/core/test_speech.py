"""Voice activity with hysteresis, on the clock of its frames."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.speech import SpeechSettings, SpeechTracker

pytestmark = pytest.mark.unit

frames = st.lists(st.floats(0, 1), max_size=200)


def _tracked(
    probabilities: Sequence[float], settings: SpeechSettings | None = None
) -> SpeechTracker:
    tracker = SpeechTracker(32, settings)
    tracker.push(probabilities)
    return tracker


def test_speech_begins_where_its_first_frame_begins() -> None:
    tracker = _tracked([0.1, 0.9])
    assert (tracker.speaking, tracker.stirring) == (False, True)
    tracker.push([0.9])
    assert (tracker.speaking, tracker.stirring) == (True, False)
    assert (tracker.onset_ms, tracker.last_speech_ms, tracker.silence_ms) == (32, 96, 0)


def test_a_short_burst_is_no_speech() -> None:
    tracker = _tracked([0.1, 0.9, 0.1, 0.9, 0.1])
    assert not tracker.speaking
    assert tracker.last_speech_ms == 0
    assert tracker.silence_ms == 160


def test_hysteresis() -> None:
    assert _tracked([0.9, 0.9, 0.3]).speaking
    assert not _tracked([0.9, 0.9, 0.2]).speaking
    assert not _tracked([0.3, 0.3, 0.3]).speaking


def test_the_end_of_speech_before_a_time() -> None:
    tracker = _tracked([0, 1, 1, 0, 0, 1, 1, 1, 0])
    assert tracker.speech_end_before(160) == 96
    assert tracker.speech_end_before(161) == 192
    assert tracker.speech_end_before(10_000) == 256
    assert tracker.speech_end_before(32) == 0


def test_memory_is_bounded() -> None:
    tracker = _tracked([1.0] * 1_000, SpeechSettings(memory_ms=320))
    assert tracker.speech_ms(0, 40_000) == 320
    assert tracker.speech_end_before(1_000) == 0


@given(probabilities=frames, cut=st.integers(0, 200))
def test_pieces_change_nothing(probabilities: list[float], cut: int) -> None:
    whole = _tracked(probabilities)
    parts = _tracked(probabilities[:cut])
    parts.push(probabilities[cut:])
    for name in ("speaking", "stirring", "onset_ms", "last_speech_ms", "silence_ms", "heard_ms"):
        assert getattr(parts, name) == getattr(whole, name)


@given(probabilities=frames)
def test_times_are_in_order(probabilities: list[float]) -> None:
    tracker = SpeechTracker(32)
    last = (0, 0)
    for probability in probabilities:
        tracker.push([probability])
        assert tracker.onset_ms <= tracker.last_speech_ms <= tracker.heard_ms
        assert (tracker.onset_ms, tracker.last_speech_ms) >= last
        last = (tracker.onset_ms, tracker.last_speech_ms)
        assert not (tracker.speaking and tracker.stirring)
    total = tracker.speech_ms(0, tracker.heard_ms)
    assert 0 <= total <= tracker.heard_ms
