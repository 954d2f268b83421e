"""What keeping audio costs: syncs, acknowledgement, processor time; encrypted, packed or neither.

``python -m benchmarks.journal`` runs two parts. *Recording*: so many sessions append pieces of a
size at the pace of speech (or, with ``--pace 0``, as fast as the disk answers) into a real
directory; every append waits for its sync. *Packing*: recordings of speech are journalled, packed
and read back. Times on the wall mean something on a quiet machine only; processor time is the
process's own.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpora import load_scenes, read_pcm
from benchmarks.results import result_folder, write_result
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.filesystem import LocalFileSystem, OpenFile
from greffier_server.storage.keys import KeyRing, new_master_key, read_master_key

__all__ = ["Packed", "Recorded", "pack", "record"]

BYTES_A_SECOND = 32_000
"""16 kHz, one channel, 16 bits."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Sessions that append side by side."""

    sessions: int
    append_bytes: int
    encrypted: bool
    pace: float
    """Times real time; 0 = each append follows the answer to the last."""
    appends: int
    syncs: int
    wall_s: float
    cpu_s: float
    ack_p50_ms: float
    ack_p95_ms: float
    ack_max_ms: float

    @property
    def figures(self) -> dict[str, Any]:
        """With what follows from them."""
        hours = self.appends * self.append_bytes / BYTES_A_SECOND / 3_600
        return {
            **asdict(self),
            "syncs_per_s": self.syncs / self.wall_s,
            "appends_per_sync": self.appends / max(1, self.syncs),
            "cpu_s_per_hour_of_audio": self.cpu_s / hours,
        }


@dataclass(frozen=True, slots=True)
class Packed:
    """A recording that was packed and read back."""

    source: str
    audio_bytes: int
    packed_bytes: int
    pack_cpu_s: float
    """Reading, coding, writing, reading back and comparing."""
    read_cpu_s: float
    encrypted: bool

    @property
    def figures(self) -> dict[str, Any]:
        """With what follows from them."""
        hours = self.audio_bytes / BYTES_A_SECOND / 3_600
        return {
            **asdict(self),
            "ratio": self.packed_bytes / self.audio_bytes,
            "pack_cpu_s_per_hour": self.pack_cpu_s / hours,
            "read_cpu_s_per_hour": self.read_cpu_s / hours,
        }


class _CountedFiles(LocalFileSystem):
    """The machine's own files, with their syncs counted."""

    def __init__(self) -> None:
        self.syncs = 0

    def create(self, path: Path) -> OpenFile:
        return _CountedFile(super().create(path), self)

    def append(self, path: Path) -> OpenFile:
        return _CountedFile(super().append(path), self)


