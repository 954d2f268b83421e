from itertools import pairwise

import pytest

from greffier_server.core.voice_windows import WINDOW_MS, VoiceWindow, VoiceWindows

pytestmark = pytest.mark.unit

FRAME_MS = 32


def heard(*stretches: tuple[float, int]) -> list[VoiceWindow]:
    """Windows over frames of the given probabilities, a number of frames each."""
    windows = VoiceWindows(FRAME_MS)
    found: list[VoiceWindow] = []
    for probability, frames in stretches:
        found += windows.push([probability] * frames)
    return found + windows.finish()


def test_silence_gives_nothing() -> None:
    assert heard((0.0, 300)) == []


def test_a_cough_says_nothing_of_a_voice() -> None:
    assert heard((0.0, 10), (0.9, 9), (0.0, 30)) == []


def test_a_short_stretch_is_one_window() -> None:
    assert heard((0.0, 10), (0.9, 20), (0.0, 30)) == [VoiceWindow(320, 960, 320, 960)]


def test_every_part_of_a_long_stretch_is_answered_for_once() -> None:
    windows = heard((0.0, 10), (0.9, 200), (0.0, 30), (0.9, 100))
    first = [w for w in windows if w.to_ms <= 210 * FRAME_MS]
    assert first[0].answers_from_ms == 320
    assert first[-1].answers_to_ms == 210 * FRAME_MS
    assert all(a.answers_to_ms == b.answers_from_ms for a, b in pairwise(first))
    assert {w.to_ms - w.from_ms for w in windows} == {WINDOW_MS}
    assert all(w.from_ms <= w.answers_from_ms < w.answers_to_ms <= w.to_ms for w in windows)
    assert windows[-1].to_ms == 340 * FRAME_MS


def test_no_window_holds_a_pause() -> None:
    windows = heard((0.9, 60), (0.0, 8), (0.9, 60))
    assert all(w.to_ms <= 60 * FRAME_MS or w.from_ms >= 68 * FRAME_MS for w in windows)


def test_a_breath_is_no_pause() -> None:
    assert len(heard((0.9, 20), (0.0, 5), (0.9, 20))) == 1


def test_the_pieces_in_which_frames_come_do_not_matter() -> None:
    frames = [0.9] * 70 + [0.1] * 12 + [0.6] * 33 + [0.4] * 40 + [0.1] * 20
    whole, single = VoiceWindows(FRAME_MS), VoiceWindows(FRAME_MS)
    at_once = whole.push(frames) + whole.finish()
    one_by_one = [w for frame in frames for w in single.push([frame])] + single.finish()
    assert at_once == one_by_one


def test_audio_of_windows_to_come_is_kept() -> None:
    windows = VoiceWindows(FRAME_MS)
    for _ in range(300):
        kept_from_ms = windows.keep_from_ms
        found = windows.push([0.9])
        assert all(w.from_ms >= kept_from_ms for w in found)
    kept_from_ms = windows.keep_from_ms
    assert all(w.from_ms >= kept_from_ms for w in windows.finish())
    assert windows.keep_from_ms == 300 * FRAME_MS
