"""Checks whether this machine can serve with these settings; changes nothing."""

import asyncio
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

from greffier_models.catalog import locate, verify
from greffier_models.errors import EngineError
from greffier_server.capacity import decode_cost_s, read_capacity, this_processor
from greffier_server.errors import ServerError
from greffier_server.settings import Settings
from greffier_server.storage.backlog import Backlog

__all__ = ["Check", "diagnose"]

_MIN_PYTHON: Final = (3, 11)
_MIN_FREE_BYTES: Final = 1 << 30
_MIN_MEMORY_BYTES: Final = 2 << 30
_CONNECT_TIMEOUT_S: Final = 3.0
_OLD_BACKLOG_S: Final = 900.0
"""Audio that waits longer for object storage than any upload takes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    passed: bool
    detail: str
    advice: str = ""
    """What to do when it did not pass."""
    required: bool = True
    """The server cannot work without it."""

    def plain(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)


class _Cuda(Protocol):
    def get_cuda_device_count(self) -> int: ...


def diagnose(settings: Settings, *, quick: bool = False) -> list[Check]:
    """Run every check; a check that breaks is a failed check.

    Args:
        settings: what would be served.
        quick: do not read whole weights for their digests.
    """
    checks: list[tuple[str, bool, Callable[[], Check]]] = [
        ("python", True, check_python),
        ("processor", False, check_cores),
        ("memory", False, check_memory),
        ("gpu", False, lambda: check_gpu(settings)),
        ("recogniser", True, lambda: check_recogniser(settings, quick=quick)),
        ("engine process", True, lambda: check_engine(settings, quick=quick)),
        ("running server", False, lambda: check_running(settings)),
        ("capacity", False, lambda: check_capacity(settings)),
        ("language model", True, lambda: check_language_model(settings, quick=quick)),
        ("port", True, lambda: check_port(settings)),
        ("data directory", True, lambda: check_data_dir(settings)),
        ("database", True, lambda: check_database(settings)),
        ("object storage", True, lambda: check_objects(settings)),
        ("shared audio", False, lambda: check_backlog(settings)),
    ]
    return [_run(name, required, check) for name, required, check in checks]


def check_python() -> Check:
    """The interpreter is new enough."""
    needed = ".".join(map(str, _MIN_PYTHON))
    version = platform.python_version()
    return Check("python", sys.version_info >= _MIN_PYTHON, version, f"install Python {needed}")


def check_cores() -> Check:
    """More than one core for recognition and the rest."""
    cores = os.cpu_count() or 1
    return Check(
        "processor",
        cores >= 2,
        f"{cores} cores, {platform.machine()}",
        "one core carries about one stream of a small model",
        required=False,
    )


def check_memory() -> Check:
    """Room for a small recogniser."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Check(
        "memory",
        total >= _MIN_MEMORY_BYTES,
        f"{total / (1 << 30):.1f} GiB",
        "use a smaller model",
        required=False,
    )


def check_gpu(settings: Settings) -> Check:
    """A CUDA device, which only ``device = cuda`` needs."""
    wanted = settings.recognition.device == "cuda"
    try:
        import ctranslate2
    except ImportError:
        return Check(
            "gpu",
            not wanted,
            "ctranslate2 is not installed",
            "pip install greffier[whisper]",
            required=wanted,
        )
    count = cast("_Cuda", ctranslate2).get_cuda_device_count()
    return Check(
        "gpu",
        count > 0 or not wanted,
        f"{count} CUDA devices" if count else "none: models run on the processor",
        "install the NVIDIA driver, or set recognition.device to cpu",
        required=wanted,
    )


def check_recogniser(settings: Settings, *, quick: bool) -> Check:
    """The recogniser's weights are here and intact."""
    if settings.recognition.engine == "fake":
        return Check("recogniser", True, "fake: needs no weights")
    return _weights("recogniser", settings.recognition.model, settings, quick=quick)


def check_engine(settings: Settings, *, quick: bool) -> Check:
    """The recogniser starts in a process of its own, and answers."""
    from greffier_models.isolation import RecognizerProcess
    from greffier_server.recognisers import isolated, load_recognisers

    name = "engine process"
    if not isolated(settings.recognition):
        return Check(name, True, "none: the engine runs in the server's process")
    if quick:
        return Check(name, True, "not tried")
    begun_s = time.monotonic()
    try:
        engines = load_recognisers(settings)
    except EngineError as error:
        return Check(name, False, "the recogniser does not start", error.message)
    try:
        took_s = time.monotonic() - begun_s
        decode_s = decode_cost_s(engines[0])
    finally:
        for engine in engines:
            if isinstance(engine, RecognizerProcess):
                engine.close()
    return Check(name, True, f"starts in {took_s:.1f} s, decodes a window in {decode_s:.2f} s")


def check_running(settings: Settings) -> Check:
    """What a server that listens there says of itself: it may run with an engine that is down."""
    name = "running server"
    if settings.tls.certificate is not None or settings.port == 0:
        return Check(name, True, "not asked", required=False)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{settings.port}/readyz", timeout=_CONNECT_TIMEOUT_S):
            return Check(name, True, "ready", required=False)
    except urllib.error.HTTPError as error:
        with error:
            reason = _message_of(error.read())
        return Check(name, False, f"not ready: {reason}", "see its log", required=False)
    except (OSError, ValueError, HTTPException):
        return Check(name, True, "none", required=False)


