"""Windows of packed speech."""

import pytest

from greffier_models.types import Word
from greffier_server.core.packing import (
    PackedWindow,
    PackingSettings,
    Span,
    SpeechStretches,
    Stretch,
    WindowPacker,
)
from greffier_server.core.speech import SpeechSettings

pytestmark = pytest.mark.unit

SETTINGS = PackingSettings(max_window_ms=10_000, max_silence_ms=1_000, pad_ms=300)


def pack(*stretches: tuple[int, int], end_ms: int = 100_000) -> list[PackedWindow]:
    packer = WindowPacker(SETTINGS)
    windows = [w for a, b in stretches for w in packer.add(Stretch(a, b))]
    return [*windows, *packer.finish(end_ms)]


def test_a_long_silence_is_shortened_and_a_short_one_kept() -> None:
    (window,) = pack((1_000, 2_000), (2_500, 3_000), (9_000, 10_000))
    assert window.spans == (Span(700, 3_500), Span(8_500, 10_300))
    assert window.duration_ms == 4_600
    assert window.speech_ms(0, 100_000) == 2_500
    assert window.speech_ms(1_500, 2_600) == 600


def test_pads_do_not_leave_the_recording() -> None:
    (window,) = pack((100, 2_000), end_ms=2_100)
    assert window.spans == (Span(0, 2_100),)


def test_a_full_window_ends_at_the_longest_pause_of_its_second_half() -> None:
    first, second = pack(
        (0, 3_000), (3_100, 5_000), (5_900, 7_000), (7_100, 9_000), (9_100, 11_000)
    )
    assert [s.to_ms for s in first.stretches] == [3_000, 5_000]
    assert second.stretches[0].from_ms == 5_900
    assert first.to_ms == 5_300
    assert second.from_ms == 5_600


def test_pads_of_neighbours_share_a_short_pause() -> None:
    first, second = pack((0, 6_000), (6_200, 12_000))
    assert (first.to_ms, second.from_ms) == (6_100, 6_100)


def test_a_window_reaches_over_a_bounded_piece_of_the_recording() -> None:
    far = SETTINGS.max_extent_ms
    windows = pack((1_000, 2_000), (far + 1_000, far + 2_000), end_ms=far + 9_000)
    assert len(windows) == 2


def test_another_language_begins_another_window() -> None:
    packer = WindowPacker(SETTINGS)
    assert packer.add(Stretch(0, 2_000), "fr") == []
    (french,) = packer.add(Stretch(3_000, 4_000), "en")
    (english,) = packer.finish(5_000)
    assert (french.language, english.language) == ("fr", "en")
    assert (french.to_ms, english.from_ms) == (2_300, 2_700)
    assert packer.finish(5_000) == []


def test_a_word_over_a_joint_is_given_the_side_that_has_more_of_it() -> None:
    (window,) = pack((1_000, 2_000), (9_000, 10_000))
    joint = window.spans[0].duration_ms
    early = window.place(Word(" early", joint - 300, joint + 100, 0.5))
    late = window.place(Word(" late", joint - 100, joint + 300, 0.5))
    assert (early.start_ms, early.end_ms) == (window.spans[0].to_ms - 300, window.spans[0].to_ms)
    assert (late.start_ms, late.end_ms) == (window.spans[1].from_ms, window.spans[1].from_ms + 300)
    end = window.duration_ms
    assert window.place(Word(" x", end, end, 0.5)).start_ms == window.to_ms


def test_running_speech_is_cut_at_its_least_probable_frame() -> None:
    finder = SpeechStretches(32, longest_ms=3_200)
    frames = [0.9] * 150
    frames[70] = 0.45
    stretches = [*finder.push(frames), *finder.finish()]
    assert [s.from_ms for s in stretches] == [0, stretches[0].to_ms]
    assert 68 * 32 <= stretches[0].to_ms <= 72 * 32
    assert stretches[-1].to_ms == 150 * 32


def test_clicks_are_no_speech() -> None:
    finder = SpeechStretches(32, speech=SpeechSettings(min_speech_ms=100))
    assert finder.push([0, 0.9, 0.9, 0, 0.9, 0.9, 0.9, 0.9, 0]) == [Stretch(128, 256)]


def test_a_window_is_halved_at_a_pause_near_its_middle() -> None:
    (window,) = pack((0, 2_000), (2_200, 4_000), (4_800, 7_000), (7_100, 8_000))
    halves = window.halves(SETTINGS)
    assert halves is not None
    assert [s.from_ms for s in halves[1].stretches] == [4_800, 7_100]
    (single,) = pack((0, 2_000))
    assert single.halves(SETTINGS) is None


@pytest.mark.parametrize(
    "bounds",
    [
        {"max_window_ms": 28_001},
        {"max_window_ms": 1_000, "pad_ms": 300},
        {"max_silence_ms": -1},
        {"pad_ms": -1},
        {"max_extent_ms": 1_000},
    ],
)
def test_impossible_bounds_are_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="max_"):
        PackingSettings(**bounds)
