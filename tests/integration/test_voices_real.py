"""The real model of voices: equal to its PyTorch original, and able to tell people apart."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.corpora import read_pcm
from greffier_models.errors import EngineError
from greffier_models.speakers import CampPlusEmbedder
from tests.support.scenes import load_scene
from tests.support.weights import voices

pytestmark = pytest.mark.models

# First numbers of the vector of `_chirp()`, from the authors' PyTorch code and torchaudio's
# features on the same samples.
ORIGINAL = (-0.18106, 0.04975, -0.00509, -0.06170, -0.02776, 0.04631, 0.04501, -0.00790)


@pytest.fixture(scope="module")
def embedder() -> CampPlusEmbedder:
    return voices()


def _chirp() -> NDArray[np.int16]:
    times = np.arange(24_000) / 16_000
    wave = np.sin(2 * np.pi * (200 * times + 400 * times**2)) * np.sin(2 * np.pi * 3 * times)
    return (wave * 8_000).astype(np.int16)


def test_vectors_equal_those_of_the_original(embedder: CampPlusEmbedder) -> None:
    (vector,) = embedder.embed([_chirp()])
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert vector[: len(ORIGINAL)] == pytest.approx(ORIGINAL, abs=1e-4)


def test_a_batch_is_its_windows(embedder: CampPlusEmbedder) -> None:
    noise = np.random.default_rng(0).integers(-9_000, 9_000, (11, 24_000)).astype(np.int16)
    together = embedder.embed(list(noise))
    alone = np.concatenate([embedder.embed([window]) for window in noise])
    assert together.shape == (11, 192)
    assert np.allclose(together, alone, atol=1e-4)
    assert embedder.embed([]).shape == (0, 192)


def test_voices_of_a_meeting_are_told_apart(embedder: CampPlusEmbedder) -> None:
    scene = load_scene("meeting-fr")
    samples = np.frombuffer(read_pcm(scene.audio), dtype=np.int16)
    turns = [turn for turn in scene.turns if turn.end_ms - turn.start_ms >= 3_000][:10]
    middles = [(turn.start_ms + turn.end_ms) // 2 * 16 for turn in turns]
    vectors = embedder.embed([samples[at - 12_000 : at + 12_000] for at in middles])
    same = [
        float(vectors[i] @ vectors[j])
        for i in range(len(turns))
        for j in range(i)
        if turns[i].speaker == turns[j].speaker
    ]
    other = [
        float(vectors[i] @ vectors[j])
        for i in range(len(turns))
        for j in range(i)
        if turns[i].speaker != turns[j].speaker
    ]
    assert np.mean(same) > 0.55
    assert np.mean(other) < 0.3


@pytest.mark.parametrize("lengths", [(800,), (40_000,), (24_000, 16_000)])
def test_windows_of_a_wrong_length_are_refused(
    embedder: CampPlusEmbedder, lengths: tuple[int, ...]
) -> None:
    with pytest.raises(EngineError, match="one length"):
        embedder.embed([np.zeros(length, np.int16) for length in lengths])