class _CountedFile:
    def __init__(self, file: OpenFile, files: _CountedFiles) -> None:
        self._file = file
        self._files = files

    def write(self, octets: bytes | memoryview) -> int:
        return self._file.write(octets)

    def sync(self) -> None:
        self._files.syncs += 1
        self._file.sync()

    def truncate(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


async def record(
    folder: Path, *, sessions: int, append_bytes: int, seconds: float, encrypted: bool, pace: float
) -> Recorded:
    """Append `seconds` of audio to each of `sessions`; every append waits for its sync."""
    files = _CountedFiles()
    keys = _keys(folder) if encrypted else None
    journal = DiskJournal(folder / "audio", files=files, keys=keys)
    recordings = [await journal.open("bench", f"s{number}") for number in range(sessions)]
    count = max(1, round(seconds * BYTES_A_SECOND / append_bytes))
    step_s = append_bytes / BYTES_A_SECOND / pace if pace else 0.0
    audio = np.random.default_rng(0).bytes(append_bytes)
    acks: list[float] = []

    async def speak(number: int) -> None:
        due = time.perf_counter() + step_s * number / sessions  # not all at one instant
        for _ in range(count):
            if step_s:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due += step_s
            asked = time.perf_counter()
            await recordings[number].append(audio)
            acks.append((time.perf_counter() - asked) * 1_000)

    began, cpu, before = time.perf_counter(), time.process_time(), files.syncs
    await asyncio.gather(*(speak(number) for number in range(sessions)))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    syncs = files.syncs - before
    await journal.close()
    p50, p95 = (float(np.percentile(acks, q)) for q in (50, 95))
    return Recorded(
        sessions=sessions,
        append_bytes=append_bytes,
        encrypted=encrypted,
        pace=pace,
        appends=len(acks),
        syncs=syncs,
        wall_s=wall_s,
        cpu_s=cpu_s,
        ack_p50_ms=p50,
        ack_p95_ms=p95,
        ack_max_ms=max(acks),
    )


async def pack(folder: Path, audio: bytes, *, source: str, encrypted: bool) -> Packed:
    """Journal `audio`, pack it and read it back.

    Raises:
        RuntimeError: what was read is not what was recorded.
    """
    journal = DiskJournal(folder / "audio", keys=_keys(folder) if encrypted else None)
    recording = await journal.open("bench", "packed")
    for at in range(0, len(audio), BYTES_A_SECOND):
        await recording.append(audio[at : at + BYTES_A_SECOND])
    await recording.seal()
    cpu = time.process_time()
    await journal.pack("bench", "packed")
    pack_cpu_s = time.process_time() - cpu
    cpu = time.process_time()
    back = await asyncio.to_thread(lambda: b"".join(recording.read(0)))
    read_cpu_s = time.process_time() - cpu
    if back != audio:
        raise RuntimeError(f"{source}: not the same bytes")
    packed_bytes = await journal.size_bytes("bench", "packed")
    await journal.close()
    return Packed(
        source=source,
        audio_bytes=len(audio),
        packed_bytes=packed_bytes,
        pack_cpu_s=pack_cpu_s,
        read_cpu_s=read_cpu_s,
        encrypted=encrypted,
    )


def _keys(folder: Path) -> KeyRing:
    return KeyRing(folder / "keys", read_master_key(new_master_key()))


@contextmanager
def _fresh(parent: Path | None) -> Generator[Path, None, None]:
    folder = Path(tempfile.mkdtemp(prefix="journal-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _recordings(sources: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    if not sources:
        for scene in load_scenes():
            yield scene.id, read_pcm(scene.path)
    for source in sources:
        yield source.stem, read_pcm(source)


def main() -> None:
    """Run both parts; print the figures, and keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 10, 50])
    parser.add_argument("--append-bytes", type=int, nargs="*", default=[640, 3_200, 16_000])
    parser.add_argument("--seconds", type=float, default=20.0, help="of audio, per session")
    parser.add_argument("--pace", type=float, default=1.0, help="times real time; 0 = flat out")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    parser.add_argument("--recordings", type=Path, nargs="*", default=[])
    parser.add_argument("--save", action="store_true", help="write results/<date>-<machine>/")
    asked = parser.parse_args()
    result: dict[str, Any] = {"recording": [], "packing": []}
    for sessions in asked.sessions:
        for append_bytes in asked.append_bytes:
            for encrypted in (False, True):
                with _fresh(asked.folder) as folder:
                    run = record(
                        folder,
                        sessions=sessions,
                        append_bytes=append_bytes,
                        seconds=asked.seconds,
                        encrypted=encrypted,
                        pace=asked.pace,
                    )
                    result["recording"].append(_shown(asyncio.run(run).figures))
    for source, audio in _recordings(asked.recordings):
        for encrypted in (False, True):
            with _fresh(asked.folder) as folder:
                run_packing = pack(folder, audio, source=source, encrypted=encrypted)
                result["packing"].append(_shown(asyncio.run(run_packing).figures))
    if asked.save:
        print(write_result(result_folder(), "journal", result))


def _shown(figures: dict[str, Any]) -> dict[str, Any]:
    rounded = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    print(json.dumps(rounded))
    return figures


if __name__ == "__main__":
    main()
