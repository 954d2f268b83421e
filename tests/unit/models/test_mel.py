"""Features: batches give what single windows give, and torch what numpy gives."""

import importlib.util

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_models.whisper import mel

pytestmark = pytest.mark.models


def _windows() -> list[NDArray[np.float32]]:
    """A quiet one beside a loud one: each has its own floor."""
    noise = np.random.default_rng(3)
    time = np.arange(16_000 * 4, dtype=np.float32) / 16_000
    tone = np.sin(2 * np.pi * 440 * time)
    loud = (0.5 * tone + noise.normal(0, 0.1, len(time))).astype(np.float32)
    quiet = (0.001 * loud).astype(np.float32)
    ending = loud.copy()
    ending[16_000:] = 0.0
    return [loud, quiet, ending, np.zeros(len(loud), np.float32)]


def _extractor() -> object:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor()


def test_a_batch_is_its_windows() -> None:
    features = mel.numpy_features(_extractor())
    together = features(_windows())
    assert together.shape == (4, 80, 400)
    assert together.dtype == np.float32
    for window, row in zip(_windows(), together, strict=True):
        np.testing.assert_array_equal(features([window])[0], row)


def test_the_figures_are_those_of_faster_whisper() -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    for bands in (80, 128):
        extractor = FeatureExtractor(feature_size=bands)
        got = mel.numpy_features(extractor)(_windows())
        for window, row in zip(_windows(), got, strict=True):
            np.testing.assert_allclose(row, extractor(window, padding=0), atol=1e-4)


def _no_module(name: str) -> None:
    del name


def test_without_the_gpu_extra_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", _no_module)
    for device in ("cpu", "cuda:0"):
        chosen = mel.choose_features(_extractor(), device=device)
        assert chosen(_windows()[:2]).shape == (2, 80, 400)


def test_torch_agrees_with_numpy() -> None:
    pytest.importorskip("torch", reason="comes with the gpu extra")
    expected = mel.numpy_features(_extractor())(_windows())
    got = mel.torch_features(_extractor(), device="cpu")(_windows())
    np.testing.assert_allclose(got, expected, atol=2e-4)
