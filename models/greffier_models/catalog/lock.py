"""One process at a time works on a model; the lock is freed by the system if its owner dies."""

import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from greffier_models.catalog.staging import PARTIAL_DIR
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import WeightsBusy

__all__ = ["model_lock"]

_POLL_S = 0.25


@contextmanager
def model_lock(
    name: str, models_dir: Path, *, wait_s: float, on_wait: Callable[[], None] = lambda: None
) -> Generator[None, None, None]:
    """Hold the lock of a model within a block.

    Args:
        name: the model.
        models_dir: where it lives.
        wait_s: seconds to wait for another process; 0 = do not.
        on_wait: called once if there is another.

    Raises:
        WeightsBusy: another process still holds it.
        StorageFailed: the models directory is not writable.
    """
    folder = models_dir / PARTIAL_DIR
    with storage_trouble(models_dir):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        told = False
        while not _try_lock(handle):
            if time.monotonic() >= deadline:
                raise WeightsBusy(f"another process is at work on {name}: try again later")
            if not told:
                on_wait()
                told = True
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
