"""The audio journal through its asynchronous door: order, groups, full disks, deletion, limits."""

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from greffier_server.errors import BadRequest, SessionClosed, StorageFailed
from greffier_server.storage.disk import DiskJournal, DiskRecording
from greffier_server.storage.filesystem import LocalFileSystem, OpenFile

pytestmark = pytest.mark.integration


class Faulty:
    """A real file system whose syncs can be counted, held back, and made to fail."""

    def __init__(self) -> None:
        self.syncs = 0
        self.fail: int | None = None
        self.gate = threading.Event()
        self.gate.set()

    def wrap(self) -> "FaultyFiles":
        return FaultyFiles(self)


class FaultyFiles(LocalFileSystem):
    def __init__(self, faulty: Faulty) -> None:
        self.faulty = faulty

    def create(self, path: Path) -> OpenFile:
        return FaultyFile(super().create(path), self.faulty)


class FaultyFile:
    def __init__(self, file: OpenFile, faulty: Faulty) -> None:
        self.file = file
        self.faulty = faulty

    def write(self, octets: bytes | memoryview) -> int:
        if self.faulty.fail is not None:
            raise OSError(self.faulty.fail, "simulated")
        return self.file.write(octets)

    def sync(self) -> None:
        self.faulty.syncs += 1
        self.faulty.gate.wait(10)
        self.file.sync()

    def truncate(self, size: int) -> None:
        self.file.truncate(size)

    def close(self) -> None:
        self.file.close()


async def content(recording: DiskRecording) -> bytes:
    return await asyncio.to_thread(lambda: b"".join(recording.read(0)))


async def test_appends_of_many_sessions_come_back_in_order(tmp_path: Path) -> None:
    journal = DiskJournal(tmp_path / "audio", segment_bytes=3000)
    recordings = [await journal.open("t", f"s{number}") for number in range(5)]

    async def speak(number: int) -> None:
        for step in range(40):
            durable = await recordings[number].append(bytes([number, step]) * 60)
            assert durable == (step + 1) * 120

    await asyncio.gather(*(speak(number) for number in range(5)))
    for number, recording in enumerate(recordings):
        whole = b"".join(bytes([number, step]) * 60 for step in range(40))
        assert await content(recording) == whole
        assert recording.accepted_bytes == recording.durable_bytes == len(whole)
        assert await asyncio.to_thread(recording.damage) == []
    await journal.close()


async def test_appends_that_gather_during_a_sync_share_the_next(tmp_path: Path) -> None:
    faulty = Faulty()
    journal = DiskJournal(tmp_path, files=faulty.wrap())
    recording = await journal.open("t", "s")
    await recording.append(b"first")
    faulty.gate.clear()
    before = faulty.syncs
    tasks = [asyncio.create_task(recording.append(b"%02d" % n)) for n in range(30)]
    await asyncio.sleep(0)
    assert recording.accepted_bytes == 65
    assert recording.durable_bytes == 5
    faulty.gate.set()
    await asyncio.gather(*tasks)
    # The first may have gone alone; all the others waited together.
    assert faulty.syncs - before <= 3
    assert await content(recording) == b"first" + b"".join(b"%02d" % n for n in range(30))
    await journal.close()


async def test_a_full_disk_refuses_all_that_was_queued_and_then_goes_on(tmp_path: Path) -> None:
    faulty = Faulty()
    journal = DiskJournal(tmp_path, files=faulty.wrap())
    recording = await journal.open("t", "s")
    other = await journal.open("t", "other")
    await recording.append(b"kept")
    faulty.fail = errno.ENOSPC
    results = await asyncio.gather(
        *(recording.append(b"lost") for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, StorageFailed) for result in results)
    assert "full" in str(results[0])
    assert (recording.accepted_bytes, recording.durable_bytes) == (4, 4)
    faulty.fail = None
    assert await recording.append(b"+more") == 9
    assert await other.append(b"fine") == 4
    assert await content(recording) == b"kept+more"
    await journal.close()


