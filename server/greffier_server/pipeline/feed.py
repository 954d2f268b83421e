"""Durable audio on its way to recognition: decoded to 16 kHz, bounded in milliseconds."""

import asyncio
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_models.types import SAMPLE_RATE, SAMPLES_PER_MS, Pcm
from greffier_server.core.audio import decode_frames

__all__ = ["AudioFeed", "FrameDecoder"]


class FrameDecoder:
    """Bytes of one stream to 16 kHz samples; the resampler keeps its state between calls.

    Resampling is libsoxr's (https://sourceforge.net/p/soxr/), high quality, without drift.
    """

    def __init__(self, form: AudioFormat) -> None:
        self._format = form
        self._resampler: Any = None
        if form.rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(
                form.rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ"
            )

    def decode(self, audio: bytes, *, last: bool = False) -> Pcm:
        """Decode whole frames (blocking, microseconds a second of audio)."""
        samples = decode_frames(audio, self._format)
        if self._resampler is not None:
            samples = self._resample(samples, last=last)
        scaled: Pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        return scaled

    def _resample(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        resampled: NDArray[np.float32] = self._resampler.resample_chunk(samples, last=last)
        return resampled


class AudioFeed:
    """One writer, one reader; `received_ms` counts all that was put in."""

    def __init__(self, start_ms: int = 0) -> None:
        self._blocks: deque[Pcm] = deque()
        self._samples = start_ms * SAMPLES_PER_MS
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def received_ms(self) -> int:
        """End of the newest audio, on the session's clock."""
        return self._samples // SAMPLES_PER_MS

    def put(self, pcm: Pcm) -> None:
        """Add audio; the writer keeps the bound (see `Session.push`)."""
        if len(pcm):
            self._blocks.append(pcm)
            self._samples += len(pcm)
            self._changed.set()

    def end(self) -> None:
        """No more audio will come."""
        self._ended = True
        self._changed.set()

    async def take(self, *, limit_ms: int) -> Pcm | None:
        """Audio that is there, `limit_ms` of it at most; waits for some. None at the end."""
        while not self._blocks:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        taken: list[Pcm] = []
        room = limit_ms * SAMPLES_PER_MS
        while self._blocks and room > 0:
            block = self._blocks.popleft()
            if len(block) > room:
                self._blocks.appendleft(block[room:])
                block = block[:room]
            taken.append(block)
            room -= len(block)
        return np.concatenate(taken)
