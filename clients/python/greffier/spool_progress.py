"""How far a kept recording is, beside its audio; a crash leaves the old note or the new one."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from greffier.errors import SpoolUnusable
from greffier.plain import PlainError, from_plain, to_plain
from greffier.protocol import Start
from greffier.spool_seal import SpoolSeal, SpoolSecret

__all__ = ["STATE", "Progress", "read_progress", "sync_folder", "take_lock", "write_progress"]

STATE: Final = "recording.json"
_LOCK: Final = "lock"
_SEALED: Final = "sealed"
"""Field of an encrypted note that holds it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a later process must know to go on; samples are on the recording's own clock."""

    server: str
    """Address it is sent to."""
    start: Start
    created_at: str
    """ISO 8601."""
    session: str = ""
    """Of the server; empty before it was reached."""
    token: str = ""
    """Resumes that session."""
    base_sample: int = 0
    """Where that session begins: later than 0 when it continues another."""
    part: int = 1
    acknowledged: int = 0
    end_sample: int | None = None
    """None: the recording goes on, or its process was killed."""
    finish_sent: bool = False
    earlier: tuple[str, ...] = ()
    """Sessions of the parts before."""


def read_progress(
    folder: Path, secret: SpoolSecret | None = None
) -> tuple[Progress, SpoolSeal | None]:
    """Read how far the recording in `folder` is, and how it is encrypted (None: it is not).

    Raises:
        SpoolUnusable: the note is damaged, or encrypted, and `secret` does not open it.
        ExtraMissing: it is encrypted, and `cryptography` is not installed.
        OSError: it cannot be read.
    """
    text = (folder / STATE).read_text(encoding="utf-8")
    seal: SpoolSeal | None = None
    try:
        value: object = json.loads(text)
        note = _note(value)
        if _SEALED in note:
            seal, opened = _opened(note, secret)
            value = json.loads(opened)
        return from_plain(Progress, value), seal
    except (PlainError, ValueError) as error:
        raise SpoolUnusable(f"{folder / STATE} cannot be read") from error


def _note(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _opened(value: dict[str, Any], secret: SpoolSecret | None) -> tuple[SpoolSeal, bytes]:
    if secret is None:
        raise SpoolUnusable("the recording is encrypted: give its key (--spool-key) or passphrase")
    seal = secret.seal_of(value)
    return seal, seal.open_note(value[_SEALED])


def write_progress(folder: Path, progress: Progress, seal: SpoolSeal | None = None) -> None:
    """Note how far the recording in `folder` is, durably; only its owner may read it.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(to_plain(progress), ensure_ascii=False, indent=1)
    if seal is not None:
        text = json.dumps({**seal.head, _SEALED: seal.seal_note(text.encode())}, indent=1)
    new = folder / f"{STATE}.new"
    with open(new, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / STATE)
    sync_folder(folder)


def take_lock(folder: Path) -> BinaryIO:
    """Hold a recording until the file is closed, or this process ends however it ends.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be written.
    """
    file = (folder / _LOCK).open("a+b")
    try:
        _lock(file)
    except BaseException:
        file.close()
        raise
    return file


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in `folder` (Windows does so by itself).

    Raises:
        OSError: it does not.
    """
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
