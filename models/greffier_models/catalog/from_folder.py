"""Weights copied from a directory of the site."""

from pathlib import Path

from greffier_models.catalog.entry import LocalFolder, WeightFile
from greffier_models.catalog.partial import PartialFile, chunks_of
from greffier_models.catalog.staging import Staging
from greffier_models.errors import SourceFailed

__all__ = ["fetch_from_folder"]


def fetch_from_folder(source: LocalFolder, staging: Staging) -> None:
    """Copy what is missing.

    Raises:
        SourceFailed: a file is not there.
        WeightsCorrupt: a file is not the published one.
        StorageFailed: the models directory is full or not writable.
    """
    found = [(partial, _find(source.path, staging, partial.file)) for partial in staging.missing]
    staging.need_space()
    for partial, path in found:
        _copy(path, partial, staging)


def _find(folder: Path, staging: Staging, file: WeightFile) -> Path:
    candidates = (folder / staging.entry.name / file.name, folder / file.name)
    for path in candidates:
        if path.is_file() and path.stat().st_size == file.size:
            return path
    raise SourceFailed(f"{folder} has no {staging.entry.name}/{file.name} of {file.size} bytes")


def _copy(path: Path, partial: PartialFile, staging: Staging) -> None:
    chunks = chunks_of(path)
    with partial.appending(0) as write:
        while True:
            try:
                chunk = next(chunks, None)
            except OSError as error:
                raise SourceFailed(f"{path} cannot be read") from error
            if chunk is None:
                break
            write(chunk)
            staging.report(partial.file.name)
    partial.finish()
