"""Resampling: inaudible, the same however the stream is cut, and without drift."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_server.media.resampling import Resampler
from greffier_server.pipeline.feed import ChannelDecoder

pytestmark = pytest.mark.property

RATES = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)


def sweep(rate: int, *, seconds: float, to_hz: float) -> NDArray[np.float64]:
    """A linear sweep from 50 Hz with soft ends, known at any rate."""
    at = np.arange(round(seconds * rate)) / rate
    soft = np.clip(np.minimum(at, seconds - at) / 0.25, 0, 1)
    return (
        0.5
        * np.sin(np.pi / 2 * soft) ** 2
        * np.sin(2 * np.pi * (50 * at + (to_hz - 50) / (2 * seconds) * at**2))
    )


def resampled(
    samples: NDArray[np.float32], from_rate: int, to_rate: int, sizes: list[int]
) -> NDArray[np.float32]:
    resampler = Resampler(from_rate, to_rate, channels=samples.shape[1])
    edges = [0, *(at for at in np.cumsum(sizes).tolist() if at < len(samples)), len(samples)]
    parts = [resampler.feed(samples[a:b]) for a, b in pairwise(edges)]
    return np.concatenate([*parts, resampler.flush()])


@pytest.mark.parametrize("from_rate", RATES)
@pytest.mark.parametrize("to_rate", [16_000, 48_000])
def test_a_sweep_stays_clean(from_rate: int, to_rate: int) -> None:
    """90 dB and more over all that both rates can hold (up to 0.44 of the lower one)."""
    top = 0.44 * min(from_rate, to_rate)
    heard = resampled(
        sweep(from_rate, seconds=2.0, to_hz=top).astype(np.float32)[:, np.newaxis],
        from_rate,
        to_rate,
        [],
    )[:, 0].astype(np.float64)
    expected = sweep(to_rate, seconds=2.0, to_hz=top)
    inner = slice(to_rate // 10, -to_rate // 10)  # a stream has no sound before its beginning
    noise = heard[inner] - expected[inner]
    snr_db = 10 * np.log10(np.mean(expected[inner] ** 2) / max(np.mean(noise**2), 1e-30))
    assert snr_db >= 90


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_what_recognition_hears_is_limited_by_its_sixteen_bits_alone(rate: int) -> None:
    """The pipeline's own way to 16 kHz: a sweep of full scale, to the last bit of s16."""
    top = 0.4 * 16_000
    wave = 1.9 * sweep(rate, seconds=2.0, to_hz=top)
    decoder = ChannelDecoder(AudioFormat("pcm_f32le", rate, 1))
    (heard,) = decoder.decode(wave.astype("<f4").tobytes())
    (rest,) = decoder.decode(b"", last=True)
    sound = np.concatenate([heard, rest]).astype(np.float64) / 32_768
    expected = 1.9 * sweep(16_000, seconds=2.0, to_hz=top)
    inner = slice(1_600, -1_600)
    noise = sound[inner] - expected[inner]
    snr_db = 10 * np.log10(np.mean(expected[inner] ** 2) / np.mean(noise**2))
    assert snr_db >= 90


@given(
    from_rate=st.sampled_from(RATES),
    to_rate=st.sampled_from(RATES),
    sizes=st.lists(st.integers(0, 4_000), max_size=12),
    length=st.integers(0, 12_000),
    channels=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_cuts_do_not_matter(
    from_rate: int, to_rate: int, sizes: list[int], length: int, channels: int
) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, (length, channels)).astype(np.float32)
    whole = resampled(samples, from_rate, to_rate, [])
    assert len(whole) == (2 * length * to_rate + from_rate) // (2 * from_rate)
    assert np.allclose(resampled(samples, from_rate, to_rate, sizes), whole, atol=1e-6)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44_100, 16_000), (48_000, 16_000)])
def test_four_hours_do_not_drift(from_rate: int, to_rate: int) -> None:
    """The phase of a tone after two minutes, from which any drift of four hours follows.

    A drift of a hundredth of a sample in four hours would be 1/12,000 of one in two minutes.
    """
    minutes, hz = 2, 1_000
    second = np.sin(2 * np.pi * hz * np.arange(from_rate) / from_rate)[:, np.newaxis]
    resampler = Resampler(from_rate, to_rate, channels=1)
    parts = [resampler.feed(second.astype(np.float32)) for _ in range(60 * minutes)]
    heard = np.concatenate(parts)[:, 0].astype(np.float64)
    assert len(heard) + len(resampler.flush()) == 60 * minutes * to_rate

    def offset(first_s: int) -> float:
        """Samples by which the tone is late in a second of the output."""
        part = heard[first_s * to_rate : (first_s + 1) * to_rate]
        turn = np.exp(-2j * np.pi * hz * np.arange(to_rate) / to_rate)
        phase = np.angle(np.sum(part * turn)) + np.pi / 2
        return float(phase * to_rate / (2 * np.pi * hz))

    drift = abs(offset(60 * minutes - 2) - offset(1))
    assert drift * 4 * 60 / minutes < 0.01
