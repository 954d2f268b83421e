"""Whisper's log-mel features, of one window or of a batch; with torch on a GPU, else with numpy.

The same figures either way, those of OpenAI's ``whisper/audio.py``: periodic Hann window of 25 ms,
hop of 10 ms, Slaney filters, logarithm cut 8 below each window's loudest bin.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Features", "choose_features", "numpy_features", "torch_features"]

Features = Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]
"""Windows of equal length, samples in -1 … 1, to (window, band, frame of 10 ms)."""


def choose_features(extractor: Any, *, device: str) -> Features:
    """Torch for a CUDA device where the ``gpu`` extra is installed, numpy otherwise.

    Args:
        extractor: faster-whisper's, for its filters and sizes.
        device: ``cpu``, ``cuda``, ``cuda:1`` …
    """
    if device.startswith("cuda") and importlib.util.find_spec("torch") is not None:
        return torch_features(extractor, device=device)
    return numpy_features(extractor)


def numpy_features(extractor: Any) -> Features:
    """One window after the other: 2 to 3 ms of processor time for 15 s.

    The filters are applied band by band, not as a matrix product: BLAS would spread that over all
    cores, where the workers are, and spin there for longer than it counts.
    """
    hann = np.hanning(extractor.n_fft + 1)[:-1].astype(np.float32)
    bands = [_band(row) for row in np.asarray(extractor.mel_filters, np.float32)]

    def features(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack(
            [_log_mel(window, hann, bands, int(extractor.hop_length)) for window in windows]
        )

    return features


def torch_features(extractor: Any, *, device: str) -> Features:
    """All windows in one pass on `device` (any that torch knows)."""
    torch: Any = importlib.import_module("torch")
    filters = torch.from_numpy(np.asarray(extractor.mel_filters, np.float32)).to(device)
    hann = torch.hann_window(extractor.n_fft, device=device)

    def features(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            audio = torch.from_numpy(np.stack(windows)).to(device)
            spectrum = torch.stft(
                audio,
                extractor.n_fft,
                extractor.hop_length,
                window=hann,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )
            power = spectrum[..., :-1].abs() ** 2
            log = torch.clamp(filters @ power, min=1e-10).log10()
            log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - 8.0)
            return np.asarray(((log + 4.0) / 4.0).cpu().numpy(), np.float32)

    return features


def _band(weights: NDArray[np.float32]) -> tuple[int, NDArray[np.float32]]:
    """First bin and weights of a filter, what is zero left out."""
    bins = np.flatnonzero(weights)
    if not len(bins):
        return 0, weights[:1, None]
    first, last = int(bins[0]), int(bins[-1])
    return first, weights[first : last + 1, None]


def _log_mel(
    window: NDArray[np.float32],
    hann: NDArray[np.float32],
    bands: Sequence[tuple[int, NDArray[np.float32]]],
    hop: int,
) -> NDArray[np.float32]:
    size = len(hann)
    padded = np.pad(window, size // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][: len(window) // hop]
    spectrum = np.fft.rfft(frames * hann, axis=-1)
    power = np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T, dtype=np.float32)
    mel = np.empty((len(bands), len(frames)), np.float32)
    for row, (first, weights) in enumerate(bands):
        np.sum(power[first : first + len(weights)] * weights, axis=0, out=mel[row])
    log: NDArray[np.float32] = np.log10(np.maximum(mel, np.float32(1e-10)))
    cut: NDArray[np.float32] = np.maximum(log, log.max() - np.float32(8.0))
    return (cut + np.float32(4.0)) / np.float32(4.0)
