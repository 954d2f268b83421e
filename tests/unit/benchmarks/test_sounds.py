"""Sounds that are not speech: loud enough, long enough, the same from the same seed."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.corpora import RATE
from benchmarks.sounds import GENERATED, burst, hour, to_pcm

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_each_sound_lasts_a_stretch_and_sounds(name: str) -> None:
    sound = GENERATED[name](np.random.default_rng(0))
    assert 15 * RATE <= len(sound) <= 30 * RATE
    assert np.isfinite(sound).all()
    assert bool(np.abs(sound).max() > 0) is (name != "silence")


def test_an_hour_names_what_lies_where() -> None:
    recordings = {"music": np.sin(np.arange(45 * RATE) / 10)}
    sound, placed = hour(recordings, seconds=600, seed=1)
    assert len(sound) == 600 * RATE
    assert {p.name for p in placed} >= {"white -12 dB", "music -12 dB", "silence -12 dB"}
    for one, other in pairwise(placed):
        assert other.start_ms - one.end_ms in range(1_499, 1_502)
    loud = next(p for p in placed if p.name == "white -12 dB")
    stretch = sound[loud.start_ms * RATE // 1000 : loud.end_ms * RATE // 1000]
    assert 20 * np.log10(np.sqrt(np.mean(stretch**2))) == pytest.approx(-12, abs=0.1)


def test_the_same_seed_gives_the_same_hour() -> None:
    first, other = (hour({}, seconds=60, seed=3)[0] for _ in range(2))
    assert np.array_equal(first, other)
    assert not np.array_equal(first, hour({}, seconds=60, seed=4)[0])


def test_recordings_go_on_where_they_were() -> None:
    ramp = np.linspace(0.1, 1.0, 40 * RATE)
    _, placed = hour({"ramp": ramp}, seconds=1_500)
    levels = [p.name for p in placed if p.name.startswith("ramp")]
    assert levels[:3] == ["ramp -12 dB", "ramp -26 dB", "ramp -40 dB"]


def test_bursts_are_cut_within_their_bounds() -> None:
    random = np.random.default_rng(0)
    whole = np.arange(RATE, dtype=float)
    for _ in range(20):
        piece = burst(whole, random, shortest_s=0.2, longest_s=0.5)
        assert 0.2 * RATE - 1 <= len(piece) <= 0.5 * RATE + 1
        assert np.array_equal(np.diff(piece), np.ones(len(piece) - 1))


def test_too_loud_is_clipped_and_not_wrapped() -> None:
    assert to_pcm(np.array([2.0, -2.0, 0.0])).tolist() == [32767, -32768, 0]
