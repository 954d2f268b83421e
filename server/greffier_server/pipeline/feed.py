"""Durable audio on its way to recognition: decoded to 16 kHz, bounded in milliseconds."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_models.types import SAMPLE_RATE, SAMPLES_PER_MS, Pcm
from greffier_server.core.audio import decode_channels, decode_frames
from greffier_server.media.resampling import Resampler, steps

__all__ = ["AudioFeed", "ChannelDecoder", "ChannelFeeds", "FrameDecoder"]


class ChannelDecoder:
    """Bytes of one stream to 16 kHz samples; the resampler keeps its state between calls.

    Resampling is libsoxr's (https://sourceforge.net/p/soxr/), high quality, without drift.

    Args:
        form: of the bytes.
        separate: every channel is kept; otherwise they are mixed down to one.
    """

    def __init__(self, form: AudioFormat, *, separate: bool = False) -> None:
        self._format = form
        self._separate = separate
        self._channels = form.channels if separate else 1
        self._resampler: Any = None
        self._exact: Resampler | None = None
        if len(steps(form.rate, SAMPLE_RATE)) > 1:
            self._exact = Resampler(form.rate, SAMPLE_RATE, channels=self._channels)
        elif form.rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(
                form.rate, SAMPLE_RATE, self._channels, dtype="float32", quality="HQ"
            )

    def decode(self, audio: bytes, *, last: bool = False) -> tuple[Pcm, ...]:
        """Decode whole frames to equally long channels (blocking, microseconds a second)."""
        if self._separate:
            samples = decode_channels(audio, self._format)
        else:
            samples = decode_frames(audio, self._format)[:, np.newaxis]
        if self._exact is not None:
            samples = self._exact.feed(samples)
            if last:
                samples = np.concatenate([samples, self._exact.flush()])
        elif self._resampler is not None:
            samples = self._resample(samples, last=last)
        scaled: Pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
        return tuple(np.ascontiguousarray(scaled[:, column]) for column in range(self._channels))

    def _resample(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        resampled: NDArray[np.float32] = self._resampler.resample_chunk(samples, last=last)
        return resampled.reshape(-1, self._channels)


class FrameDecoder:
    """`ChannelDecoder` of a stream whose channels are mixed down."""

    def __init__(self, form: AudioFormat) -> None:
        self._decoder = ChannelDecoder(form)

    def decode(self, audio: bytes, *, last: bool = False) -> Pcm:
        """Decode whole frames (blocking, microseconds a second of audio)."""
        return self._decoder.decode(audio, last=last)[0]


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


class ChannelFeeds:
    """The feeds of a session's channels, filled together.

    After a restart a channel of which more is decided begins later than the audio does: what comes
    before is not put into its feed.

    Args:
        feeds: of the channels, in order.
        start_ms: where the audio begins; no feed begins earlier.
    """

    def __init__(self, feeds: Sequence[AudioFeed], *, start_ms: int = 0) -> None:
        self._feeds = tuple(feeds)
        self._samples = start_ms * SAMPLES_PER_MS
        self._skip = [(feed.received_ms - start_ms) * SAMPLES_PER_MS for feed in feeds]

    @property
    def received_ms(self) -> int:
        """End of the newest audio, on the session's clock."""
        return self._samples // SAMPLES_PER_MS

    def put(self, channels: Sequence[Pcm]) -> None:
        """Add audio of every channel, equally long."""
        for index, (feed, pcm) in enumerate(zip(self._feeds, channels, strict=True)):
            skipped = min(self._skip[index], len(pcm))
            self._skip[index] -= skipped
            feed.put(pcm[skipped:])
        self._samples += len(channels[0])

    def end(self) -> None:
        """No more audio will come."""
        for feed in self._feeds:
            feed.end()
