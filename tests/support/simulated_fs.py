"""A disk that loses power: what was not synced is kept, lost, torn or zeroed, as chance has it.

It models what POSIX leaves open: bytes are durable after a sync of the file, names after a sync of
the folder, and a failed sync may have dropped pages that a later, successful one will not write.
"""

import errno
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Fault", "PowerCut", "SimulatedDisk"]

Fault = Literal["eio", "enospc", "short", "power"]


class PowerCut(BaseException):
    """The machine is off; every call from now on ends here."""


@dataclass(slots=True)
class _Change:
    """A write at a place, or (octets None) a cut."""

    at: int
    octets: bytes | None

    def apply(self, content: bytearray) -> None:
        if self.octets is None:
            del content[self.at :]
            return
        if len(content) < self.at:
            content.extend(bytes(self.at - len(content)))
        content[self.at : self.at + len(self.octets)] = self.octets

    def settle(self, content: bytearray, chance: random.Random) -> None:
        """Reach the platter or not, wholly or in part."""
        outcome = chance.choice(["kept", "lost", "torn", "zeroed"])
        if outcome == "lost":
            return
        if self.octets is None or outcome == "kept":
            self.apply(content)
        elif outcome == "torn":
            _Change(self.at, self.octets[: chance.randint(0, len(self.octets))]).apply(content)
        else:  # the length reached the platter before the data
            _Change(self.at, bytes(len(self.octets))).apply(content)


@dataclass(slots=True)
class _Inode:
    durable: bytearray = field(default_factory=bytearray)
    seen: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list[_Change])

    def change(self, change: _Change) -> None:
        change.apply(self.seen)
        self.pending.append(change)

    def settle(self, chance: random.Random) -> None:
        for change in self.pending:
            change.settle(self.durable, chance)
        self.pending.clear()


