"""Silero VAD (the ONNX model inside faster-whisper's wheel), as a stream."""

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


class SileroVad:
    """Silero VAD v6; the session is shared, each stream keeps its own recurrent state."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @property
    def frame_ms(self) -> int:
        """32 ms."""
        return _FRAME // SAMPLES_PER_MS

    def open(self) -> "SileroStream":
        """Begin a stream at silence."""
        return SileroStream(self._session)


class SileroStream:
    """Recurrent state of one stream; not for use by two threads at once."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._h: NDArray[np.float32] = np.zeros((1, 1, _STATE), dtype=np.float32)
        self._c: NDArray[np.float32] = np.zeros((1, 1, _STATE), dtype=np.float32)
        self._context: NDArray[np.float32] = np.zeros(_CONTEXT, dtype=np.float32)
        self._rest: NDArray[np.float32] = np.zeros(0, dtype=np.float32)

    def push(self, pcm: Pcm) -> Sequence[float]:
        """Take the next samples; return the speech probability of each 32 ms frame completed."""
        audio = np.concatenate([self._rest, pcm.astype(np.float32) / 32768.0])
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


def load_silero() -> SileroVad:
    """Load the model (blocking, a tenth of a second).

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
    return SileroVad(session)
