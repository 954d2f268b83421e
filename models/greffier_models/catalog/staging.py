"""A model being fetched: its partial files in one hidden folder, and how far they have come."""

import os
import shutil
from pathlib import Path

from greffier_models.catalog.entry import Entry, WeightFile
from greffier_models.catalog.partial import PartialFile
from greffier_models.catalog.progress import Progress, ProgressListener, Stage
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import StorageFailed

__all__ = ["PARTIAL_DIR", "Staging", "install"]

PARTIAL_DIR = ".partial"
"""Folder in the models directory for what is not whole yet."""

_SPARE_BYTES = 64 << 20


class Staging:
    """The folder where the files of one model are put together.

    Its name holds the checksum of the contents, so that what an earlier run left is continued only
    if it belongs to the same files.
    """

    def __init__(
        self, entry: Entry, models_dir: Path, *, progress: ProgressListener, stage: Stage
    ) -> None:
        self.entry = entry
        # An import that fails must not cost a download that is half done.
        own = ".import" if stage == "importing" else ""
        self.folder = models_dir / PARTIAL_DIR / f"{entry.name}@{entry.fingerprint[:12]}{own}"
        self.files = {file.name: PartialFile(self.folder, file) for file in entry.files}
        self._progress = progress
        self._stage: Stage = stage
        self._highest = 0

    def open(self) -> None:
        """Create the folder.

        Raises:
            StorageFailed: it cannot be created.
        """
        with storage_trouble(self.folder.parent.parent):
            self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def present(self) -> int:
        """Bytes already here."""
        return sum(partial.length for partial in self.files.values())

    @property
    def missing(self) -> tuple[PartialFile, ...]:
        """The files that are not whole and checked."""
        return tuple(partial for partial in self.files.values() if not partial.done)

    def partial(self, file: WeightFile | str) -> PartialFile:
        """Return the assembly of one file."""
        return self.files[file if isinstance(file, str) else file.name]

    def need_space(self, extra: int = 0) -> None:
        """Check that the disk holds what is missing, and `extra` bytes beside it.

        Raises:
            StorageFailed: it does not.
        """
        need = self.entry.size - self.present + extra + _SPARE_BYTES
        with storage_trouble(self.folder):
            free = shutil.disk_usage(self.folder).free
        if free < need:
            raise StorageFailed(
                f"{self.entry.name} needs {need / 1e6:,.0f} MB more in {self.folder.parent.parent},"
                f" {free / 1e6:,.0f} MB are free: make room, or name another with --models-dir"
            )

    def report(self, detail: str, ahead: int = 0) -> None:
        """Tell the listener; `ahead` counts bytes fetched but not yet in their file."""
        done = min(self.present + ahead, self.entry.size)
        self._highest = max(self._highest, done)
        self._progress(
            Progress(self.entry.name, self._stage, self._highest, self.entry.size, detail)
        )

    def remove(self) -> None:
        """Throw the folder away."""
        shutil.rmtree(self.folder, ignore_errors=True)


def install(folder: Path, target: Path) -> None:
    """Give a whole model its place in one step, instead of what may have been there.

    Raises:
        StorageFailed: the place is not writable.
    """
    with storage_trouble(target.parent):
        replaced = folder.with_name(f"{folder.name}.replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        if target.exists():
            target.replace(replaced)
        folder.replace(target)
        _sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder durable where the system can (POSIX)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
