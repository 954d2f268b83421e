"""Checksums of weights outside the catalogue, kept: reading gigabytes at each start is slow."""

import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, cast

from greffier_models.catalog.partial import digest_of
from greffier_models.errors import WeightsCorrupt

__all__ = ["cached_digest"]

logger = logging.getLogger(__name__)

_CACHE = ".digests.json"


def cached_digest(path: Path, models_dir: Path) -> str:
    """Return the SHA-256 of `path`, known anew only if its size or time of change differ.

    A cache that cannot be read or written costs time, never an error.

    Raises:
        WeightsCorrupt: the file cannot be read.
    """
    path = path.resolve()
    status = path.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    cache = models_dir / _CACHE
    known = _read(cache)
    match known.get(str(path)):
        case [int(size), int(changed), str(digest)] if [size, changed] == stamp:
            return digest
        case _:
            pass
    try:
        digest = digest_of(path)
    except OSError as error:
        raise WeightsCorrupt(f"{path} cannot be read") from error
    _write(cache, {**known, str(path): [*stamp, digest]})
    return digest


def _read(cache: Path) -> dict[str, Any]:
    try:
        value = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _write(cache: Path, known: dict[str, Any]) -> None:
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache.parent, prefix=_CACHE)
    except OSError:
        logger.debug("checksums are not kept: %s is not writable", cache.parent)
        return
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(known, stream)
        temporary.replace(cache)
    except OSError:
        logger.debug("checksums are not kept in %s", cache.parent)
        with contextlib.suppress(OSError):
            temporary.unlink()
