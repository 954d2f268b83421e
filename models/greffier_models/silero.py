"""Silero VAD (the ONNX model inside faster-whisper's wheel), as a stream.

The model hears the audio through a gentle low-pass (6 dB an octave above 800 Hz). Noise and
hard-limited channels lift the treble, and what is lifted looks less like a voice to it: heard as
it came, real air-traffic radio loses 32 % of its words at a threshold of 0.35, through the filter
7 %, and a telephone conference 7 % against none, for the same false alarms (ADR 0016). Only the
detector hears it; the recogniser is given the audio as it came.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greffier_models.errors import WeightsMissing
from greffier_models.types import SAMPLES_PER_MS, Pcm

__all__ = ["SileroVad", "load_silero"]

_FRAME = 512
_CONTEXT = 64
_STATE = 128
_CORNER_HZ = 800
_TAPS = 64
"""Of the filter's impulse response; the next tap would be under a 16-bit step."""


class SileroVad:
    """Silero VAD v6; the session is shared, each stream keeps its own recurrent state.

    Args:
        session: the model.
        corner_hz: above it the treble falls by 6 dB an octave; None = heard as it came.
    """

    def __init__(self, session: Any, *, corner_hz: int | None = _CORNER_HZ) -> None:
        self._session = session
        self._response = _impulse_response(corner_hz)

    @property
    def frame_ms(self) -> int:
        """32 ms."""
        return _FRAME // SAMPLES_PER_MS

    def open(self) -> "SileroStream":
        """Begin a stream at silence."""
        return SileroStream(self._session, self._response)


class SileroStream:
    """Recurrent state of one stream; not for use by two threads at once."""

    def __init__(self, session: Any, response: NDArray[np.float32]) -> None:
        self._session = session
        self._response = response
        self._before: NDArray[np.float32] = np.zeros(len(response) - 1, dtype=np.float32)
        self._h: NDArray[np.float32] = np.zeros((1, 1, _STATE), dtype=np.float32)
        self._c: NDArray[np.float32] = np.zeros((1, 1, _STATE), dtype=np.float32)
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT, dtype=np.float32)
        self._rest: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, pcm: Pcm) -> Sequence[float]:
        """Take the next samples; return the speech probability of each 32 ms frame completed."""
        audio = np.concatenate([self._rest, self._filtered(pcm.astype(np.float32) / 32768.0)])
        count = len(audio) // _FRAME
        self._rest = audio[count * _FRAME :]
        if count == 0:
            return ()
        frames = audio[: count * _FRAME].reshape(count, _FRAME)
        before = np.empty((count, _CONTEXT), dtype=np.float32)
        before[0] = self._context
        before[1:] = frames[:-1, -_CONTEXT:]
        self._context = frames[-1, -_CONTEXT:].copy()
        stacked = np.concatenate([before, frames], axis=1)
        output, self._h, self._c = self._session.run(
            None, {"input": stacked, "h": self._h, "c": self._c}
        )
        return [float(p) for p in np.asarray(output).reshape(-1)]

    def _filtered(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        joined = np.concatenate([self._before, audio])
        if len(self._response) > 1:
            self._before = joined[len(joined) - len(self._response) + 1 :]
        return np.convolve(joined, self._response, mode="valid") if len(audio) else audio


def _impulse_response(corner_hz: int | None) -> NDArray[np.float32]:
    """Of a low-pass with one pole, cut where it has died away."""
    if corner_hz is None:
        return np.ones(1, dtype=np.float32)
    pole = np.exp(-2 * np.pi * corner_hz / (SAMPLES_PER_MS * 1000))
    response: NDArray[np.float32] = ((1 - pole) * pole ** np.arange(_TAPS)).astype(np.float32)
    return response


def load_silero(*, corner_hz: int | None = _CORNER_HZ) -> SileroVad:
    """Load the model (blocking, a tenth of a second).

    Args:
        corner_hz: see `SileroVad`.

    Raises:
        WeightsMissing: the ``whisper`` extra is not installed.
    """
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        from faster_whisper.utils import get_assets_path
    except ImportError as error:
        raise WeightsMissing(
            'Silero VAD comes with the "whisper" extra: pip install "greffier[whisper]"'
        ) from error
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    path = Path(str(get_assets_path())) / "silero_vad_v6.onnx"
    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"], sess_options=options
    )
    return SileroVad(session, corner_hz=corner_hz)
