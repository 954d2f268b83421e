"""Laws of packing: all speech is decoded once, in bounds, and times can be told again."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.types import Word
from greffier_server.core.packing import (
    PackedWindow,
    PackingSettings,
    SpeechStretches,
    Stretch,
    WindowPacker,
)
from greffier_server.core.speech import SpeechSettings

pytestmark = pytest.mark.property

FRAME_MS = 32
SPEECH = SpeechSettings()

runs = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.9, 1.0]),
        st.one_of(st.integers(1, 12), st.integers(1, 12), st.integers(30, 1_500)),
    ),
    max_size=60,
).map(lambda pairs: [level for level, count in pairs for _ in range(count)])

bounds = st.builds(
    PackingSettings,
    max_window_ms=st.sampled_from([4_000, 14_500, 28_000]),
    max_silence_ms=st.sampled_from([0, 200, 1_000, 3_000]),
    pad_ms=st.sampled_from([0, 50, 300, 1_000]),
    max_extent_ms=st.sampled_from([28_000, 60_000, 120_000]),
)


def stretches_of(
    probabilities: Sequence[float], packer: WindowPacker, *, step: int, start_ms: int = 0
) -> list[Stretch]:
    finder = SpeechStretches(
        FRAME_MS, speech=SPEECH, longest_ms=packer.longest_ms, start_ms=start_ms
    )
    found: list[Stretch] = []
    for at in range(0, len(probabilities), step):
        found += finder.push(probabilities[at : at + step])
    return [*found, *finder.finish()]


def pack(
    probabilities: Sequence[float], settings: PackingSettings, *, step: int = 31, start_ms: int = 0
) -> tuple[list[Stretch], list[PackedWindow]]:
    packer = WindowPacker(settings, start_ms=start_ms)
    found = stretches_of(probabilities, packer, step=step, start_ms=start_ms)
    windows = [window for stretch in found for window in packer.add(stretch)]
    return found, [*windows, *packer.finish(start_ms + len(probabilities) * FRAME_MS)]


def speech_frames(probabilities: Sequence[float], start_ms: int) -> set[int]:
    """Starts of the frames that the hysteresis calls speech, short bursts left out."""
    frames: set[int] = set()
    burst: list[int] = []
    for index, probability in enumerate([*probabilities, 0.0]):
        if probability >= (SPEECH.off if burst else SPEECH.on):
            burst.append(start_ms + index * FRAME_MS)
            continue
        if len(burst) * FRAME_MS >= SPEECH.min_speech_ms:
            frames |= set(burst)
        burst = []
    return frames


@given(runs, bounds, st.integers(1, 400), st.sampled_from([0, 5_000]))
def test_every_frame_of_speech_lies_in_exactly_one_window(
    probabilities: list[float], settings: PackingSettings, step: int, start_ms: int
) -> None:
    _, windows = pack(probabilities, settings, step=step, start_ms=start_ms)
    spans = [span for window in windows for span in window.spans]
    for frame in speech_frames(probabilities, start_ms):
        holding = [s for s in spans if s.from_ms <= frame and frame + FRAME_MS <= s.to_ms]
        assert len(holding) == 1
    assert windows or not speech_frames(probabilities, start_ms)


@given(runs, bounds)
def test_windows_are_in_order_apart_and_within_bounds(
    probabilities: list[float], settings: PackingSettings
) -> None:
    _, windows = pack(probabilities, settings)
    spans = [span for window in windows for span in window.spans]
    assert all(0 <= span.from_ms < span.to_ms for span in spans)
    assert all(before.to_ms <= after.from_ms for before, after in pairwise(spans))
    assert not spans or spans[-1].to_ms <= len(probabilities) * FRAME_MS
    for window in windows:
        assert 0 < window.duration_ms <= settings.max_window_ms <= 28_000
        assert window.to_ms - window.from_ms <= settings.max_extent_ms
        assert window.speech_ms(window.from_ms, window.to_ms) == sum(
            stretch.duration_ms for stretch in window.stretches
        )


@given(runs, bounds, st.data())
def test_times_in_a_window_map_back_in_order_and_into_its_spans(
    probabilities: list[float], settings: PackingSettings, data: st.DataObject
) -> None:
    _, windows = pack(probabilities, settings)
    for window in windows:
        edges = data.draw(st.lists(st.integers(0, window.duration_ms), max_size=12).map(sorted))
        placed = [window.place(Word("w", a, b, 1.0)) for a, b in pairwise(edges)]
        for word in placed:
            assert any(s.from_ms <= word.start_ms <= word.end_ms <= s.to_ms for s in window.spans)
        for before, after in pairwise(placed):
            assert before.start_ms <= after.start_ms


@given(runs, bounds)
def test_halves_hold_the_same_speech_within_the_window(
    probabilities: list[float], settings: PackingSettings
) -> None:
    _, windows = pack(probabilities, settings)
    for window in windows:
        halves = window.halves(settings)
        if halves is None:
            assert len(window.stretches) == 1
            continue
        first, second = halves
        assert (*first.stretches, *second.stretches) == window.stretches
        assert window.from_ms <= first.from_ms
        assert first.to_ms <= second.from_ms
        assert second.to_ms <= window.to_ms
        assert max(first.duration_ms, second.duration_ms) <= settings.max_window_ms


@given(runs, bounds, st.lists(st.sampled_from(["en", "fr"]), min_size=1, max_size=20))
def test_a_window_holds_one_language(
    probabilities: list[float], settings: PackingSettings, languages: list[str]
) -> None:
    packer = WindowPacker(settings)
    labels: dict[Stretch, str] = {}
    windows: list[PackedWindow] = []
    for index, stretch in enumerate(stretches_of(probabilities, packer, step=31)):
        labels[stretch] = languages[index % len(languages)]
        windows += packer.add(stretch, labels[stretch])
    windows += packer.finish(len(probabilities) * FRAME_MS)
    for window in windows:
        assert {labels[stretch] for stretch in window.stretches} == {window.language}
    assert [s for window in windows for s in window.stretches] == list(labels)


@given(runs, bounds, st.integers(1, 50), st.integers(1, 50))
def test_how_the_audio_arrives_changes_nothing(
    probabilities: list[float], settings: PackingSettings, step: int, other: int
) -> None:
    assert pack(probabilities, settings, step=step) == pack(probabilities, settings, step=other)


@given(runs, bounds)
def test_what_a_window_needs_is_known_before_it_is_full(
    probabilities: list[float], settings: PackingSettings
) -> None:
    """The audio before `keep_from_ms` may be let go: no later window reaches back over it."""
    packer = WindowPacker(settings)
    kept_from_ms = 0
    for stretch in stretches_of(probabilities, packer, step=31):
        for window in packer.add(stretch):
            assert window.from_ms >= kept_from_ms
        kept_from_ms = packer.keep_from_ms or 0
    for window in packer.finish(len(probabilities) * FRAME_MS):
        assert window.from_ms >= kept_from_ms
