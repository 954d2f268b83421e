"""From what a client sends to what its session keeps: containers decoded, bytes put in order."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from greffier.protocol import AudioFormat, Encoding
from greffier_server.core.events import GapFound
from greffier_server.errors import MisalignedAudio
from greffier_server.media.decoding import StreamDecoder

__all__ = ["Intake", "kept_format"]

_LITTLE: Final[dict[str, Encoding]] = {
    "encoded": "pcm_s16le",
    "pcm_s16be": "pcm_s16le",
    "pcm_s24be": "pcm_s24le",
    "pcm_s32be": "pcm_s32le",
    "pcm_f32be": "pcm_f32le",
}
_WIDTHS: Final = {"pcm_s16be": 2, "pcm_s24be": 3, "pcm_s32be": 4, "pcm_f32be": 4}


def kept_format(sent: AudioFormat) -> AudioFormat:
    """Return the format of the session for audio that is sent in another one.

    A container becomes ``pcm_s16le`` at the rate and with the channels that are asked for; what is
    big endian becomes little endian. So recordings and bundles know few formats.
    """
    return replace(sent, encoding=_LITTLE.get(sent.encoding, sent.encoding))


class Intake:
    """One connection's way in.

    Args:
        sent: format of what comes.
        kept: the session's, see `kept_format`.
        first_sample: of the session's clock where what comes begins.
    """

    def __init__(self, sent: AudioFormat, kept: AudioFormat, *, first_sample: int = 0) -> None:
        self._width = _WIDTHS.get(sent.encoding)
        self._channels = kept.channels
        self._rate = kept.rate
        self._at = first_sample
        self._decoder: StreamDecoder | None = None
        if sent.encoding == "encoded":
            self._decoder = StreamDecoder(rate=kept.rate, channels=kept.channels)

    async def take(self, audio: bytes) -> AsyncGenerator[bytes]:
        """Yield what a message gives, in the session's format.

        Raises:
            MisalignedAudio: not a whole number of frames; nothing of it is taken.
            UndecodableAudio: not a container that can be decoded.
        """
        if self._decoder is not None:
            async for piece in _in_thread(self._decoder.feed(audio)):
                yield piece
        elif self._width is not None:
            if len(audio) % (self._width * self._channels):
                raise MisalignedAudio(
                    f"Audio must come in whole frames of {self._width * self._channels} bytes; "
                    "this message was not taken."
                )
            yield np.frombuffer(audio, np.uint8).reshape(-1, self._width)[:, ::-1].tobytes()
        else:
            yield audio

    async def rest(self) -> AsyncGenerator[bytes]:
        """Yield what a container still holds when no more of it comes.

        Raises:
            UndecodableAudio: as in `take`.
        """
        if self._decoder is not None:
            async for piece in _in_thread(self._decoder.flush()):
                yield piece

    def gaps(self) -> list[GapFound]:
        """Return what was damaged since the last call."""
        losses = [] if self._decoder is None else self._decoder.losses()
        return [
            GapFound(
                (self._at + loss.from_sample) * 1000 // self._rate,
                -(-(self._at + loss.to_sample) * 1000 // self._rate),
                loss.cause,
            )
            for loss in losses
        ]

    async def close(self) -> None:
        """End the decoder."""
        if self._decoder is not None:
            await asyncio.shield(asyncio.to_thread(self._decoder.close))


async def _in_thread(pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
