"""One archive with several models, for a site without a network; read back only if it is intact.

A plain tar. The first member is ``greffier-bundle.json``, the manifests of the models; then come
``NAME/FILE`` members, each of them listed there with size and SHA-256. Nothing else is accepted.
"""

import contextlib
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast, get_args

from greffier_models.catalog.entries import CATALOG
from greffier_models.catalog.entry import Engine, Entry, Task
from greffier_models.catalog.lock import model_lock
from greffier_models.catalog.manifest import Manifest, read_manifest, safe_name
from greffier_models.catalog.partial import CHUNK_BYTES
from greffier_models.catalog.progress import Progress, ProgressListener, silent
from greffier_models.catalog.pull import place
from greffier_models.catalog.staging import Staging
from greffier_models.catalog.store import (
    InstalledModel,
    damaged,
    default_models_dir,
    find_entry,
    locate,
)
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import StorageFailed, WeightsCorrupt, WeightsMissing

__all__ = ["bundle", "import_bundle"]

_INDEX = "greffier-bundle.json"
_FORMAT = 1
_INDEX_LIMIT_BYTES = 1 << 20


def bundle(
    names: Sequence[str],
    output: Path,
    models_dir: Path | None = None,
    *,
    progress: ProgressListener = silent,
) -> str:
    """Write installed models into one archive; return the archive's SHA-256.

    Every file is compared with its checksum on the way. The archive takes its name only when whole.

    Raises:
        WeightsMissing: a model is not installed.
        WeightsCorrupt: a file of it differs from its checksum.
        UnknownModel: no such name.
        StorageFailed: the archive cannot be written.
    """
    models_dir = models_dir or default_models_dir()
    manifests = [_manifest_of(name, models_dir) for name in dict.fromkeys(names)]
    unfinished = output.with_name(f"{output.name}.partial")
    try:
        with storage_trouble(output.parent), unfinished.open("wb") as raw:
            stream = _HashedWriter(raw)
            # GNU format: sizes above 8 GB without extra headers, and read by every tar.
            with tarfile.open(
                mode="w|", fileobj=cast("BinaryIO", stream), format=tarfile.GNU_FORMAT
            ) as tar:
                _add_index(tar, manifests)
                for manifest in manifests:
                    _add_files(tar, manifest, models_dir, progress)
        with storage_trouble(output.parent):
            unfinished.replace(output)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    return stream.hexdigest()


def import_bundle(
    path: Path,
    models_dir: Path | None = None,
    *,
    progress: ProgressListener = silent,
    sha256: str | None = None,
    wait_s: float = 0.0,
) -> tuple[InstalledModel, ...]:
    """Install every model of an archive; none of them unless the whole archive is intact.

    Args:
        path: the archive.
        models_dir: where to install; None = `default_models_dir`.
        progress: told how far it is.
        sha256: checksum the archive must have; None = not compared.
        wait_s: seconds to wait for another process that is at work on one of the models.

    Raises:
        WeightsMissing: there is no such archive.
        WeightsCorrupt: it is damaged, is no bundle, or holds other contents than the catalogue's
            under a name of the catalogue.
        StorageFailed: the models directory is full or not writable.
        WeightsBusy: another process is at work on one of the models.
    """
    models_dir = models_dir or default_models_dir()
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise WeightsMissing(f"the bundle {path} cannot be opened") from error
        reader = _HashedReader(raw)
        stagings: list[tuple[Staging, Manifest]] = []
        stack.callback(_clear, stagings)
        with _damage_of(path):
            tar = stack.enter_context(tarfile.open(mode="r|", fileobj=cast("BinaryIO", reader)))
            for manifest in _read_index(tar):
                stack.enter_context(model_lock(manifest.name, models_dir, wait_s=wait_s))
                staging = Staging(
                    _entry_of(manifest), models_dir, progress=progress, stage="importing"
                )
                staging.remove()
                staging.open()
                stagings.append((staging, manifest))
            _need_space([staging for staging, _ in stagings], models_dir)
            _unpack(tar, {staging.entry.name: staging for staging, _ in stagings})
        if sha256 is not None and reader.hexdigest() != sha256.lower():
            raise WeightsCorrupt(f"{path} is not the bundle with SHA-256 {sha256}")
        for staging, _ in stagings:
            place(staging, models_dir, source="bundle")
        return tuple(locate(staging.entry.name, models_dir) for staging, _ in stagings)


def _manifest_of(name: str, models_dir: Path) -> Manifest:
    if not safe_name(name):
        find_entry(name)
    locate(name, models_dir)
    manifest = read_manifest(models_dir / name)
    if manifest is None:
        raise WeightsMissing(f"{name} is not in {models_dir}: only installed models are bundled")
    return manifest


def _add_index(tar: tarfile.TarFile, manifests: list[Manifest]) -> None:
    plain = {"format": _FORMAT, "models": [manifest.to_plain() for manifest in manifests]}
    content = json.dumps(plain, indent=2).encode()
    tar.addfile(_header(_INDEX, len(content)), io.BytesIO(content))


