"""Containers as they arrive, in pieces of any size, to PCM: Ogg, WebM, MP4, FLAC, MP3, AAC, WAV."""

import logging
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from greffier_server.media.containers import CODECS, HEAD_BYTES, demuxer_of
from greffier_server.media.conversion import Converter, UndecodableAudio
from greffier_server.media.pipe import Pipe
from greffier_server.media.timeline import UNDECODABLE, Loss

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = ["StreamDecoder", "UndecodableAudio"]

_log = logging.getLogger(__name__)

_PIECES: Final = 16
_PIECE_S: Final = 1.0
_MAX_BAD_PACKETS: Final = 50
"""In a row."""
_MAX_PREAMBLE: Final = 4 << 20
"""Bytes before the first sound: headers, pictures, tags."""
_TOLERANCE_S: Final = Fraction(1, 100)
"""Some containers count milliseconds."""
_MAX_MISSING_S: Final = 600
"""A greater jump of a container's clock says nothing."""
_OPTIONS: Final = {
    "probesize": "65536",
    "analyzeduration": "1000000",
    "protocol_whitelist": "",  # what is read is in the pipe; nothing else is ever opened
}


class StreamDecoder:
    """Decodes one container to interleaved ``pcm_s16le``.

    All calls block for as long as decoding what was given takes; make them in a thread, one at a
    time. Where the container's clock goes on and sound is missing or damaged, there is silence of
    the same length, and a `Loss`.

    Args:
        rate: of the output, samples a second.
        channels: of the output; 1 mixes down, otherwise the container must have as many (a mono one
            is given to all).
    """

    def __init__(self, *, rate: int, channels: int = 1) -> None:
        self._rate = rate
        self._channels = channels
        self._pipe = Pipe(pieces=_PIECES)
        self._head = b""
        self._preamble = 0
        self._thread: threading.Thread | None = None
        self._error: UndecodableAudio | None = None
        self._losses: list[Loss] = []
        self._made = 0
        self._finished = False

    def feed(self, encoded: bytes) -> Iterator[bytes]:
        """Take bytes; yield what they give, a second at most at a time. Read it to its end.

        Raises:
            UndecodableAudio: no container that is known, or too damaged.
        """
        if self._thread is None:
            self._head += encoded
            if len(self._head) < HEAD_BYTES:
                return
            encoded, self._head = self._head, b""
            self._begin(encoded)
        elif self._finished:
            raise UndecodableAudio("more came after the container's end; begin a new session")
        if not self._made:
            self._preamble += len(encoded)
        self._pipe.give(encoded)
        yield from self._take()
        if not self._made and self._preamble > _MAX_PREAMBLE:
            raise UndecodableAudio("no sound comes out of this container")

    def flush(self) -> Iterator[bytes]:
        """Nothing more will come; yield the rest.

        Raises:
            UndecodableAudio: as in `feed`.
        """
        if self._thread is None:
            if self._head:
                raise UndecodableAudio("too short to be a recording")
            return
        self._pipe.end()
        yield from self._take()

    def losses(self) -> list[Loss]:
        """Return what was damaged since the last call, in samples of the output."""
        found, self._losses = self._losses, []
        return found

    def close(self) -> None:
        """End, wherever it is; the rest is given up."""
        self._pipe.close()
        if self._thread is not None:
            self._thread.join()

    def _begin(self, head: bytes) -> None:
        demuxer = demuxer_of(head)
        if demuxer is None:
            raise UndecodableAudio(
                "not a container that is known; send Ogg, WebM, MP4 (fragmented), FLAC, MP3, "
                "AAC (ADTS), AIFF or WAV"
            )
        self._thread = threading.Thread(
            target=self._decode, args=(demuxer,), name="stream-decoder", daemon=True
        )
        self._thread.start()

    def _take(self) -> Iterator[bytes]:
        while (piece := self._pipe.take()) is not None:
            yield piece
        if self._error is not None:
            raise self._error

    # --- in the thread --------------------------------------------------------------------------

    def _decode(self, demuxer: str) -> None:
        import av
        from av.error import FFmpegError

        try:
            with av.open(self._pipe, "r", format=demuxer, options=dict(_OPTIONS)) as container:
                if not container.streams.audio:
                    raise UndecodableAudio("the container holds no sound")
                stream = container.streams.audio[0]
                _check(stream)
                self._decode_stream(container, stream)
        except UndecodableAudio as error:
            self._error = error
        except (FFmpegError, ValueError, MemoryError) as error:
            _log.info("a stream cannot be decoded", extra={"error": type(error).__name__})
            self._error = UndecodableAudio("the container is damaged, or not what it says it is")
        except Exception as error:  # noqa: BLE001 - a thread's last boundary: its reader must hear
            _log.error("a decoder failed", exc_info=error)
            self._error = UndecodableAudio("the container cannot be decoded")
        finally:
            self._finished = True
            self._pipe.done()

    def _decode_stream(self, container: "InputContainer", stream: "AudioStream") -> None:
        from av.error import FFmpegError

        bad = 0
        due_s: Fraction | None = None
        converter = Converter(rate=self._rate, channels=self._channels)
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except FFmpegError:
                bad += 1
                if bad > _MAX_BAD_PACKETS:
                    raise
                continue
            bad = 0
            for frame in frames:
                at_s = due_s if frame.pts is None else frame.pts * (frame.time_base or 0)
                missing_s = at_s - due_s if at_s is not None and due_s is not None else 0
                if _TOLERANCE_S < missing_s <= _MAX_MISSING_S and not self._lose(
                    converter, round(missing_s * self._rate)
                ):
                    return
                if not self._put(converter.feed(frame)):
                    return
                due_s = None if at_s is None else at_s + Fraction(frame.samples, frame.sample_rate)
        self._put(converter.flush())

    def _lose(self, converter: Converter, length: int) -> bool:
        """Silence where the container's clock goes on and its sound does not."""
        if not self._put(converter.flush()):
            return False
        self._losses.append(Loss(self._made, self._made + length, UNDECODABLE))
        second = np.zeros((self._rate, self._channels), np.int16)
        return all(
            self._put(second[: min(self._rate, length - at)]) for at in range(0, length, self._rate)
        )

    def _put(self, samples: NDArray[np.int16]) -> bool:
        step = round(_PIECE_S * self._rate)
        for at in range(0, len(samples), step):
            piece = samples[at : at + step]
            self._made += len(piece)
            if not self._pipe.put(piece.astype("<i2", copy=False).tobytes()):
                return False
        return True


def _check(stream: "AudioStream") -> None:
    context: Any = stream.codec_context  # None where FFmpeg knows no decoder for what is named
    if context is None or context.codec.name not in CODECS:
        raise UndecodableAudio("the container's sound has a codec that is not taken")
    context.thread_count = 1  # a stream more must not cost a pool of threads
