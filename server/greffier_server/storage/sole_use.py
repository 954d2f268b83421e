"""One server a data directory: a lock that ends with its process, and the name of the node."""

import asyncio
import fcntl
import logging
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from greffier_server.errors import ServerError
from greffier_server.storage.failures import disk_failure

__all__ = ["DirectoryInUse", "SoleUse", "take_in_time"]

_log = logging.getLogger(__name__)

_POLL_S = 0.1
_NAME = re.compile(r"[0-9a-f]{16}")


class DirectoryInUse(ServerError):
    """Another server works in the data directory."""

    code: ClassVar[str] = "data_directory_in_use"


class SoleUse:
    """The lock on a data directory; make one with `take` (blocking), give it back with `end`."""

    def __init__(self, descriptor: int, node: str) -> None:
        self._descriptor = descriptor
        self.node = node
        """Name of the node that has this directory; the same at each start."""

    @classmethod
    def take(cls, folder: Path) -> Self:
        """Lock `folder`, which is made when it is missing.

        The system gives the lock back when the process ends, however it ends.

        Raises:
            DirectoryInUse: another process has it.
            StorageFailed: the folder cannot be written.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(
                folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise disk_failure(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(descriptor, _node_name(descriptor))
        except BlockingIOError:
            os.close(descriptor)
            raise DirectoryInUse(
                f"Another server uses {folder}. Stop it, or give this one a directory of its own: "
                "greffier serve --data-dir"
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise disk_failure(error) from error

    def end(self) -> None:
        """Give the directory back."""
        with suppress(OSError):
            os.close(self._descriptor)


async def take_in_time(folder: Path, *, wait_s: float) -> SoleUse:
    """`SoleUse.take`, once a server that has `folder` now has left it.

    Raises:
        DirectoryInUse: it does not leave within `wait_s`.
        StorageFailed: the folder cannot be written.
    """
    loop = asyncio.get_running_loop()
    until, told = loop.time() + wait_s, False
    while True:
        try:
            return await asyncio.to_thread(SoleUse.take, folder)
        except DirectoryInUse:
            if loop.time() >= until:
                raise
        if not told:
            _log.info("waiting for the server that uses the data directory to stop")
            told = True
        await asyncio.sleep(_POLL_S)


def _node_name(descriptor: int) -> str:
    """Return the name kept in the lock file, or make one."""
    known = os.pread(descriptor, 16, 0).decode(errors="replace")
    if _NAME.fullmatch(known):
        return known
    node = secrets.token_hex(8)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, node.encode(), 0)
    os.fsync(descriptor)
    return node
