"""How glibc keeps free memory: by default eight heaps a core, each holding back its own scraps."""

import ctypes
import os
import platform

__all__ = ["limit_heaps"]

_M_ARENA_MAX = -8
"""From glibc's malloc.h; mallopt(3)."""
_HEAPS = 2


def limit_heaps() -> bool:
    """Let the threads of this process share two heaps; call it before there are any.

    A choice of the user's (``MALLOC_ARENA_MAX``) stands. Elsewhere than on glibc nothing is done.

    Returns:
        Whether it was done.
    """
    if platform.libc_ver()[0] != "glibc" or "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another allocator was put before it
        return False
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    mallopt.restype = ctypes.c_int
    return bool(mallopt(_M_ARENA_MAX, _HEAPS))
