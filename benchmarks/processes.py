"""What a server and its child processes use: processor time, memory, files, threads."""

from dataclasses import dataclass

import psutil

__all__ = ["Usage", "resident_mb", "usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """A process and its children together; a difference of two is what lies between."""

    cpu_s: float
    memory_mb: float
    """Shared pages counted once (PSS)."""
    resident_mb: float
    open_files: int
    threads: int

    def __sub__(self, before: "Usage") -> "Usage":
        """What came in addition since `before`."""
        return Usage(
            self.cpu_s - before.cpu_s,
            self.memory_mb - before.memory_mb,
            self.resident_mb - before.resident_mb,
            self.open_files - before.open_files,
            self.threads - before.threads,
        )


def usage(pid: int) -> Usage:
    """Look at a process and its children now.

    Raises:
        psutil.NoSuchProcess: the process itself is gone.
    """
    process = psutil.Process(pid)
    cpu_s = memory = resident = 0.0
    files = threads = 0
    for part in (process, *process.children(recursive=True)):
        try:
            times = part.cpu_times()
            full = part.memory_full_info()
            files += part.num_fds()
            threads += part.num_threads()
        except psutil.NoSuchProcess:
            if part.pid == pid:
                raise
            continue  # it ended between the list and the look
        # Of children that ended, the parent holds the time they used.
        cpu_s += times.user + times.system + times.children_user + times.children_system
        memory += full.pss
        resident += full.rss
    return Usage(cpu_s, memory / 1e6, resident / 1e6, files, threads)


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process now, and that of its children together.

    Raises:
        psutil.NoSuchProcess: the process itself is gone.
    """
    process = psutil.Process(pid)
    children = 0
    for child in process.children(recursive=True):
        try:
            children += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it ended between the list and the look
    return process.memory_info().rss / 1e6, children / 1e6
