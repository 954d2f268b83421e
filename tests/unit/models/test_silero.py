"""What a Silero stream hands to its model, without the model."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_models.silero import SileroVad

pytestmark = pytest.mark.unit


class _Session:
    """Says how loud each frame is, and counts calls in the state."""

    def __init__(self) -> None:
        self.inputs: list[NDArray[np.float32]] = []

    def run(self, names: None, feeds: dict[str, Any]) -> tuple[NDArray[np.float32], Any, Any]:
        del names
        self.inputs.append(feeds["input"])
        loud = np.abs(feeds["input"][:, 64:]).max(axis=1)
        return loud.reshape(1, -1), feeds["h"] + 1, feeds["c"] + 2


def test_frames_carry_the_context_of_the_one_before() -> None:
    session = _Session()
    stream = SileroVad(session, corner_hz=None).open()
    pcm = np.arange(512 * 4, dtype=np.int16)
    assert len(stream.push(pcm[:700])) == 1
    assert len(stream.push(pcm[700:])) == 3
    frames = np.concatenate(session.inputs) * 32768
    expected = np.concatenate([np.zeros(64), np.arange(512 * 4)])
    for place, frame in enumerate(frames):
        assert frame.tolist() == expected[place * 512 : place * 512 + 576].tolist()


@pytest.mark.parametrize("size", [0, 1, 511])
def test_less_than_a_frame_says_nothing(size: int) -> None:
    session = _Session()
    assert list(SileroVad(session).open().push(np.zeros(size, np.int16))) == []
    assert session.inputs == []


def test_streams_share_nothing() -> None:
    vad = SileroVad(_Session())
    one, other = vad.open(), vad.open()
    one.push(np.full(300, 9_000, np.int16))
    assert other.push(np.zeros(512, np.int16)) == [0.0]
    assert vad.frame_ms == 32


def test_treble_is_heard_more_faintly_than_voice() -> None:
    session = _Session()
    times = np.arange(16_000) / 16_000
    peaks: dict[int, float] = {}
    for hertz in (200, 800, 6_400):
        tone = (16_384 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)
        peaks[hertz] = list(SileroVad(session).open().push(tone))[-1]
    assert peaks[200] > 0.47
    assert peaks[800] == pytest.approx(0.5 / np.sqrt(2), rel=0.08)
    assert peaks[6_400] < 0.12


def test_the_filter_knows_no_blocks() -> None:
    pcm = np.random.default_rng(1).integers(-9_000, 9_000, 512 * 6).astype(np.int16)
    at_once, in_pieces = _Session(), _Session()
    SileroVad(at_once).open().push(pcm)
    stream = SileroVad(in_pieces).open()
    for start in range(0, len(pcm), 37):
        stream.push(pcm[start : start + 37])
    whole, pieces = (np.concatenate(s.inputs) for s in (at_once, in_pieces))
    np.testing.assert_allclose(whole, pieces, atol=1e-6)