def _header(name: str, size: int) -> tarfile.TarInfo:
    """Return a header that says nothing of who made the archive, nor when."""
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o644
    return header


def _add_files(
    tar: tarfile.TarFile, manifest: Manifest, models_dir: Path, progress: ProgressListener
) -> None:
    done = 0
    for file in manifest.files:

        def advance(count: int, name: str = file.name) -> None:
            nonlocal done
            done += count
            progress(Progress(manifest.name, "bundling", done, manifest.size, name))

        with (models_dir / manifest.name / file.name).open("rb") as raw:
            stream = _HashedReader(raw, advance)
            tar.addfile(
                _header(f"{manifest.name}/{file.name}", file.size), cast("BinaryIO", stream)
            )
            if stream.hexdigest() != file.sha256:
                raise damaged(manifest.name, f"{file.name} differs from its checksum")


def _read_index(tar: tarfile.TarFile) -> list[Manifest]:
    first = tar.next()
    if first is None or first.name != _INDEX or not first.isreg():
        raise WeightsCorrupt("it is not a bundle of `greffier models bundle`")
    if first.size > _INDEX_LIMIT_BYTES:
        raise WeightsCorrupt("its list of models is too long")
    content = tar.extractfile(first)
    value: object = json.loads(content.read()) if content else None
    if not isinstance(value, dict):
        raise WeightsCorrupt("its list of models is not an object")
    plain = cast("dict[str, Any]", value)
    if plain.get("format") != _FORMAT:
        raise WeightsCorrupt("it is of another format: use a newer greffier")
    models = plain.get("models")
    if not isinstance(models, list) or not models:
        raise WeightsCorrupt("it lists no models")
    manifests = [Manifest.from_plain(model) for model in cast("list[object]", models)]
    names = [manifest.name for manifest in manifests]
    if len(set(names)) != len(names):
        raise WeightsCorrupt("it lists a model twice")
    # A stable order of locking, so that two imports cannot wait for each other.
    return sorted(manifests, key=lambda manifest: manifest.name)


def _entry_of(manifest: Manifest) -> Entry:
    """Return the entry to install; a name of the catalogue is bound to the catalogue's contents."""
    known = CATALOG.get(manifest.name)
    if known is not None:
        if set(known.files) != set(manifest.files):
            raise WeightsCorrupt(
                f"what it calls {manifest.name} is not the {manifest.name} of the catalogue"
            )
        return known
    if manifest.engine not in get_args(Engine) or manifest.task not in get_args(Task):
        raise WeightsCorrupt(f"{manifest.name} is for an engine unknown here: use a newer greffier")
    return Entry(
        name=manifest.name,
        engine=cast("Any", manifest.engine),
        task=cast("Any", manifest.task),
        revision=manifest.revision,
        licence=manifest.licence,
        languages=manifest.languages,
        files=manifest.files,
        sources=(),
        verified=False,
    )


def _need_space(stagings: list[Staging], models_dir: Path) -> None:
    for staging in stagings:
        staging.need_space(sum(other.entry.size for other in stagings if other is not staging))


def _unpack(tar: tarfile.TarFile, stagings: dict[str, Staging]) -> None:
    expected = {
        f"{name}/{file}": staging.partial(file)
        for name, staging in stagings.items()
        for file in staging.files
    }
    while (member := tar.next()) is not None:
        partial = expected.pop(member.name, None)
        if partial is None or not member.isreg():
            raise WeightsCorrupt("it holds something that is not in its list")
        if member.size != partial.file.size:
            raise WeightsCorrupt(f"{member.name} has another size than its list says")
        stream = tar.extractfile(member)
        if stream is None:
            raise WeightsCorrupt(f"{member.name} has no content")
        staging = stagings[member.name.partition("/")[0]]
        with partial.appending(0) as write:
            while chunk := stream.read(CHUNK_BYTES):
                write(chunk)
                staging.report(partial.file.name)
        partial.finish()
    if expected:
        raise WeightsCorrupt(f"it ends before {min(expected)}")


@contextmanager
def _damage_of(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except WeightsCorrupt as error:
        raise WeightsCorrupt(f"{path} was not imported: {error.message}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise WeightsCorrupt(f"{path} was not imported: the archive is damaged") from error
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read to its end") from error


def _clear(stagings: list[tuple[Staging, Manifest]]) -> None:
    for staging, _ in stagings:
        staging.remove()


class _HashedWriter:
    """Passes bytes on to a file and keeps their checksum."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes) -> int:
        self._hash.update(chunk)
        return self._stream.write(chunk)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class _HashedReader:
    """Reads a file and keeps the checksum of all its bytes."""

    def __init__(self, stream: BinaryIO, on_read: Callable[[int], None] | None = None) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._on_read = on_read

    def read(self, amount: int) -> bytes:
        chunk = self._stream.read(amount)
        self._hash.update(chunk)
        if self._on_read is not None:
            self._on_read(len(chunk))
        return chunk

    def hexdigest(self) -> str:
        """Return the checksum of the whole file, reading what is left of it."""
        while self.read(CHUNK_BYTES):
            pass
        return self._hash.hexdigest()
