"""A recording on this machine's disk until the server has it: store and forward (blocking calls).

A spool is a folder with one folder a recording: ``recording.json`` (what was asked for, and how far
the server is) and the audio (`greffier.spool_segments`). One process at a time holds a recording.

What a write returned for survives the end of this process at once, and a power cut within
`SYNC_S`: the files are synced at most that often, when one is full, and at the end. Audio that
finds no room, or that the disk does not take, is counted and left out: the capture goes on, and the
server records a gap there. Nothing is deleted but what the server has acknowledged.

A recording can be encrypted as a whole, note and audio (`greffier.spool_seal`); names of its files
and their sizes tell when it was made and how long it is.
"""

import secrets
import shutil
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from greffier.errors import SpoolUnusable
from greffier.protocol import AudioFormat, Start
from greffier.spool_progress import (
    STATE,
    Progress,
    read_progress,
    sync_folder,
    take_lock,
    write_progress,
)
from greffier.spool_seal import SpoolSeal, SpoolSecret
from greffier.spool_segments import Block, SegmentFile, read_block, scan, segments_in

__all__ = ["DEFAULT_LIMIT_BYTES", "Recording", "Stretch", "recordings_in"]

DEFAULT_LIMIT_BYTES: Final = 2 << 30
"""About 18 hours of 16 kHz, one channel, 16 bits."""
SYNC_S: Final = 1.0
_SEGMENT_BYTES: Final = 4 << 20
_SAVE_S: Final = 2.0
"""Between two notes of how far the server is; a stale one only makes audio be sent twice."""
_MEASURE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio as it was kept."""

    first_sample: int
    audio: bytes


class Recording:
    """One recording; its methods block, and may be called from several threads.

    Use `create` or `open`, and `close` in the end.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        *,
        lock: BinaryIO,
        limit_bytes: int,
        seal: SpoolSeal | None = None,
    ) -> None:
        self._seal = seal
        self.folder = folder
        self.progress = progress
        self.lost_samples = 0
        """Left out for want of room, or because the disk failed, since this process holds it."""
        self._frame_bytes = progress.start.format.frame_bytes
        self._limit_bytes = limit_bytes
        self._lock_file = lock
        self._guard = threading.RLock()
        self._blocks: deque[Block] = deque()
        self._file: SegmentFile | None = None
        self._end_sample = progress.acknowledged
        self._bytes = 0
        self._elsewhere = 0
        self._measured_at = float("-inf")
        self._synced_at = self._saved_at = time.monotonic()
        self._unsynced = False

    @classmethod
    def create(
        cls,
        spool: Path,
        *,
        server: str,
        start: Start,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        secret: SpoolSecret | None = None,
    ) -> "Recording":
        """Begin a recording in a folder of its own under `spool`, encrypted with `secret`.

        Raises:
            SpoolUnusable: the folder cannot be written.
            ExtraMissing: `cryptography` is not installed.
        """
        seal = None if secret is None else secret.new_seal()
        now = datetime.now(UTC)
        folder = spool / f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        try:
            spool.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)  # audio, and the token of its session
            lock = take_lock(folder)
            progress = Progress(server, start, now.isoformat(timespec="seconds"))
            recording = cls(folder, progress, lock=lock, limit_bytes=limit_bytes, seal=seal)
            recording.save()
            sync_folder(spool)
        except OSError as error:
            raise SpoolUnusable(f"cannot write to {spool}: {error.strerror}") from error
        return recording

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        secret: SpoolSecret | None = None,
    ) -> "Recording":
        """Go on with a recording that another process left.

        Raises:
            SpoolUnusable: it is in use, or cannot be read, or `secret` does not open it.
            ExtraMissing: it is encrypted, and `cryptography` is not installed.
        """
        try:
            lock = take_lock(folder)
            try:
                progress, seal = read_progress(folder, secret)
                recording = cls(folder, progress, lock=lock, limit_bytes=limit_bytes, seal=seal)
                recording._load()
            except BaseException:
                lock.close()
                raise
        except BlockingIOError:
            raise SpoolUnusable(f"another process is sending {folder}") from None
        except OSError as error:
            raise SpoolUnusable(f"cannot use {folder}: {error.strerror}") from error
        return recording

    @property
    def format(self) -> AudioFormat:
        """Of the audio."""
        return self.progress.start.format

    @property
    def end_sample(self) -> int:
        """One past the newest sample given, kept or not."""
        return self._end_sample

    @property
    def ended(self) -> bool:
        """Nothing will be added."""
        return self.progress.end_sample is not None

    @property
    def complete(self) -> bool:
        """The server has all of it, and knows that it is all."""
        return self.ended and self.progress.finish_sent and self.waiting_samples == 0

    @property
    def waiting_samples(self) -> int:
        """Not yet acknowledged."""
        return max(0, self._end_sample - self.progress.acknowledged)

    @property
    def waiting_ms(self) -> int:
        """Not yet acknowledged, as time."""
        return self.waiting_samples * 1000 // self.format.rate

    def append(self, audio: bytes) -> None:
        """Keep whole frames at the end; what cannot be kept is counted in `lost_samples`."""
        samples = len(audio) // self._frame_bytes
        with self._guard:
            first = self._end_sample
            self._end_sample += samples
            if samples and not self._keep(first, audio):
                self.lost_samples += samples

    def read(self, from_sample: int, *, limit: int) -> Stretch | None:
        """Return the next kept audio at or behind `from_sample`, at most `limit` samples.

        It begins later where a part is missing or damaged; None when there is none.
        """
        while True:
            with self._guard:
                block = next((b for b in self._blocks if b.end_sample > from_sample), None)
            if block is None:
                return None
            audio = read_block(block, self._seal)
            if audio is not None:
                break
            with self._guard:
                if block in self._blocks:
                    self._blocks.remove(block)
        first = max(from_sample, block.first_sample)
        begin = (first - block.first_sample) * self._frame_bytes
        return Stretch(first, audio[begin : begin + limit * self._frame_bytes])

    def acknowledge(self, sample: int) -> None:
        """Everything before `sample` is on the server's disk: delete the files that hold no more.

        Raises:
            OSError: how far it is cannot be noted.
        """
        with self._guard:
            if sample <= self.progress.acknowledged:
                return
            self.progress = replace(self.progress, acknowledged=sample)
            self._end_sample = max(self._end_sample, sample)
            while self._blocks and self._blocks[0].end_sample <= sample:
                path = self._blocks.popleft().path
                current = self._file is not None and self._file.path == path
                if not current and not (self._blocks and self._blocks[0].path == path):
                    self._delete(path)
            if time.monotonic() - self._saved_at >= _SAVE_S:
                self.save()

    def begin_session(self, session: str, token: str) -> None:
        """The server opened a session for it.

        Raises:
            OSError: it cannot be noted.
        """
        with self._guard:
            self._update(replace(self.progress, session=session, token=token))

    def mark_finish_sent(self) -> None:
        """The server was told that it is all.

        Raises:
            OSError: it cannot be noted.
        """
        with self._guard:
            self._update(replace(self.progress, finish_sent=True))

    def begin_anew(self) -> None:
        """Let what is left become a session of its own: the one that was begun is gone.

        Raises:
            OSError: it cannot be written.
        """
        with self._guard:
            old = self.progress
            if old.session:
                rest = replace(
                    old,
                    session="",
                    token="",
                    base_sample=old.acknowledged,
                    part=old.part + 1,
                    earlier=(*old.earlier, old.session),
                    finish_sent=False,
                )
                self._update(rest)

    def end(self) -> None:
        """Nothing will be added: sync, and note it.

        Raises:
            OSError: the disk does not keep it.
        """
        with self._guard:
            if not self.ended:
                self._close_file()
                self._update(replace(self.progress, end_sample=self._end_sample))

    def save(self) -> None:
        """Write how far things are, so that a crash leaves the old or the new state.

        Raises:
            OSError: it cannot be written.
        """
        with self._guard:
            self._saved_at = time.monotonic()
            write_progress(self.folder, self.progress, self._seal)

    def close(self) -> None:
        """Let go of the recording; one that is complete is deleted. Can be called twice."""
        with self._guard:
            if self._lock_file.closed:
                return
            try:
                with suppress(OSError):
                    self._close_file()
                    self.save()
                if self.complete:
                    shutil.rmtree(self.folder, ignore_errors=True)
            finally:
                self._lock_file.close()

    def discard(self) -> None:
        """Delete a recording that was never begun: the server refused it at once."""
        with self._guard:
            with suppress(OSError):
                self._close_file()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock_file.close()

    def _update(self, progress: Progress) -> None:
        self.progress = progress
        self.save()

    # --- files --------------------------------------------------------------------------------

    def _load(self) -> None:
        for path in segments_in(self.folder):
            sealed = self._seal is not None
            self._blocks.extend(scan(path, frame_bytes=self._frame_bytes, sealed=sealed))
            self._bytes += path.stat().st_size
        kept = self._blocks[-1].end_sample if self._blocks else 0
        self._end_sample = max(kept, self.progress.acknowledged, self.progress.end_sample or 0)

    def _keep(self, first: int, audio: bytes) -> bool:
        if self._bytes + len(audio) > self._limit_bytes - self._other_bytes():
            return False
        try:
            if self._file is not None and self._file.size >= _SEGMENT_BYTES:
                self._close_file()
            if self._file is None:
                self._file = SegmentFile(
                    self.folder,
                    first_sample=first,
                    frame_bytes=self._frame_bytes,
                    seal=self._seal,
                )
                sync_folder(self.folder)
            before = self._file.size
            self._blocks.append(self._file.append(first, audio))
            self._bytes += self._file.size - before
        except OSError:
            with suppress(OSError):  # the next one begins a new file
                self._close_file()
            return False
        self._unsynced = True
        if time.monotonic() - self._synced_at >= SYNC_S:
            with suppress(OSError):  # said at the end, where it can be acted on
                self._sync()
        return True

    def _sync(self) -> None:
        if self._file is not None and self._unsynced:
            self._file.sync()
            self._unsynced = False
        self._synced_at = time.monotonic()

    def _close_file(self) -> None:
        file = self._file
        if file is None:
            return
        try:
            self._sync()
        finally:
            file.close()
            self._file = None
            if not any(block.path == file.path for block in self._blocks):
                self._delete(file.path)

    def _delete(self, path: Path) -> None:
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            self._bytes -= size

    def _other_bytes(self) -> int:
        """What the spool's other recordings take; measured now and then."""
        now = time.monotonic()
        if now - self._measured_at >= _MEASURE_S:
            self._measured_at = now
            self._elsewhere = sum(
                _size(path)
                for folder in _folders(self.folder.parent)
                if folder != self.folder
                for path in segments_in(folder)
            )
        return self._elsewhere


def recordings_in(spool: Path) -> list[Path]:
    """Return the folders of the recordings kept under `spool`, oldest first.

    Raises:
        SpoolUnusable: it cannot be read.
    """
    if (spool / STATE).is_file():
        return [spool]
    try:
        return _folders(spool)
    except OSError as error:
        raise SpoolUnusable(f"cannot read {spool}: {error.strerror}") from error


def _folders(spool: Path) -> list[Path]:
    return sorted(folder for folder in spool.iterdir() if (folder / STATE).is_file())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # deleted meanwhile
        return 0
