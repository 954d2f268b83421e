"""Audio that is not yet acknowledged: what a client must be able to send again (pure)."""

from collections import deque

__all__ = ["AudioBacklog"]


class AudioBacklog:
    """A stretch of the recording, counted in samples of each channel from its start.

    It begins at the last acknowledged sample and ends at the newest one given. Pieces are kept as
    they came, so that neither appending nor acknowledging copies the rest.
    """

    def __init__(self, frame_bytes: int, *, first_sample: int = 0) -> None:
        self._frame_bytes = frame_bytes
        self._pieces: deque[memoryview] = deque()
        self.first_sample = first_sample
        """Oldest sample kept: everything before is on the server's disk."""
        self.end_sample = first_sample
        """One past the newest sample."""

    @property
    def samples(self) -> int:
        """Samples kept."""
        return self.end_sample - self.first_sample

    def append(self, audio: bytes) -> None:
        """Add whole frames at the end."""
        if audio:
            self._pieces.append(memoryview(audio))
            self.end_sample += len(audio) // self._frame_bytes

    def acknowledge(self, samples: int) -> None:
        """Forget everything before `samples`; an older acknowledgement changes nothing.

        Raises:
            ValueError: `samples` lies beyond what was ever given.
        """
        if samples > self.end_sample:
            raise ValueError("acknowledged beyond the end")
        while self.first_sample < samples:
            piece = self._pieces[0]
            held = len(piece) // self._frame_bytes
            spare = samples - self.first_sample
            if spare >= held:
                self._pieces.popleft()
                self.first_sample += held
            else:
                self._pieces[0] = piece[spare * self._frame_bytes :]
                self.first_sample = samples

    def read(self, from_sample: int, *, limit: int) -> bytes:
        """Return audio from `from_sample` on, at most `limit` samples; empty at the end.

        Raises:
            ValueError: `from_sample` was acknowledged and forgotten, or lies beyond the end.
        """
        if not self.first_sample <= from_sample <= self.end_sample:
            raise ValueError("not in the backlog")
        skip = (from_sample - self.first_sample) * self._frame_bytes
        wanted = limit * self._frame_bytes
        parts: list[memoryview] = []
        for piece in self._pieces:
            if skip >= len(piece):
                skip -= len(piece)
                continue
            part = piece[skip : skip + wanted]
            skip = 0
            parts.append(part)
            wanted -= len(part)
            if wanted == 0:
                break
        return b"".join(parts)
