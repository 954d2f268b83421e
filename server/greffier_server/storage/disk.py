"""The audio journal on disk: every session's appends go through one thread that syncs in groups.

While the disk syncs, the next appends gather; as soon as it has finished, they are written and
synced together. With nothing queued the thread sleeps.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from greffier_server.errors import SessionClosed, StorageFailed
from greffier_server.storage.budget import ByteBudget
from greffier_server.storage.failures import StorageUnavailable, disk_failure
from greffier_server.storage.filesystem import FileSystem, LocalFileSystem
from greffier_server.storage.recording import Recording, folder_of, segment_files
from greffier_server.storage.sync_thread import Answer, Append, Finish, SyncThread, Track

__all__ = ["DiskJournal", "DiskRecording"]


class DiskRecording:
    """`SessionJournal`: the audio of one session; made by `DiskJournal.open`."""

    def __init__(
        self,
        track: Track,
        *,
        thread: SyncThread,
        budget: ByteBudget,
        sealed: Callable[[], None],
    ) -> None:
        self._track = track
        self._thread = thread
        self._budget = budget
        self._on_sealed = sealed
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
    def sealed(self) -> bool:
        """The session is complete: no audio can be added."""
        return self._track.recording.sealed

    async def append(self, audio: bytes) -> int:
        """Write and wait for the group sync; return the durable byte count.

        Waits first while the journal's queue is full. Cancelling the wait for the disk does not
        take the audio back.

        Raises:
            SessionClosed: the session is sealed, deleted, or its journal closed.
            StorageFailed: disk full, I/O error; nothing of this call is kept, nor of calls for
                the same session that were made before this one was answered.
        """
        failures = self._failures
        await self._budget.take(len(audio))
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take_answer(answer: Answer) -> None:
            self._pending -= len(audio)
            self._budget.give_back(len(audio))
            self._durable, self._failures = answer.durable_bytes, answer.failures
            _settle(answered, answer)

        try:
            self._thread.put(Append(self._track, take_answer, audio, failures))
        except SessionClosed:
            self._budget.give_back(len(audio))
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

    async def _finish(self, *, seal: bool) -> None:
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def take_answer(answer: Answer) -> None:
            self._durable, self._failures = answer.durable_bytes, answer.failures
            _settle(answered, answer)

        self._thread.put(Finish(self._track, take_answer, seal))
        await answered

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


class DiskJournal:
    """`AudioJournal` below one directory, which one server at a time may use.

    Args:
        root: the directory; made when it is missing.
        segment_bytes: length from which a session goes on in a new file.
        queue_bytes: most audio waiting for the disk, of all sessions; more callers wait.
        files: the file system; the machine's own when absent.
    """

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int = 8 * 1024 * 1024,
        queue_bytes: int = 32 * 1024 * 1024,
        files: FileSystem | None = None,
    ) -> None:
        self._root = root
        self._segment_bytes = segment_bytes
        self._files = files or LocalFileSystem()
        self._budget = ByteBudget(queue_bytes)
        self._thread = SyncThread()
        self._open: dict[Path, DiskRecording] = {}
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def open(self, tenant: str, session: str) -> DiskRecording:
        """Create the session's journal, or reopen it after a crash (a torn end is cut off).

        Opening what is open returns the same object.

        Raises:
            BadRequest: a name of other than 1 to 64 letters, digits, _ and -.
            StorageFailed: the disk cannot be used.
        """
        folder = folder_of(self._root, tenant, session)
        async with self._lock(folder):
            if self._closed:
                raise StorageUnavailable("The server is stopping; reconnect in a moment.")
            known = self._open.get(folder)
            if known is not None:
                return known
            try:
                recording = await asyncio.to_thread(self._recover, tenant, session)
            except OSError as error:
                raise disk_failure(error) from error
            opened = DiskRecording(
                Track(recording),
                thread=self._thread,
                budget=self._budget,
                sealed=lambda: self._forget(folder),
            )
            self._open[folder] = opened
            return opened

    async def delete(self, tenant: str, session: str) -> None:
        """Delete the session's audio; no error when there is none.

        Raises:
            BadRequest: a name of other than 1 to 64 letters, digits, _ and -.
            StorageFailed: some of it could not be deleted; try again.
        """
        folder = folder_of(self._root, tenant, session)
        async with self._lock(folder):
            known = self._open.pop(folder, None)
            if known is not None:
                with suppress(StorageFailed):  # it goes away all the same
                    await known.release()
            try:
                await asyncio.to_thread(self._remove, folder)
            except OSError as error:
                raise disk_failure(error) from error

    async def size_bytes(self, tenant: str, session: str) -> int:
        """Space the session's audio takes on disk."""
        folder = folder_of(self._root, tenant, session)
        try:
            return await asyncio.to_thread(self._size, folder)
        except OSError as error:
            raise disk_failure(error) from error

    async def close(self) -> None:
        """Sync and close every journal; unsealed ones can be opened again by the next server."""
        self._closed = True
        try:
            for known in tuple(self._open.values()):
                with suppress(StorageFailed):  # who appended has been told
                    await known.release()
            self._open.clear()
        finally:
            await asyncio.to_thread(self._thread.stop)

    def _lock(self, folder: Path) -> asyncio.Lock:
        lock = self._locks.get(folder)
        if lock is None:
            lock = self._locks[folder] = asyncio.Lock()
        return lock

    def _forget(self, folder: Path) -> None:
        self._open.pop(folder, None)

    def _recover(self, tenant: str, session: str) -> Recording:
        self._files.make_folder(self._root)
        self._files.sync_folder(self._root.parent)
        return Recording(
            self._files,
            self._root,
            tenant=tenant,
            session=session,
            segment_bytes=self._segment_bytes,
        )

    def _remove(self, folder: Path) -> None:
        names = self._files.names(folder)
        for name in names:
            self._files.unlink(folder / name)
        if names:
            self._files.sync_folder(folder)
        if self._files.is_folder(folder):
            self._files.remove_folder(folder)
            self._files.sync_folder(folder.parent)

    def _size(self, folder: Path) -> int:
        return sum(self._files.size(path) for _, path in segment_files(self._files, folder))
