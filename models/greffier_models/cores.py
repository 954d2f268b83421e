"""How many processor cores this process may use: affinity and container quotas counted in."""

import os
from pathlib import Path

__all__ = ["usable_cores"]

_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")
"""cgroup v2: quota and period in microseconds, or ``max`` (kernel's ``cgroup-v2.rst``)."""


def usable_cores(quota_file: Path = _QUOTA_FILE) -> int:
    """Return the cores that are this process's to use, at least 1."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        count = os.cpu_count() or 1
    return max(1, min(count, _quota(quota_file) or count))


def _quota(quota_file: Path) -> int | None:
    """Whole cores of a container's quota, rounded up; None without one."""
    try:
        quota, period = quota_file.read_text("ascii").split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
