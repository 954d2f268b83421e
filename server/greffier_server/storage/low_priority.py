"""Threads for work that can wait: they run when nothing else wants the processor."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

__all__ = ["patient_thread"]

_LOWEST_PRIORITY = 19


def patient_thread(name: str) -> ThreadPoolExecutor:
    """Return an executor with one thread at the lowest priority; shut it down."""
    return ThreadPoolExecutor(1, name, initializer=_give_way)


def _give_way() -> None:
    """Let this thread run when nothing else wants the processor (Linux: a thread has its own)."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
