"""Log mel energies as Kaldi computes them (80 bands, 25 ms every 10 ms), which CAM++ listens to.

After ``torchaudio.compliance.kaldi.fbank`` with its defaults and no dither, on samples between -1
and 1; then the mean of each band over the window is taken away, as 3D-Speaker does.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "log_mel"]

BANDS = 80
_FRAME, _STEP, _FFT = 400, 160, 512
_RATE = 16_000
_LOWEST_HZ = 20.0
_PREEMPHASIS = 0.97
_FLOOR = float(np.finfo(np.float32).eps)


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features of windows of one length, ``(windows, samples)`` to ``(windows, bands, frames)``."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME, axis=1)[:, ::_STEP]
    frames = frames - frames.mean(axis=2, keepdims=True)
    before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=2)
    frames = (frames - np.float32(_PREEMPHASIS) * before) * _window()
    spectrum = np.fft.rfft(frames, _FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    energies = np.log(np.maximum(power @ _mel_bank(), _FLOOR))
    energies -= energies.mean(axis=1, keepdims=True)
    features: NDArray[np.float32] = energies.transpose(0, 2, 1).astype(np.float32)
    return features


@cache
def _window() -> NDArray[np.float32]:
    """Povey's window: a Hann window to the power of 0.85."""
    angles = 2.0 * np.pi * np.arange(_FRAME) / (_FRAME - 1)
    window: NDArray[np.float32] = ((0.5 - 0.5 * np.cos(angles)) ** 0.85).astype(np.float32)
    return window


@cache
def _mel_bank() -> NDArray[np.float32]:
    """Triangles that are even on the mel scale, ``(bins, bands)``."""
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_RATE / 2), BANDS + 2)
    bins = _mel(np.arange(_FFT // 2 + 1) * _RATE / _FFT)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    bank = np.maximum(0.0, np.minimum(rising, falling))
    bank[-1] = 0.0  # Kaldi leaves the Nyquist bin out
    weights: NDArray[np.float32] = bank.astype(np.float32)
    return weights


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hertz) / 700.0))
