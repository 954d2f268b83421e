"""``manifest.json``: what lies in an installed model's folder, and where it came from."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from greffier_models.catalog.entry import Entry, WeightFile
from greffier_models.errors import WeightsCorrupt

__all__ = ["MANIFEST", "Manifest", "read_manifest", "safe_name"]

MANIFEST = "manifest.json"

_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def safe_name(name: str) -> bool:
    """Whether `name` can be a file's or model's name: one path component, nothing hidden."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """An installed model."""

    name: str
    engine: str
    task: str
    revision: str
    licence: str
    languages: tuple[str, ...]
    files: tuple[WeightFile, ...]
    """The first is the main one."""
    source: str
    """``folder``, ``hub``, ``index`` or ``bundle``."""
    installed_at: str
    """UTC, ISO 8601."""

    @classmethod
    def of(cls, entry: Entry, *, source: str, installed_at: str) -> "Manifest":
        """Describe a catalogue entry as installed."""
        return cls(
            name=entry.name,
            engine=entry.engine,
            task=entry.task,
            revision=entry.revision,
            licence=entry.licence,
            languages=entry.languages,
            files=entry.files,
            source=source,
            installed_at=installed_at,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the main weights."""
        return self.files[0].sha256

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    def to_plain(self) -> dict[str, Any]:
        """Return what is written as JSON."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def from_plain(cls, value: object) -> "Manifest":
        """Check and take what JSON gave.

        Raises:
            WeightsCorrupt: it is not a manifest, or names a file outside its folder.
        """
        if not isinstance(value, dict):
            raise WeightsCorrupt("the manifest is not an object")
        plain = cast("dict[str, Any]", value)
        if plain.get("format") != _FORMAT:
            raise WeightsCorrupt("the manifest is of another format: use a newer greffier")
        try:
            manifest = cls(
                **{key: str(plain[key]) for key in _TEXTS},
                languages=tuple(str(code) for code in plain["languages"]),
                files=tuple(
                    WeightFile(str(file["name"]), int(file["size"]), str(file["sha256"]))
                    for file in plain["files"]
                ),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsCorrupt("the manifest lacks a field or has a wrong one") from error
        manifest._check()
        return manifest

    def _check(self) -> None:
        names = [file.name for file in self.files]
        if not names or len(set(names)) != len(names) or MANIFEST in names:
            raise WeightsCorrupt("the manifest lists no files, or one of them twice")
        if not all(map(safe_name, [self.name, *names])):
            raise WeightsCorrupt("the manifest names a file outside the model's folder")
        for file in self.files:
            if file.size < 0 or not _SHA256.fullmatch(file.sha256):
                raise WeightsCorrupt("the manifest has a wrong size or checksum")


_TEXTS = ("name", "engine", "task", "revision", "licence", "source", "installed_at")


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a model's folder, None if there is none.

    Raises:
        WeightsCorrupt: it cannot be read.
    """
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsCorrupt(f"{path} cannot be read") from error
    try:
        return Manifest.from_plain(json.loads(text))
    except (ValueError, WeightsCorrupt) as error:
        raise WeightsCorrupt(f"{path} is damaged: {error}") from error
