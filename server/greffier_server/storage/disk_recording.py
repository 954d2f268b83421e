"""The audio of one session through its asynchronous door; see `DiskJournal`."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from greffier_server.errors import SessionClosed
from greffier_server.storage.budget import ByteBudget
from greffier_server.storage.failures import disk_failure
from greffier_server.storage.recording import Recording
from greffier_server.storage.space import SpaceLedger
from greffier_server.storage.sync_thread import Answer, Append, Finish, SyncThread, Track

__all__ = ["DiskRecording"]


class DiskRecording:
    """`SessionJournal`: the audio of one session; made by `DiskJournal.open`."""

    def __init__(
        self,
        track: Track,
        *,
        thread: SyncThread,
        budget: ByteBudget,
        space: SpaceLedger,
        owner: tuple[str, str],
        sealed: Callable[[], None],
    ) -> None:
        self._track = track
        self._thread = thread
        self._budget = budget
        self._space = space
        self._tenant, self._session = owner
        self._on_sealed = sealed
        self._counted = True
        self._durable = track.recording.durable_bytes
        self._failures = 0
        self._pending = 0

    @property
    def accepted_bytes(self) -> int:
        """Bytes taken so far, durable or not."""
        return self._durable + self._pending

    @property
    def durable_bytes(self) -> int:
        """Bytes that survive a crash."""
        return self._durable

    @property
    def recording(self) -> Recording:
        """The files behind it."""
        return self._track.recording

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """Stretches (from, to) that were damaged when it was opened; costs nothing to ask."""
        return self._track.recording.holes

    @property
    def sealed(self) -> bool:
        """The session is complete: no audio can be added."""
        return self._track.recording.sealed

    async def append(self, audio: bytes) -> int:
        """Write and wait for the group sync; return the durable byte count.

        Waits first while the journal's queue is full. Cancelling the wait for the disk does not
        take the audio back.

        Raises:
            SessionClosed: the session is sealed, deleted, or its journal closed.
            QuotaExceeded: the tenant has no space left; nothing of this call is kept.
            StorageFailed: disk full, I/O error; nothing of this call is kept, nor of calls for
                the same session that were made before this one was answered.
        """
        failures = self._failures
        self._space.reserve(self._tenant, len(audio))
        try:
            await self._budget.take(len(audio))
        except BaseException:
            self._space.free(self._tenant, len(audio))
            raise
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take_answer(answer: Answer) -> None:
            self._pending -= len(audio)
            self._budget.give_back(len(audio))
            self._space.free(self._tenant, len(audio))
            self._learn(answer)
            _settle(answered, answer)

        try:
            self._thread.put(Append(self._track, take_answer, audio, failures))
        except SessionClosed:
            self._budget.give_back(len(audio))
            self._space.free(self._tenant, len(audio))
            raise
        self._pending += len(audio)
        return await answered

    async def seal(self) -> None:
        """No more audio: mark the session complete, sync, close the file.

        Raises:
            StorageFailed: not all of it is durable; try again.
        """
        await self._finish(seal=True)
        self._on_sealed()

    async def release(self) -> None:
        """Close the file; no audio can be added through this object any more."""
        await self._finish(seal=False)

    def uncount(self) -> None:
        """Its files are deleted: they take no space, whatever is still asked of it."""
        self._counted = False

    async def _finish(self, *, seal: bool) -> None:
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take_answer(answer: Answer) -> None:
            self._learn(answer)
            _settle(answered, answer)

        self._thread.put(Finish(self._track, take_answer, seal))
        await answered

    def _learn(self, answer: Answer) -> None:
        self._durable, self._failures = answer.durable_bytes, answer.failures
        if self._counted and not isinstance(answer.error, SessionClosed):
            self._space.put(self._tenant, self._session, answer.stored_bytes)

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        """Durable audio in blocks; damaged stretches are left out (blocking)."""
        for _, audio in self.blocks(from_byte, to_byte):
            yield audio

    def blocks(self, from_byte: int, to_byte: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Durable audio in blocks, each with its offset (blocking).

        Raises:
            StorageFailed: the disk cannot be read.
        """
        try:
            yield from self._track.recording.blocks(from_byte, to_byte)
        except OSError as error:
            raise disk_failure(error) from error

    def damage(self) -> list[tuple[int, int]]:
        """Stretches (from, to) of durable audio that cannot be read (blocking).

        Raises:
            StorageFailed: the disk cannot be read.
        """
        try:
            return self._track.recording.damage()
        except OSError as error:
            raise disk_failure(error) from error


def _settle(answered: asyncio.Future[int], answer: Answer) -> None:
    if answered.done():  # its caller was cancelled
        return
    if answer.error is None:
        answered.set_result(answer.durable_bytes)
    else:
        answered.set_exception(answer.error)
