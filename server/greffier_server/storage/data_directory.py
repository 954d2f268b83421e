"""Who may use a data directory: one server process at a time, held by a lock of the system.

A lock of the system and not a file with a number in it: it ends with its process, however that
ends, so that nothing has to be cleared away after ``kill -9`` or a power cut.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, Final

from greffier_server.errors import ServerError
from greffier_server.storage.failures import disk_failure

__all__ = ["DirectoryInUse", "own_directory"]

_log = logging.getLogger(__name__)

_NAME: Final = "server.lock"
_POLL_S: Final = 0.1


class DirectoryInUse(ServerError):
    """Another server works on the data directory and does not leave it."""

    code: ClassVar[str] = "directory_in_use"


@asynccontextmanager
async def own_directory(folder: Path, *, wait_s: float) -> AsyncGenerator[None, None]:
    """Hold `folder` within a block; the server that holds it now is waited for.

    Args:
        folder: the data directory; made when missing.
        wait_s: a server that is stopping has this long to leave.

    Raises:
        DirectoryInUse: it does not leave in time.
        StorageFailed: the directory cannot be used.
    """
    try:
        handle = await asyncio.to_thread(_open, folder)
    except OSError as error:
        raise disk_failure(error) from error
    try:
        await _take(handle, folder, wait_s)
        yield
    finally:
        os.close(handle)


async def _take(handle: int, folder: Path, wait_s: float) -> None:
    loop = asyncio.get_running_loop()
    until, told = loop.time() + wait_s, False
    while not _try_lock(handle):
        if loop.time() >= until:
            raise DirectoryInUse(
                f"another Greffier server uses {folder}; stop it, or give this one a data "
                "directory of its own (GREFFIER_DATA_DIR)"
            )
        if not told:
            _log.info("waiting for the server that uses the data directory to stop")
            told = True
        await asyncio.sleep(_POLL_S)


def _open(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
