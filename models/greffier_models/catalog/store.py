"""The models directory: what is installed, where, whether it is intact, and how it is removed."""

import difflib
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from greffier_models.catalog.digests import cached_digest
from greffier_models.catalog.entries import CATALOG
from greffier_models.catalog.entry import Entry
from greffier_models.catalog.lock import model_lock
from greffier_models.catalog.manifest import Manifest, read_manifest, safe_name
from greffier_models.catalog.partial import digest_of
from greffier_models.catalog.progress import Progress, ProgressListener, silent
from greffier_models.catalog.staging import PARTIAL_DIR
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import UnknownModel, WeightsCorrupt, WeightsMissing

__all__ = [
    "InstalledModel",
    "damaged",
    "default_models_dir",
    "find_entry",
    "installed_models",
    "locate",
    "remove",
    "verify",
]

logger = logging.getLogger(__name__)

_MAIN_OF_FOLDER = "model.bin"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """Weights that an engine can open."""

    name: str
    """Catalogue name, or the last part of the path."""
    path: Path
    """The folder of a CTranslate2 model, the file of a GGUF."""
    digest: str
    """SHA-256 of the main weights, hexadecimal."""
    engine: str
    """``whisper-ct2``, ``gguf`` or ``campplus``."""
    entry: Entry | None = None
    """None for weights that are not in the catalogue."""


