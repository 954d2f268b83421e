"""One server at a time on a data directory; the lock ends with its process."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from greffier_server.errors import StorageFailed
from greffier_server.storage.sole_use import DirectoryInUse, SoleUse, take_in_time

pytestmark = pytest.mark.unit


@asynccontextmanager
async def own_directory(folder: Path, *, wait_s: float) -> AsyncGenerator[SoleUse]:
    use = await take_in_time(folder, wait_s=wait_s)
    try:
        yield use
    finally:
        use.end()


async def test_a_second_server_is_refused_with_what_to_do(tmp_path: Path) -> None:
    async with own_directory(tmp_path / "new", wait_s=0):
        with pytest.raises(DirectoryInUse) as refused:
            async with own_directory(tmp_path / "new", wait_s=0):
                pass
    assert str(tmp_path / "new") in refused.value.message
    assert "--data-dir" in refused.value.message


async def test_the_next_server_waits_for_the_one_that_stops(tmp_path: Path) -> None:
    entered = asyncio.Event()

    async def following() -> None:
        async with own_directory(tmp_path, wait_s=10):
            entered.set()

    async with own_directory(tmp_path, wait_s=0):
        task = asyncio.create_task(following())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not entered.is_set()
    await task
    assert entered.is_set()


async def test_a_killed_owner_leaves_nothing_to_clear_away(tmp_path: Path) -> None:
    script = (
        "import fcntl, os, signal, sys\n"
        "handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(handle, fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    lock = tmp_path / "server.lock"
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, str(lock)], check=False)
    assert lock.exists()
    async with own_directory(tmp_path, wait_s=0):
        pass


async def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        async with own_directory(tmp_path / "file" / "below", wait_s=0):
            pass
