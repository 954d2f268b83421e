"""Formats, their decoding, and the buffer windows are cut from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import AudioFormat
from greffier_server.core.audio import AudioBuffer, check_format, decode_frames
from greffier_server.errors import UnsupportedAudio

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("rate", [8_000, 192_000])
@pytest.mark.parametrize("channels", [1, 8])
def test_formats_within_limits(rate: int, channels: int) -> None:
    check_format(AudioFormat(rate=rate, channels=channels))


@pytest.mark.parametrize(("rate", "channels"), [(7_999, 1), (192_001, 1), (16_000, 0), (16_000, 9)])
def test_formats_out_of_limits(rate: int, channels: int) -> None:
    with pytest.raises(UnsupportedAudio):
        check_format(AudioFormat(rate=rate, channels=channels))


@pytest.mark.parametrize(
    ("code", "value"),
    [(0x00, -32_124), (0x7F, 0), (0x80, 32_124), (0xFF, 0), (0xFE, 8), (0x7E, -8), (0xCF, 924)],
)
def test_mu_law(code: int, value: int) -> None:
    """Values of ITU-T G.711, in 16 bits."""
    (sample,) = decode_frames(bytes([code]), AudioFormat("mulaw", 8_000))
    assert round(float(sample) * 32_768) == value


@pytest.mark.parametrize(
    ("code", "value"),
    [(0x55, -8), (0xD5, 8), (0x2A, -32_256), (0xAA, 32_256), (0x54, -24), (0xC5, 264)],
)
def test_a_law(code: int, value: int) -> None:
    """Values of ITU-T G.711, in 16 bits."""
    (sample,) = decode_frames(bytes([code]), AudioFormat("alaw", 8_000))
    assert round(float(sample) * 32_768) == value


def test_integers_are_exact() -> None:
    every = np.arange(-32_768, 32_768, dtype="<i2")
    decoded = decode_frames(every.tobytes(), AudioFormat()) * 32_768
    assert np.array_equal(decoded.astype(np.int32), every)


def test_floats_are_made_finite_and_bounded() -> None:
    raw = np.array([0.5, np.nan, np.inf, -np.inf, 7.0, -7.0], "<f4")
    decoded = decode_frames(raw.tobytes(), AudioFormat("pcm_f32le"))
    assert decoded.tolist() == [0.5, 0.0, 1.0, -1.0, 1.0, -1.0]


def test_channels_are_mixed() -> None:
    raw = np.array([100, 300, -200, 200], "<i2")
    decoded = decode_frames(raw.tobytes(), AudioFormat(channels=2)) * 32_768
    assert decoded.tolist() == [200.0, 0.0]
    assert len(decode_frames(b"", AudioFormat(channels=2))) == 0


@given(
    sizes=st.lists(st.integers(0, 3_000), max_size=12),
    start_ms=st.integers(0, 500),
    cut=st.tuples(st.integers(0, 2_500), st.integers(0, 2_500)),
    drop_ms=st.integers(0, 2_500),
)
def test_a_cut_is_a_slice_of_all_that_came(
    sizes: list[int], start_ms: int, cut: tuple[int, int], drop_ms: int
) -> None:
    buffer = AudioBuffer(start_ms)
    everything = np.arange(start_ms * 16 + sum(sizes), dtype=np.int64).astype(np.int16)
    at = start_ms * 16
    for size in sizes:
        buffer.append(everything[at : at + size])
        at += size
    assert buffer.end_ms == at // 16
    buffer.drop_before(drop_ms)
    assert buffer.start_ms <= max(start_ms, drop_ms)
    from_ms, to_ms = cut
    begin = max(from_ms, buffer.start_ms) * 16
    if from_ms >= buffer.start_ms:
        assert np.array_equal(buffer.cut(from_ms, to_ms), everything[begin : to_ms * 16])
    assert len(buffer.cut(from_ms, to_ms)) <= max(0, to_ms - from_ms) * 16
