"""How glibc keeps free memory: by default eight heaps a core, each holding back its own scraps.

Windows of many lengths leave a heap full of holes. Nothing leaks, and yet the process grows for
hours, by as much again as it needs; giving the holes back from time to time ends that.
"""

import ctypes
import os
import platform
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["give_back", "giving_back", "limit_heaps", "resident_bytes"]

_M_ARENA_MAX = -8
"""From glibc's malloc.h; mallopt(3)."""
_HEAPS = 2
_EVERY_S = 5.0
_WORTH_BYTES = 8_000_000
"""Grown by less since it was least, memory is left alone: giving it back costs milliseconds."""


def limit_heaps() -> bool:
    """Let the threads of this process share two heaps; call it before there are any.

    A choice of the user's (``MALLOC_ARENA_MAX``) stands. Elsewhere than on glibc nothing is done.

    Returns:
        Whether it was done.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    return bool(_call("mallopt", (ctypes.c_int, ctypes.c_int), _M_ARENA_MAX, _HEAPS))


def give_back() -> bool:
    """Return free pages to the system, those between used ones too (malloc_trim(3)).

    Takes milliseconds, in which other threads wait to allocate. Elsewhere than on glibc nothing is
    done.

    Returns:
        Whether anything was returned.
    """
    return bool(_call("malloc_trim", (ctypes.c_size_t,), 0))


def resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not say (proc(5))."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def giving_back(every_s: float = _EVERY_S) -> Generator[None, None, None]:
    """Look every `every_s` seconds, in a thread, and return free pages when there are many."""
    ended = threading.Event()

    def work() -> None:
        floor = 0
        while not ended.wait(every_s):
            now = resident_bytes()
            if now - floor >= _WORTH_BYTES:
                give_back()
                floor = resident_bytes()
            floor = min(floor, now)

    thread = threading.Thread(target=work, name="give-back-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _call(
    name: str, kinds: "Sequence[type[ctypes.c_int | ctypes.c_size_t]]", *arguments: int
) -> int:
    """Call a function of glibc; 0 where there is none of that name."""
    if platform.libc_ver()[0] != "glibc":
        return 0
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # another allocator was put before it
        return 0
    function.argtypes = kinds
    function.restype = ctypes.c_int
    return int(function(*arguments))
