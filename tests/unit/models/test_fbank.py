import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_models.speakers.fbank import BANDS, log_mel

pytestmark = pytest.mark.unit


def tone(hertz: float, ms: int = 500) -> NDArray[np.float32]:
    times = np.arange(ms * 16) / 16_000
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def test_frames_are_whole_and_ten_milliseconds_apart() -> None:
    assert log_mel(np.zeros((3, 24_000), np.float32)).shape == (3, BANDS, 148)


def test_the_mean_of_each_band_is_taken_away() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 8_000)).astype(np.float32)
    assert np.abs(log_mel(noise).mean(axis=2)).max() < 1e-4


def test_loudness_does_not_matter() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 8_000)).astype(np.float32)
    assert np.allclose(log_mel(noise), log_mel(noise * 0.25), atol=1e-3)


def test_a_tone_that_begins_is_heard_in_its_band() -> None:
    """800 Hz is 858 mel; 80 bands part 32 to 2840 mel into steps of 34.7."""
    sound = np.concatenate([np.zeros(8_000, np.float32), tone(800)])
    features = log_mel(sound[None])[0]
    rise = features[:, -5:].mean(axis=1) - features[:, :5].mean(axis=1)
    assert abs(int(rise.argmax()) - 23) <= 1
