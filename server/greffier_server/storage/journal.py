"""The port to the audio journal: every accepted byte is on disk before it is acknowledged."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

__all__ = ["AudioJournal", "HoledJournal", "SearchedJournal", "SessionJournal"]


class SessionJournal(Protocol):
    """The audio of one session, in the client's own encoding, byte for byte."""

    @property
    def accepted_bytes(self) -> int:
        """Bytes taken so far, durable or not."""
        ...

    @property
    def durable_bytes(self) -> int:
        """Bytes that survive a crash."""
        ...

    async def append(self, audio: bytes) -> int:
        """Write and wait for the group sync (<= 250 ms); return the durable byte count.

        Appends of one session are made in order. Raises StorageFailed (disk full, I/O error):
        then nothing of this call is kept, and what was durable before still is.
        """
        ...

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        """Durable audio in blocks (blocking; call it in a thread)."""
        ...

    async def seal(self) -> None:
        """No more audio: sync and close the file."""
        ...


@runtime_checkable
class HoledJournal(Protocol):
    """A `SessionJournal` that knows what of its durable audio is damaged."""

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """Stretches (from, to) in bytes that were damaged when it was opened, or read since."""
        ...


@runtime_checkable
class SearchedJournal(HoledJournal, Protocol):
    """One that reads nothing when it is opened: audio far away is damaged where it is met."""

    def search(self) -> None:
        """Read all of it, so that `holes` are all there are (blocking)."""
        ...


class AudioJournal(Protocol):
    """All sessions' audio below one directory."""

    async def open(self, tenant: str, session: str) -> SessionJournal:
        """Create the session's journal, or reopen it after a crash (a torn end is cut off)."""
        ...

    async def delete(self, tenant: str, session: str) -> None:
        """Delete the session's audio; no error when there is none."""
        ...

    async def size_bytes(self, tenant: str, session: str) -> int:
        """Space the session's audio takes on disk."""
        ...

    async def close(self) -> None:
        """Sync and close every journal."""
        ...
