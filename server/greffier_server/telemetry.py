"""Logs and metrics: structlog is configured here and nowhere else, each app has its own registry.

Transcript text never gets into a log: exceptions are written as their type, code and place, without
their message unless it is one of our own errors, whose messages are free of content by rule.
"""

import logging
import sys
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from greffier_models.errors import EngineError
from greffier_models.runtime import RecognitionRuntime
from greffier_server.core.events import (
    GapFound,
    Recorded,
    StageFailed,
    TailRevised,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.errors import ServerError
from greffier_server.settings import LogSettings
from greffier_server.storage.backlog import Backlog

__all__ = ["Metrics", "bind_session", "bind_stage", "configure_logging"]

_LATENCY_BUCKETS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
_QUIET = (
    *("uvicorn", "uvicorn.error", "uvicorn.access", "httpx", "httpcore", "websockets"),
    *("aiosqlite", "python_multipart"),
)
"""Loggers that write what no log may hold: requests with their query, where a token may be, or the
rows of a table, where what was said is."""
_ENGINE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metrics:
    """The server's Prometheus metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.sessions_active = Gauge(
            "greffier_sessions_active", "Sessions with input or work left.", registry=registry
        )
        self.connections_active = Gauge(
            "greffier_connections_active", "Open WebSockets.", ["role"], registry=registry
        )
        self.sessions_rejected = Counter(
            "greffier_sessions_rejected", "Refused openings.", ["reason"], registry=registry
        )
        self.first_caption_seconds = Histogram(
            "greffier_first_caption_seconds",
            "From the start of a session to its first caption.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.commit_latency_seconds = Histogram(
            "greffier_commit_latency_seconds",
            "From the end of the newest audio to the end of the last committed word.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.input_lag_seconds = Histogram(
            "greffier_input_lag_seconds",
            "Audio received and not yet decoded.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.engine_seconds = Histogram(
            "greffier_engine_seconds",
            "Time inside an engine, per call.",
            ["engine"],
            buckets=_ENGINE_BUCKETS,
            registry=registry,
        )
        self.engine_restarts = Counter(
            "greffier_engine_restarts",
            "Starts of a recogniser's process after it died or was stuck.",
            ["cause"],
            registry=registry,
        )
        self.engine_set_aside = Gauge(
            "greffier_engine_set_aside",
            "Requests that a recogniser's process died of each time.",
            registry=registry,
        )
        self.engines_down = Gauge(
            "greffier_engines_down",
            "Devices whose recogniser fails again and again.",
            registry=registry,
        )
        self.real_time_factor = Gauge(
            "greffier_real_time_factor", "Decoding time over audio time.", registry=registry
        )
        self.audio_dropped_seconds = Counter(
            "greffier_audio_dropped_seconds", "Audio in gaps.", registry=registry
        )
        self.audio_bytes = Gauge(
            "greffier_audio_bytes", "Space that audio takes on disk.", registry=registry
        )
        self.audio_unshipped_bytes = Gauge(
            "greffier_audio_unshipped_bytes",
            "Shared audio that waits for object storage, of all servers.",
            registry=registry,
        )
        self.audio_unshipped_seconds = Gauge(
            "greffier_audio_unshipped_seconds",
            "How long the oldest of it has waited.",
            registry=registry,
        )
        self.withheld = Counter(
            "greffier_withheld", "Passages not printed.", ["reason"], registry=registry
        )
        self.tail_revisions = Counter(
            "greffier_tail_revisions", "Tails replaced.", registry=registry
        )
        self.stage_failures = Counter(
            "greffier_stage_failures", "Failed work.", ["stage", "code"], registry=registry
        )
        self.deliveries = Counter(
            "greffier_deliveries",
            "Attempts to tell outlets of sessions.",
            ["outlet", "outcome"],
            registry=registry,
        )
        self.http_requests = Counter(
            "greffier_http_requests", "HTTP answers.", ["method", "status"], registry=registry
        )

    def observe(self, record: Recorded) -> None:
        """Count what an event says; call it once for each event of a session."""
        match record.event:
            case WordsCommitted(lag_ms=lag_ms):
                self.commit_latency_seconds.observe(lag_ms / 1000)
            case TailRevised(lag_ms=lag_ms):
                self.tail_revisions.inc()
                self.input_lag_seconds.observe(lag_ms / 1000)
            case GapFound(from_ms=from_ms, to_ms=to_ms):
                self.audio_dropped_seconds.inc(max(0, to_ms - from_ms) / 1000)
            case TextWithheld(reason=reason):
                self.withheld.labels(reason).inc()
            case StageFailed(stage=stage, code=code):
                self.stage_failures.labels(stage, code).inc()
            case _:
                pass

    def watch_devices(self, devices: Sequence[RecognitionRuntime]) -> None:
        """Show the condition of these devices' engines; metrics are asked for on the event loop."""
        self.engine_set_aside.set_function(
            lambda: sum(device.condition.set_aside for device in devices)
        )
        self.engines_down.set_function(
            lambda: sum(device.condition.state == "down" for device in devices)
        )

    def watch_backlog(self, backlog: Callable[[], Backlog]) -> None:
        """Show what waits for object storage."""
        self.audio_unshipped_bytes.set_function(lambda: backlog().waiting_bytes)
        self.audio_unshipped_seconds.set_function(lambda: backlog().oldest_s)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def bind_session(session: str) -> None:
    """Put the session's id on every log line of this task and its children."""
    structlog.contextvars.bind_contextvars(session=session)


def bind_stage(stage: str) -> None:
    """Put the stage's name on every log line of this task and its children."""
    structlog.contextvars.bind_contextvars(stage=stage)


def configure_logging(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send all logging (ours, through the standard library, and others') to `stream`.

    Args:
        settings: level and format.
        stream: standard error when absent.
    """
    output = sys.stderr if stream is None else stream
    console = settings.format == "console" or (settings.format == "auto" and output.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _exception_without_content,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=output.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)


def _exception_without_content(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    if not given:
        return event
    error = _exception(given)
    if error is None:
        return event
    event["error"] = type(error).__name__
    if isinstance(error, (ServerError, EngineError)):
        event["code"], event["reason"] = error.code, error.message
    event["at"] = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)[-8:]
    ]
    return event


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1]
