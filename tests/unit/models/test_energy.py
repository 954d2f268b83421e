import numpy as np
import pytest

from greffier_models.energy import EnergySettings, EnergyVad
from greffier_models.protocols import VoiceActivityDetector
from greffier_models.types import SAMPLE_RATE, Pcm

pytestmark = pytest.mark.unit


def noise(seconds: float, level_db: float, seed: int = 0) -> Pcm:
    samples = np.random.default_rng(seed).normal(0, 1, int(seconds * SAMPLE_RATE))
    return np.clip(samples * 10 ** (level_db / 20) * 32768, -32768, 32767).astype(np.int16)


def probabilities(*parts: Pcm) -> list[float]:
    return list(EnergyVad().open().push(np.concatenate(parts)))


def test_it_is_a_detector() -> None:
    detector: VoiceActivityDetector = EnergyVad()
    assert detector.frame_ms == 32


def test_silence_is_no_speech() -> None:
    found = probabilities(np.zeros(SAMPLE_RATE, dtype=np.int16))
    assert len(found) == SAMPLE_RATE // 512
    assert max(found) < 0.05


def test_speech_stands_above_the_noise_floor() -> None:
    found = probabilities(noise(4, -50), noise(1, -25), noise(1, -50))
    frames = [int(second * 1000 / 32) for second in (4, 5, 6)]
    assert max(found[frames[0] - 20 : frames[0] - 1]) < 0.05
    assert min(found[frames[0] + 1 : frames[1] - 1]) > 0.9
    assert max(found[frames[1] + 2 : frames[2] - 1]) < 0.1


def test_the_floor_follows_a_louder_room() -> None:
    found = probabilities(noise(2, -60), noise(8, -35), noise(1, -12))
    second = 1000 / 32
    assert found[int(2.5 * second)] > 0.9
    assert max(found[int(7 * second) : int(9.9 * second)]) < 0.2
    assert min(found[int(10.1 * second) : int(10.9 * second)]) > 0.9


def test_who_begins_loudly_is_heard_at_once() -> None:
    assert min(probabilities(noise(1, -20))) > 0.9


def test_speech_with_pauses_does_not_become_the_floor() -> None:
    words = [part for _ in range(20) for part in (noise(0.6, -20), noise(0.2, -55))]
    found = np.array(probabilities(*words))
    second = 1000 / 32
    last_word = found[int(15.25 * second) : int(15.75 * second)]
    assert last_word.min() > 0.9


def test_a_constant_offset_is_no_sound() -> None:
    assert max(probabilities(np.full(SAMPLE_RATE, 12_000, dtype=np.int16))) < 0.05


@pytest.mark.parametrize("step", [1, 7, 511, 512, 513, 5000])
def test_the_cut_into_chunks_makes_no_difference(step: int) -> None:
    pcm = np.concatenate([noise(0.2, -50), noise(0.2, -20)])
    stream = EnergyVad().open()
    found = [p for i in range(0, len(pcm), step) for p in stream.push(pcm[i : i + step])]
    assert found == pytest.approx(probabilities(pcm))
    assert len(found) == len(pcm) // 512


def test_streams_know_nothing_of_each_other() -> None:
    detector = EnergyVad()
    loud, fresh = detector.open(), detector.open()
    loud.push(noise(5, -15))
    assert list(fresh.push(noise(1, -40))) == list(detector.open().push(noise(1, -40)))


def test_the_extremes_of_16_bits_stay_probabilities() -> None:
    square = np.tile(np.array([-32768, 32767], dtype=np.int16), 2560)
    found = probabilities(square, np.zeros(1024, dtype=np.int16))
    assert all(0 <= p <= 1 for p in found)
    assert EnergyVad().open().push(np.zeros(0, dtype=np.int16)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_ms": 0},
        {"memory_ms": 10},
        {"slope_db": 0.0},
        {"smoothing": 1.0},
        {"smoothing": -0.1},
        {"quietest_db": -10.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        EnergySettings(**wrong)  # type: ignore[arg-type]