async def test_a_cancelled_caller_leaves_the_counts_right(tmp_path: Path) -> None:
    faulty = Faulty()
    journal = DiskJournal(tmp_path, files=faulty.wrap())
    recording = await journal.open("t", "s")
    await recording.append(b"one")
    faulty.gate.clear()
    task = asyncio.create_task(recording.append(b"two"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    faulty.gate.set()
    assert await recording.append(b"three") == 11
    assert recording.accepted_bytes == 11
    assert await content(recording) == b"onetwothree"
    await journal.close()


async def test_the_queue_is_bounded_and_first_come_first_served(tmp_path: Path) -> None:
    faulty = Faulty()
    journal = DiskJournal(tmp_path, files=faulty.wrap(), queue_bytes=100)
    recording = await journal.open("t", "s")
    await recording.append(b".")
    faulty.gate.clear()
    pieces = [bytes([65 + n]) * size for n, size in enumerate((60, 60, 10, 500, 1))]
    tasks = [asyncio.create_task(recording.append(piece)) for piece in pieces]
    for _ in range(5):
        await asyncio.sleep(0)
    assert recording.accepted_bytes == 61  # the others wait for room, even those that would fit
    tasks[2].cancel()
    faulty.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    del pieces[2]
    assert await content(recording) == b"." + b"".join(pieces)
    await journal.close()


async def test_what_one_server_kept_the_next_goes_on_with(tmp_path: Path) -> None:
    first = DiskJournal(tmp_path / "new" / "audio")
    recording = await first.open("t", "s")
    assert await first.open("t", "s") is recording
    await recording.append(b"before")
    await first.close()
    with pytest.raises(SessionClosed):
        await recording.append(b"late")
    with pytest.raises(StorageFailed):
        await first.open("t", "s")
    second = DiskJournal(tmp_path / "new" / "audio")
    again = await second.open("t", "s")
    assert again.durable_bytes == 6
    await again.append(b" after")
    await again.seal()
    with pytest.raises(SessionClosed):
        await again.append(b"late")
    sealed = await second.open("t", "s")
    assert sealed.sealed
    assert await content(sealed) == b"before after"
    await second.close()
    folder = tmp_path / "new" / "audio" / "t" / "s"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "000001.gja").stat().st_mode) == 0o600


async def test_deletion_takes_the_files_and_ends_a_live_recording(tmp_path: Path) -> None:
    journal = DiskJournal(tmp_path, segment_bytes=100)
    recording = await journal.open("t", "s")
    for _ in range(5):
        await recording.append(b"x" * 90)
    assert await journal.size_bytes("t", "s") > 450
    await journal.delete("t", "s")
    assert not (tmp_path / "t" / "s").exists()
    assert await journal.size_bytes("t", "s") == 0
    with pytest.raises(SessionClosed):
        await recording.append(b"late")
    await journal.delete("t", "s")
    fresh = await journal.open("t", "s")
    assert fresh.durable_bytes == 0
    await journal.close()


async def test_an_unreadable_disk_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = DiskJournal(tmp_path / "file" / "audio")
    with pytest.raises(StorageFailed):
        await journal.open("t", "s")
    await journal.close()


async def test_names_are_checked_at_every_door(tmp_path: Path) -> None:
    journal = DiskJournal(tmp_path)
    for call in (journal.open, journal.delete, journal.size_bytes):
        with pytest.raises(BadRequest):
            await call("..", "s")
    await journal.close()


async def test_a_journal_that_was_never_used_closes_at_once(tmp_path: Path) -> None:
    await DiskJournal(tmp_path).close()
    assert await asyncio.to_thread(LocalFileSystem().names, tmp_path) == []


CHILD = """
import asyncio, sys
from pathlib import Path
from greffier_server.storage.disk import DiskJournal

async def main():
    journal = DiskJournal(Path(sys.argv[1]), segment_bytes=5000)
    recording = await journal.open("t", "s")
    for number in range(100_000):
        durable = await recording.append(number.to_bytes(4, "big") * 25)
        sys.stdout.write(f"{durable}\\n")
        sys.stdout.flush()

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    def speak_until_killed() -> int:
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as child:
            assert child.stdout is not None
            for _ in range(200):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            acknowledged = child.stdout.read().split()
        return int(acknowledged[-1]) if acknowledged else 20_000

    acknowledged = await asyncio.to_thread(speak_until_killed)
    journal = DiskJournal(tmp_path, segment_bytes=5000)
    recording = await journal.open("t", "s")
    kept = await content(recording)
    assert acknowledged >= 20_000
    assert len(kept) >= acknowledged
    assert kept == b"".join(n.to_bytes(4, "big") * 25 for n in range(len(kept) // 100))
    assert await asyncio.to_thread(recording.damage) == []
    await journal.close()