def _message_of(body: bytes) -> str:
    try:
        said: object = json.loads(body)
    except ValueError:
        return "it does not say why"
    fields = cast("dict[str, object]", said if isinstance(said, dict) else {})
    return str(fields.get("message", "it does not say why"))


def check_capacity(settings: Settings) -> Check:
    """How many live streams the server takes, and who says so."""
    advice = "measure it with the machine otherwise idle: greffier capacity"
    if settings.limits.max_sessions is not None:
        detail = f"{settings.limits.max_sessions} live streams, as set"
        return Check("capacity", True, detail, required=False)
    measured = read_capacity(settings.data_dir)
    if measured is None:
        return Check("capacity", False, "not measured: estimated at start", advice, required=False)
    detail = f"{measured.streams} live streams, measured {measured.measured_at}"
    same = (measured.machine.processor, measured.machine.cores) == this_processor()
    if not same:
        detail += " on another machine: not used"
    return Check("capacity", same, detail, advice, required=False)


def check_language_model(settings: Settings, *, quick: bool) -> Check:
    """The language model's weights are here, or its server answers."""
    model = settings.language_model
    match model.engine:
        case "none":
            return Check("language model", True, "none: captions only")
        case "fake":
            return Check("language model", True, "fake: needs no weights")
        case "openai":
            return _reachable(model.url or "")
        case "llama":
            return _weights("language model", model.model, settings, quick=quick)


def check_port(settings: Settings) -> Check:
    """Nothing else listens where the server would."""
    place = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        advice = "stop what listens there (this server, perhaps), or set another port"
        return Check("port", False, f"{place}: {error.strerror}", advice)
    return Check("port", True, f"{place} is free")


def check_data_dir(settings: Settings) -> Check:
    """Files can be written and synced, and there is room."""
    place = _existing(settings.data_dir)
    free = shutil.disk_usage(place).free
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"greffier")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return Check(
            "data directory",
            False,
            f"{settings.data_dir}: {error.strerror}",
            "make it writable, or set data_dir",
        )
    return Check(
        "data directory",
        free >= _MIN_FREE_BYTES,
        f"{settings.data_dir}: {free / (1 << 30):.1f} GiB free, fsync works",
        "free at least 1 GiB: an hour of speech takes 115 MB",
    )


def check_database(settings: Settings) -> Check:
    """The database answers."""
    url = settings.database.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        file = Path(parts.path.removeprefix("/"))
        if not file.exists():
            return Check("database", True, "SQLite, created at the first start")
    asyncio.run(_query(url))
    return Check("database", True, f"{parts.scheme.partition('+')[0]} answers")


def check_objects(settings: Settings) -> Check:
    """The bucket answers to the server's keys."""
    from greffier_server.storage.objects import open_bucket
    from greffier_server.storing import place_of

    name = "object storage"
    place = place_of(settings)
    if place is None:
        return Check(name, True, "none: audio lies with the rest")
    try:
        bucket = open_bucket(place)
        try:
            bucket.check()
        finally:
            bucket.close()
    except ServerError as error:
        return Check(name, False, f"bucket {place.bucket}", error.message)
    return Check(name, True, f"bucket {place.bucket} answers")


def check_backlog(settings: Settings) -> Check:
    """Audio that servers share reaches the object storage."""
    name = "shared audio"
    if not (settings.on_postgresql and settings.shared.audio):
        return Check(name, True, "none: audio lies with each server", required=False)
    if settings.objects.url is None:
        return Check(name, True, "in the database alone", required=False)
    waiting = asyncio.run(_backlog(settings))
    detail = f"{waiting.waiting_bytes / 1e6:,.1f} MB wait for object storage"
    if waiting.waiting_bytes:
        detail += f", the oldest for {waiting.oldest_s:,.0f} s"
    return Check(
        name,
        waiting.oldest_s < _OLD_BACKLOG_S,
        detail,
        "see in a server's log why audio stays in the database; nothing is lost meanwhile",
        required=False,
    )


async def _backlog(settings: Settings) -> Backlog:
    from greffier_server.storage.engines import engine_for
    from greffier_server.storage.shared_space import SharedSpace

    engine = await engine_for(settings.database.get_secret_value())
    try:
        space = SharedSpace(engine, segment_bytes=settings.objects.segment_bytes)
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            await space.survey()
        return space.backlog
    finally:
        await engine.dispose()


async def _query(url: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url)
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S), engine.connect() as connection:
            # SQLite opens its file only when a table is read.
            table = "sqlite_master" if engine.dialect.name == "sqlite" else "pg_catalog.pg_tables"
            await connection.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
    finally:
        await engine.dispose()


def _weights(name: str, model: str, settings: Settings, *, quick: bool) -> Check:
    try:
        found = locate(model, settings.models_path)
        if found.entry is not None and not quick:
            found = verify(model, settings.models_path)
    except EngineError as error:
        return Check(name, False, model, error.message)
    checked = "digest not checked" if quick else f"sha256 {found.digest[:12]}…"
    return Check(name, True, f"{found.name} ({found.engine}, {checked})")


def _reachable(url: str) -> Check:
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S).close()
    except OSError:
        return Check(
            "language model",
            False,
            f"nothing answers at {place[0]}:{place[1]}",
            "start its server, or correct language_model.url",
        )
    return Check("language model", True, f"{place[0]}:{place[1]} answers")


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _run(name: str, required: bool, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a report of what is broken must not break
        return Check(name, False, f"failed: {type(error).__name__}", required=required)
