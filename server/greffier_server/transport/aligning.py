"""Whole samples out of frames that end anywhere, as clients that forward a pipe send them."""

__all__ = ["Aligner"]


class Aligner:
    """Keeps what is left over of one frame for the next.

    Args:
        frame_bytes: of one sample of every channel.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._rest = b""

    def whole(self, audio: bytes) -> bytes:
        """Return the whole samples that have come."""
        audio = self._rest + audio if self._rest else audio
        torn = len(audio) % self._frame_bytes
        self._rest = audio[len(audio) - torn :] if torn else b""
        return audio[: len(audio) - torn] if torn else audio
