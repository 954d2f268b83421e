"""Errors of the file system, said in the words of the engines' errors."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from greffier_models.errors import StorageFailed

__all__ = ["storage_trouble"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def storage_trouble(place: Path) -> Generator[None, None, None]:
    """Turn an `OSError` raised while working at `place` into a `StorageFailed`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            message = f"no space left for weights in {place}: free some, then run it again"
        elif error.errno in _FORBIDDEN:
            message = f"{place} is not writable: give access, or name another with --models-dir"
        else:
            message = f"cannot work in {place}: {error.strerror or type(error).__name__}"
        raise StorageFailed(message) from error
