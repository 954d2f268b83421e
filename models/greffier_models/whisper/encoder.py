"""Whisper's encoder: windows of audio to what the decoder listens to.

CTranslate2 encodes any length up to 30 s, so a window is filled only as far as its options ask. On
a CPU windows are encoded one at a time (batches are slower per item).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greffier_models.errors import EngineError
from greffier_models.types import SAMPLE_RATE, AudioWindow, RecognitionOptions
from greffier_models.whisper.mel import Features
from greffier_models.whisper.packages import ctranslate2

__all__ = ["Encoder", "stacked"]

_MAX_WINDOW_MS = 30_000
_HOP_SAMPLES = 160


class Encoder:
    """The encoder of one model.

    Args:
        model: CTranslate2's.
        features: how log-mel features are made.
        batched: encode windows of a batch together (GPU).
    """

    def __init__(self, model: Any, features: Features, *, batched: bool) -> None:
        self._model = model
        self._features = features
        self._batched = batched

    def encode(self, window: AudioWindow, fill_ms: int) -> tuple[Any, int]:
        """The encoder's output, and the input frames of it that hold audio (10 ms each).

        Args:
            window: at most 30 s.
            fill_ms: filled with silence up to this length.
        """
        audio = _filled(window, fill_ms)
        return self._model.encode(self._mel([audio]), to_cpu=False), _frames(window, audio)

    def encode_all(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> list[tuple[Any, int]]:
        """`encode` of each window, as its options fill it."""
        if self._batched and len(batch) > 1:
            return self._together(batch)
        return [self.encode(window, options.fill_ms) for window, options in batch]

    def _together(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> list[tuple[Any, int]]:
        """Encode windows of equal length in one call each; the outputs come apart on the host."""
        audios = [_filled(window, options.fill_ms) for window, options in batch]
        outputs: list[Any] = [None] * len(batch)
        for samples in {len(audio) for audio in audios}:
            alike = [i for i, audio in enumerate(audios) if len(audio) == samples]
            output = self._model.encode(self._mel([audios[i] for i in alike]), to_cpu=True)
            for i, item in zip(alike, _apart(output), strict=True):
                outputs[i] = item
        return [
            (output, _frames(window, audio))
            for output, audio, (window, _) in zip(outputs, audios, batch, strict=True)
        ]

    def _mel(self, audios: Sequence[NDArray[np.float32]]) -> Any:
        """Log-mel features of audio of one length; an even number of frames."""
        mel = self._features(audios)
        mel = mel[..., : mel.shape[-1] // 2 * 2]
        return ctranslate2().StorageView.from_array(np.ascontiguousarray(mel, dtype=np.float32))


def stacked(outputs: Sequence[Any]) -> Any:
    """Outputs of equal length as one batch."""
    arrays: list[NDArray[np.float32]] = [np.asarray(output) for output in outputs]
    return ctranslate2().StorageView.from_array(np.concatenate(arrays))


def _filled(window: AudioWindow, fill_ms: int) -> NDArray[np.float32]:
    """Samples in -1 … 1 with zeros behind them up to `fill_ms`."""
    if window.duration_ms > _MAX_WINDOW_MS:
        raise EngineError("A recogniser window may hold 30 s of audio at most.")
    total = max(len(window.pcm), min(fill_ms, _MAX_WINDOW_MS) * SAMPLE_RATE // 1000, SAMPLE_RATE)
    audio = np.zeros(total, dtype=np.float32)
    audio[: len(window.pcm)] = window.pcm.astype(np.float32) / 32768.0
    return audio


def _frames(window: AudioWindow, audio: NDArray[np.float32]) -> int:
    """Encoder input frames that hold audio."""
    return min(max(len(window.pcm) // _HOP_SAMPLES, 2), len(audio) // _HOP_SAMPLES // 2 * 2)


def _apart(output: Any) -> list[Any]:
    """The items of an encoded batch, on the host."""
    package = ctranslate2()
    if output.dtype == package.DataType.bfloat16:  # numpy has none
        output = output.to(package.DataType.float32)
    array = np.array(output)  # a copy: the batch is freed
    return [package.StorageView.from_array(item[None]) for item in array]
