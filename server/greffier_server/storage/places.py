"""Where a session's segments lie, under which names, and how they go away."""

import re
from dataclasses import dataclass
from pathlib import Path

from greffier_server.errors import BadRequest
from greffier_server.storage.filesystem import FileSystem

__all__ = ["PACKED", "RECORDED", "ClosedPart", "folder_of", "remove_audio", "segment_files"]

RECORDED, PACKED = ".gja", ".gjc"
"""Forms of a segment: as it was written, and packed after it was closed."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"(\d{6})\.(gja|gjc)")


def folder_of(root: Path, tenant: str, session: str) -> Path:
    """Return where a session's audio lies.

    Raises:
        BadRequest: a name that could lead elsewhere.
    """
    if not (_NAME.fullmatch(tenant) and _NAME.fullmatch(session)):
        raise BadRequest("Names of tenants and sessions are 1 to 64 letters, digits, _ and -.")
    return root / tenant / session


def segment_files(files: FileSystem, folder: Path) -> list[tuple[int, Path]]:
    """Return the segments of a folder by number: of two forms of one, that which was recorded."""
    found: dict[int, Path] = {}
    for name in sorted(files.names(folder), reverse=True):  # .gja after .gjc
        match = _FILE.fullmatch(name)
        if match is not None:
            found[int(match.group(1))] = folder / name
    return sorted(found.items())


def remove_audio(files: FileSystem, folder: Path) -> None:
    """Take a session's files away, of every form and finished or not; nothing where none are.

    Raises:
        OSError: some are left; do it again.
    """
    names = files.names(folder)
    for name in names:
        files.unlink(folder / name)
    if names:
        files.sync_folder(folder)
    if files.is_folder(folder):
        files.remove_folder(folder)
        files.sync_folder(folder.parent)


@dataclass(frozen=True, slots=True)
class ClosedPart:
    """A segment that takes nothing more."""

    number: int
    path: Path
    """As it was recorded."""
    first_byte: int
    end_byte: int
    seals: bool
    """It is the last one of a complete session."""
