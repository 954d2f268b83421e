"""What one thread writes and a decoder reads in another, with an end, and bounded both ways."""

import threading
from collections import deque

__all__ = ["Pipe"]


class Pipe:
    """Bytes in, pieces of sound out.

    The decoder waits in `read` when it has used up what was given, and in `put` when what it made
    is not taken away. `take` returns as soon as either is so: then all that can be made is made.

    Args:
        pieces: of sound that are held at most.
    """

    def __init__(self, *, pieces: int) -> None:
        self._limit = pieces
        self._given = bytearray()
        self._made: deque[bytes] = deque()
        self._hungry = False
        self._ended = False
        self._broken = False
        self._done = False
        self._changed = threading.Condition()

    def give(self, encoded: bytes) -> None:
        """Add to what the decoder reads."""
        with self._changed:
            self._given += encoded
            self._hungry = False
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will be given."""
        with self._changed:
            self._ended = True
            self._hungry = False
            self._changed.notify_all()

    def take(self) -> bytes | None:
        """Return the next piece; None when more must be given first, or all is done."""
        with self._changed:
            while not (self._made or self._hungry or self._done):
                self._changed.wait()
            if not self._made:
                return None
            piece = self._made.popleft()
            self._changed.notify_all()
            return piece

    def close(self) -> None:
        """Let the decoder end wherever it waits."""
        with self._changed:
            self._broken = self._ended = True
            self._given.clear()
            self._made.clear()
            self._changed.notify_all()

    # --- the decoder's side ---------------------------------------------------------------------

    def read(self, size: int = -1) -> bytes:
        """As of a file: some bytes, none at the end."""
        with self._changed:
            while not self._given and not self._ended:
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            size = len(self._given) if size < 0 else min(size, len(self._given))
            part = bytes(self._given[:size])
            del self._given[:size]
            return part

    def put(self, piece: bytes) -> bool:
        """Hand on a piece; False when nobody wants more."""
        with self._changed:
            while len(self._made) >= self._limit and not self._broken:
                self._changed.wait()
            if not self._broken:
                self._made.append(piece)
                self._changed.notify_all()
            return not self._broken

    def done(self) -> None:
        """The decoder has ended."""
        with self._changed:
            self._done = True
            self._changed.notify_all()