class SimulatedDisk:
    """`FileSystem` in memory.

    Args:
        faults: what happens at the n-th changing call, counted from 0.
        capacity: bytes the files may hold together.
        chance: decides what a power cut or a failed sync leaves.
    """

    def __init__(
        self,
        *,
        faults: Mapping[int, Fault] | None = None,
        capacity: int | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.faults: dict[int, Fault] = dict(faults or {})
        self.capacity = capacity
        self.calls = 0
        self.open_files = 0
        self.chance = chance or random.Random(0)
        self._off = False
        self._names: dict[Path, _Inode | None] = {}
        """None is a folder."""
        self._durable_names: dict[Path, _Inode | None] = {}

    # --- what tests do ----------------------------------------------------------------------------

    def restart(self, *, faults: Mapping[int, Fault] | None = None) -> "SimulatedDisk":
        """Cut the power, and return the disk as the next start finds it."""
        self._off = True
        after = SimulatedDisk(faults=faults, capacity=self.capacity, chance=self.chance)
        for path in sorted({*self._names, *self._durable_names}):
            sides = [self._names, self._durable_names]
            names = self.chance.choice(sides)
            if path not in names or not (path.parent in after._names or self._is_top(path)):
                continue
            inode = names[path]
            if inode is not None:
                inode.settle(self.chance)
                inode = _Inode(bytearray(inode.durable), bytearray(inode.durable))
            after._names[path] = after._durable_names[path] = inode
        return after

    def flip(self, path: Path, bit: int) -> None:
        """Let a bit rot."""
        inode = self._file(path)
        inode.seen[bit // 8] ^= 1 << (bit % 8)
        inode.durable[bit // 8] ^= 1 << (bit % 8)

    def files(self) -> Sequence[Path]:
        """Every file."""
        return sorted(path for path, inode in self._names.items() if inode is not None)

    # --- FileSystem -------------------------------------------------------------------------------

    def create(self, path: Path) -> "_SimulatedFile":
        self.call()
        if path in self._names:
            raise FileExistsError(errno.EEXIST, "exists")
        if not self.is_folder(path.parent):
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        inode = self._names[path] = _Inode()
        return _SimulatedFile(self, inode)

    def append(self, path: Path) -> "_SimulatedFile":
        self._alive()
        return _SimulatedFile(self, self._file(path))

    def read(self, path: Path, limit: int = -1) -> bytes:
        self._alive()
        content = bytes(self._file(path).seen)
        return content if limit < 0 else content[:limit]

    def size(self, path: Path) -> int:
        self._alive()
        return len(self._file(path).seen)

    def names(self, folder: Path) -> Sequence[str]:
        self._alive()
        return [path.name for path in self._names if path.parent == folder]

    def is_folder(self, path: Path) -> bool:
        self._alive()
        return self._is_top(path / "x") or self._names.get(path, _NOTHING) is None

    def make_folder(self, folder: Path) -> None:
        if self.is_folder(folder):
            return
        self.make_folder(folder.parent)
        self.call()
        self._names[folder] = None

    def unlink(self, path: Path) -> None:
        self._file(path)
        self.call()
        del self._names[path]

    def rename(self, path: Path, target: Path) -> None:
        inode = self._file(path)
        self.call()
        del self._names[path]
        self._names[target] = inode

    def remove_folder(self, folder: Path) -> None:
        self.call()
        if self.names(folder):
            raise OSError(errno.ENOTEMPTY, "not empty")
        del self._names[folder]

    def sync_folder(self, folder: Path) -> None:
        if not self.is_folder(folder):
            raise FileNotFoundError(errno.ENOENT, "no such folder")
        self.call()
        for path in {*self._names, *self._durable_names}:
            if path.parent == folder:
                if path in self._names:
                    self._durable_names[path] = self._names[path]
                else:
                    del self._durable_names[path]

    # --- shared with files ------------------------------------------------------------------------

    def call(self) -> Fault | None:
        """Count a changing call; fail it as planned ("short" is for the caller to do)."""
        self._alive()
        fault = self.faults.get(self.calls)
        self.calls += 1
        if fault == "power":
            self._off = True
            raise PowerCut
        if fault == "eio":
            raise OSError(errno.EIO, "simulated")
        if fault == "enospc":
            raise OSError(errno.ENOSPC, "simulated")
        return fault

    @property
    def room(self) -> int | None:
        """Bytes left; None = no end."""
        if self.capacity is None:
            return None
        used = sum(len(inode.seen) for inode in self._names.values() if inode is not None)
        return max(0, self.capacity - used)

    def _alive(self) -> None:
        if self._off:
            raise PowerCut

    def _file(self, path: Path) -> _Inode:
        inode = self._names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        return inode

    def _is_top(self, path: Path) -> bool:
        return path.parent == Path("/")


_NOTHING = _Inode()


class _SimulatedFile:
    def __init__(self, disk: SimulatedDisk, inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._closed = False
        disk.open_files += 1

    def write(self, octets: bytes | memoryview) -> int:
        inode, disk = self._inode, self._disk
        room = disk.room
        count = len(octets) if room is None else min(room, len(octets))
        part = disk.chance.randint(0, count)
        try:
            fault = disk.call()
        except (OSError, PowerCut):  # some of it may have gone in
            inode.change(_Change(len(inode.seen), bytes(octets[:part])))
            raise
        if not count and octets:
            raise OSError(errno.ENOSPC, "simulated")
        if fault == "short":
            count = max(1, part)
        inode.change(_Change(len(inode.seen), bytes(octets[:count])))
        return count

    def sync(self) -> None:
        try:
            self._disk.call()
        except OSError:
            self._inode.settle(self._disk.chance)  # forgotten pages: never written again
            raise
        for change in self._inode.pending:
            change.apply(self._inode.durable)
        self._inode.pending.clear()

    def truncate(self, size: int) -> None:
        self._disk.call()
        self._inode.change(_Change(size, None))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._disk.open_files -= 1