def default_models_dir() -> Path:
    """Return ``GREFFIER_MODELS_DIR`` or the place of user data on this system.

    The latter by the XDG Base Directory Specification 0.8 on Linux.
    """
    if chosen := os.environ.get("GREFFIER_MODELS_DIR"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        # The specification says that a relative path is to be ignored.
        base = Path(os.environ.get("XDG_DATA_HOME", ""))
        if not base.is_absolute():
            base = Path.home() / ".local" / "share"
    return base / "greffier" / "models"


def find_entry(name: str) -> Entry:
    """Return a catalogue entry by name.

    Raises:
        UnknownModel: there is none.
    """
    try:
        return CATALOG[name]
    except KeyError:
        close = difflib.get_close_matches(name, CATALOG, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise UnknownModel(
            f"no model is called {name!r}: {hint}`greffier models list` shows them all"
        ) from None


def locate(name_or_path: str | Path, models_dir: Path | None = None) -> InstalledModel:
    """Find weights on this machine; sizes are checked, checksums are not (see `verify`).

    Args:
        name_or_path: a name, the folder of a CTranslate2 model, or a ``.gguf`` file.
        models_dir: where models are installed; None = `default_models_dir`.

    Raises:
        WeightsMissing: it is not installed; the message has the command that does it.
        WeightsCorrupt: it is installed, but damaged.
        UnknownModel: neither a path nor a name of the catalogue.
    """
    models_dir = models_dir or default_models_dir()
    name = str(name_or_path)
    if isinstance(name_or_path, str) and safe_name(name):
        if manifest := read_manifest(models_dir / name):
            return _checked(manifest, models_dir / name)
        if name in CATALOG:
            raise WeightsMissing(
                f"{name} is not on this machine: run `greffier models pull {name}`"
                f" (looked in {models_dir})"
            )
    path = Path(name_or_path).expanduser()
    if path.exists():
        return _at_path(path, models_dir)
    if isinstance(name_or_path, Path) or os.sep in name or name.endswith(".gguf"):
        raise WeightsMissing(f"there are no weights at {path}")
    find_entry(name)
    raise WeightsMissing(f"{name} is not on this machine: run `greffier models pull {name}`")


def installed_models(models_dir: Path) -> dict[str, Manifest | None]:
    """Return what is installed by name, None where the manifest is damaged."""
    found: dict[str, Manifest | None] = {}
    if not models_dir.is_dir():
        return found
    for folder in sorted(models_dir.iterdir()):
        if not folder.is_dir() or not safe_name(folder.name):
            continue
        try:
            if manifest := read_manifest(folder):
                found[folder.name] = manifest
        except WeightsCorrupt:
            found[folder.name] = None
    return found


def verify(
    name: str, models_dir: Path | None = None, *, progress: ProgressListener = silent
) -> InstalledModel:
    """Read every file of an installed model and compare its checksum.

    Raises:
        WeightsMissing: it is not installed.
        WeightsCorrupt: a file is missing or differs; the message has the command that mends it.
        UnknownModel: neither installed nor in the catalogue.
    """
    models_dir = models_dir or default_models_dir()
    if not safe_name(name):
        find_entry(name)
    model = locate(name, models_dir)
    manifest = read_manifest(models_dir / name)
    if manifest is None:
        raise WeightsMissing(f"{name} is not on this machine: run `greffier models pull {name}`")
    done = 0
    for file in manifest.files:

        def advance(count: int, file_name: str = file.name) -> None:
            nonlocal done
            done += count
            progress(Progress(name, "verifying", done, manifest.size, file_name))

        if digest_of(models_dir / name / file.name, advance) != file.sha256:
            raise damaged(name, f"{file.name} differs from its checksum")
    return model


def remove(name: str, models_dir: Path | None = None) -> int:
    """Remove a model, and what an interrupted download of it left; return the bytes freed.

    Raises:
        WeightsMissing: there is nothing to remove.
        WeightsBusy: another process is at work on it.
        StorageFailed: the models directory is not writable.
    """
    models_dir = models_dir or default_models_dir()
    if not safe_name(name):
        find_entry(name)
    folders = _folders_of(name, models_dir)
    if not folders:
        find_entry(name)
        raise WeightsMissing(f"{name} is not on this machine: nothing to remove")
    with model_lock(name, models_dir, wait_s=0), storage_trouble(models_dir):
        freed = 0
        for folder in _folders_of(name, models_dir):
            freed += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            # Out of sight first, so that a half-removed model is never seen as installed.
            hidden = models_dir / PARTIAL_DIR / f"{name}.removed"
            shutil.rmtree(hidden, ignore_errors=True)
            folder.replace(hidden)
            shutil.rmtree(hidden)
    return freed


def _folders_of(name: str, models_dir: Path) -> list[Path]:
    folders = list((models_dir / PARTIAL_DIR).glob(f"{name}@*"))
    if (models_dir / name).is_dir():
        folders.append(models_dir / name)
    return folders


def damaged(name: str, reason: str) -> WeightsCorrupt:
    """Return the error that says how to mend an installed model."""
    return WeightsCorrupt(
        f"{name} is damaged ({reason}): run `greffier models rm {name}`,"
        f" then `greffier models pull {name}`"
    )


def _checked(manifest: Manifest, folder: Path) -> InstalledModel:
    for file in manifest.files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            raise damaged(manifest.name, f"{file.name} is missing or has another size")
    single = manifest.engine in ("gguf", "campplus")
    return InstalledModel(
        name=manifest.name,
        path=folder / manifest.files[0].name if single else folder,
        digest=manifest.digest,
        engine=manifest.engine,
        entry=_entry_of(manifest),
    )


def _entry_of(manifest: Manifest) -> Entry | None:
    entry = CATALOG.get(manifest.name)
    return entry if entry is not None and entry.files == manifest.files else None


def _at_path(path: Path, models_dir: Path) -> InstalledModel:
    folder = path if path.is_dir() else path.parent
    if (manifest := read_manifest(folder)) and (path.is_dir() or path.suffix == ".gguf"):
        return _checked(manifest, folder)
    if path.is_dir():
        main, engine = path / _MAIN_OF_FOLDER, "whisper-ct2"
    else:
        main, engine = path, "gguf"
    if not main.is_file() or (engine == "gguf" and path.suffix != ".gguf"):
        raise WeightsMissing(
            f"{path} holds no weights: name a folder with {_MAIN_OF_FOLDER} (CTranslate2)"
            " or a .gguf file"
        )
    return InstalledModel(
        name=path.resolve().name, path=path, digest=cached_digest(main, models_dir), engine=engine
    )
