"""The header of a WAV file that arrives in pieces (Microsoft, Multimedia Programming Interface)."""

import struct
from typing import Final

from greffier.protocol import AudioFormat, Encoding
from greffier_server.errors import UnsupportedAudio
from greffier_server.media.containers import HEAD_BYTES, demuxer_of
from greffier_server.media.decoding import UndecodableAudio

__all__ = ["UndecodableAudio", "WavHeader"]

_MAX_HEADER_BYTES: Final = 65_536
_DECODED_RATE: Final = 16_000
_EXTENSIBLE: Final = 0xFFFE
_ENDLESS: Final = 0x7FFF_FFFF
"""From here on a size means that the writer did not know it."""
_KNOWN: Final[dict[tuple[int, int], Encoding]] = {
    (1, 16): "pcm_s16le",
    (3, 32): "pcm_f32le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}


class WavHeader:
    """Collects bytes until the samples begin, and then gives only samples.

    Another container is given on as it is, to be decoded by the session's intake.

    Args:
        channels: of another container, as they are decoded.
    """

    def __init__(self, channels: int = 1) -> None:
        self._channels = channels
        self._head = bytearray()
        self._left: int | None = None
        self.format: AudioFormat | None = None
        """None until the header has been read."""

    def feed(self, piece: bytes) -> bytes:
        """Take bytes of the file; return the samples among them.

        Raises:
            UndecodableAudio: not a WAV file.
            UnsupportedAudio: of a kind that the server does not take.
        """
        if self.format is not None:
            return self._cut(piece)
        self._head += piece
        begin = self._read()
        if begin is None:
            if len(self._head) > _MAX_HEADER_BYTES:
                raise UndecodableAudio("the header of the WAV file is too long")
            return b""
        samples = bytes(self._head[begin:])
        self._head.clear()
        return self._cut(samples)

    def _cut(self, piece: bytes) -> bytes:
        """Leave out what follows the samples."""
        if self._left is None:
            return piece
        taken = piece[: self._left]
        self._left -= len(taken)
        return taken

    def _read(self) -> int | None:
        """Return where the samples begin; None when more is needed."""
        head = bytes(self._head)
        known = b"RIFF" + head[4:8] + b"WAVE"
        if not known.startswith(head[:4]) or not known.startswith(head[:12]):
            if len(head) < HEAD_BYTES:
                return None
            if demuxer_of(head) is None:
                raise UndecodableAudio(
                    "this is no container that is known; name the encoding and sample_rate of raw "
                    "audio"
                )
            self.format = AudioFormat("encoded", _DECODED_RATE, self._channels)
            return 0
        at, found = 12, None
        while len(head) >= at + 8:
            name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
            if name == b"data":
                if found is None:
                    raise UndecodableAudio("the WAV file does not say how it is encoded")
                self.format = found
                self._left = size if 0 < size < _ENDLESS else None
                return at + 8
            if name == b"fmt ":
                if len(head) < at + 8 + min(size, 40):
                    return None
                found = _format(head[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
        return None


def _format(chunk: bytes) -> AudioFormat:
    if len(chunk) < 16:
        raise UndecodableAudio("the WAV file does not say how it is encoded")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        kind = int.from_bytes(chunk[24:26], "little")
    encoding = _KNOWN.get((kind, bits))
    if encoding is None:
        raise UnsupportedAudio(
            "WAV files hold 16-bit or 32-bit floating-point PCM, mu-law or A-law here"
        )
    return AudioFormat(encoding, rate, channels)
