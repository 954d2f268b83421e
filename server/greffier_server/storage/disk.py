"""The audio journal on disk: every session's appends go through one thread that syncs in groups.

While the disk syncs, the next appends gather; as soon as it has finished, they are written and
synced together. With nothing queued the thread sleeps.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from greffier_server.errors import BadRequest, StorageFailed
from greffier_server.storage.budget import ByteBudget
from greffier_server.storage.disk_recording import DiskRecording
from greffier_server.storage.failures import (
    EncryptionKeyMissing,
    EncryptionKeyWrong,
    StorageUnavailable,
    disk_failure,
)
from greffier_server.storage.filesystem import FileSystem, LocalFileSystem
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.low_priority import patient_thread
from greffier_server.storage.packing import Packing
from greffier_server.storage.places import RECORDED, ClosedPart, folder_of, remove_audio
from greffier_server.storage.recording import Recording
from greffier_server.storage.space import Quota, SpaceLedger
from greffier_server.storage.sync_thread import SyncThread, Track

__all__ = ["DiskJournal", "DiskRecording"]

_LOOKS = 5
"""At files that their owner packs meanwhile; each segment goes away once at most."""


class DiskJournal:
    """`AudioJournal` below one directory, which one server at a time may use.

    Args:
        root: the directory; made when it is missing.
        segment_bytes: length from which a session goes on in a new file.
        queue_bytes: most audio waiting for the disk, of all sessions; more callers wait.
        files: the file system; the machine's own when absent.
        keys: of tenants; None = audio is not encrypted.
        quota: space that each tenant's audio may take.
        read_only: nothing is changed, not even what looks torn: a running server may own it all.
    """

    def __init__(
        self,
        root: Path,
        *,
        segment_bytes: int = 8 * 1024 * 1024,
        queue_bytes: int = 32 * 1024 * 1024,
        files: FileSystem | None = None,
        keys: KeyRing | None = None,
        quota: Quota = lambda _: None,
        read_only: bool = False,
    ) -> None:
        self._root = root
        self._read_only = read_only
        self._keys = keys
        self._space = SpaceLedger(quota)
        self._stock_taken = False
        self._stocktaking = asyncio.Lock()
        self._touched: set[tuple[str, str]] = set()
        self._searched = False
        self._segment_bytes = segment_bytes
        self._files = files or LocalFileSystem()
        self._budget = ByteBudget(queue_bytes)
        self._thread = SyncThread()
        self._slow = patient_thread("journal-packing")
        self._open: dict[Path, DiskRecording] = {}
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    @property
    def space(self) -> SpaceLedger:
        """What the audio takes; complete after `take_stock`."""
        return self._space

    async def take_stock(self) -> None:
        """Count what lies on the disk (once; later changes are counted as they are made).

        Raises:
            StorageFailed: the disk cannot be read.
        """
        async with self._stocktaking:
            if self._stock_taken:
                return
            try:
                found = await asyncio.to_thread(self._sizes)
            except OSError as error:
                raise disk_failure(error) from error
            for tenant, session, size in found:
                self._space.put(tenant, session, size)
            self._stock_taken = True

    async def open(self, tenant: str, session: str) -> DiskRecording:
        """Create the session's journal, or reopen it after a crash (a torn end is cut off).

        Opening what is open returns the same object.

        Raises:
            BadRequest: a name of other than 1 to 64 letters, digits, _ and -.
            QuotaExceeded: the session is new, and its tenant has no space left.
            EncryptionKeyMissing, EncryptionKeyWrong: it is encrypted; nothing was touched.
            StorageFailed: the disk cannot be used.
        """
        folder = folder_of(self._root, tenant, session)
        async with self._lock(folder):
            if self._closed:
                raise StorageUnavailable("The server is stopping; reconnect in a moment.")
            known = self._open.get(folder)
            if known is not None:
                return known
            await self.take_stock()
            if not self._space.knows(tenant, session):
                self._space.reserve(tenant, 1)
                self._space.free(tenant, 1)
            try:
                recording = await asyncio.to_thread(self._recover, tenant, session)
            except OSError as error:
                raise disk_failure(error) from error
            opened = DiskRecording(
                Track(recording),
                thread=self._thread,
                budget=self._budget,
                space=self._space,
                owner=(tenant, session),
                sealed=lambda: self._forget(folder),
            )
            self._open[folder] = opened
            self._touched.add((tenant, session))
            self._space.put(tenant, session, recording.stored_bytes)
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
                known.uncount()
            try:
                await asyncio.to_thread(remove_audio, self._files, folder)
            except OSError as error:
                raise disk_failure(error) from error
            self._space.put(tenant, session, 0)

    async def unpacked(self) -> Sequence[tuple[str, str]]:
        """Return tenant and session of audio that may have something to pack.

        The first call looks through the disk; later ones name what was opened since.

        Raises:
            StorageFailed: the disk cannot be read.
        """
        if not self._searched:
            try:
                found = await asyncio.to_thread(self._with_recorded)
            except OSError as error:
                raise disk_failure(error) from error
            self._touched.update(found)
            self._searched = True
        return sorted(self._touched)

    async def pack(self, tenant: str, session: str) -> int:
        """Pack the closed segments of a session beside everything else; return how many.

        Reading and writing go on meanwhile; a session that is deleted meanwhile is let go.

        Raises:
            BadRequest: a name of other than 1 to 64 letters, digits, _ and -.
            EncryptionKeyMissing, EncryptionKeyWrong: they cannot be read.
            StorageFailed: the disk cannot be used; what is not packed stays as it was.
        """
        folder, count = folder_of(self._root, tenant, session), 0
        try:
            parts = await self._closed_parts(folder, tenant, session)
            for part in parts:
                if self._closed:
                    break
                count += await self._pack(folder, tenant, session, part)
        except FileNotFoundError:  # deleted
            pass
        except (EncryptionKeyMissing, EncryptionKeyWrong):  # another sweep would not do better
            self._touched.discard((tenant, session))
            raise
        except OSError as error:
            raise disk_failure(error) from error
        if folder not in self._open:
            self._touched.discard((tenant, session))
        return count

    async def _closed_parts(self, folder: Path, tenant: str, session: str) -> Sequence[ClosedPart]:
        async with self._lock(folder):
            if self._closed:
                return ()
            known = self._open.get(folder)
            if known is not None:
                return await asyncio.to_thread(known.recording.closed_parts)
            recording = await asyncio.to_thread(self._recover, tenant, session)
            recording.close()
            return await asyncio.to_thread(recording.closed_parts)

    async def _pack(self, folder: Path, tenant: str, session: str, part: ClosedPart) -> bool:
        packing = Packing(self._files, tenant=tenant, session=session, part=part, keys=self._keys)
        loop = asyncio.get_running_loop()
        try:
            async with self._lock(folder):
                await asyncio.to_thread(packing.begin)
            if not await loop.run_in_executor(self._slow, packing.write):
                await asyncio.to_thread(packing.drop)
                return False
            async with self._lock(folder):
                await asyncio.to_thread(packing.settle)
                known = self._open.get(folder)
                if known is not None:
                    await asyncio.to_thread(known.recording.measure)
                    self._space.put(tenant, session, known.recording.stored_bytes)
                elif self._space.knows(tenant, session):
                    self._space.put(tenant, session, await asyncio.to_thread(self._size, folder))
        except (OSError, StorageFailed):
            await asyncio.to_thread(packing.drop)
            raise
        return True

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
            await asyncio.to_thread(self._slow.shutdown)

    def _lock(self, folder: Path) -> asyncio.Lock:
        lock = self._locks.get(folder)
        if lock is None:
            lock = self._locks[folder] = asyncio.Lock()
        return lock

    def _forget(self, folder: Path) -> None:
        self._open.pop(folder, None)

    def _recover(self, tenant: str, session: str) -> Recording:
        if not self._read_only:
            self._files.make_folder(self._root)
            self._files.sync_folder(self._root.parent)
            return self._recording(tenant, session)
        for _ in range(_LOOKS - 1):
            with suppress(FileNotFoundError):  # its owner packed it between two looks
                return self._recording(tenant, session)
        return self._recording(tenant, session)

    def _recording(self, tenant: str, session: str) -> Recording:
        return Recording(
            self._files,
            self._root,
            tenant=tenant,
            session=session,
            segment_bytes=self._segment_bytes,
            keys=self._keys,
            read_only=self._read_only,
        )

    def _size(self, folder: Path) -> int:
        return sum(self._files.size(folder / name) for name in self._files.names(folder))

    def _sizes(self) -> list[tuple[str, str, int]]:
        return [
            (tenant, session, self._size(self._root / tenant / session))
            for tenant, session in self._sessions()
        ]

    def _with_recorded(self) -> list[tuple[str, str]]:
        return [
            (tenant, session)
            for tenant, session in self._sessions()
            if any(
                name.endswith(RECORDED) for name in self._files.names(self._root / tenant / session)
            )
        ]

    def _sessions(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for tenant in self._files.names(self._root):
            for session in self._files.names(self._root / tenant):
                with suppress(BadRequest):  # somebody else's file
                    folder_of(self._root, tenant, session)
                    found.append((tenant, session))
        return found
