"""Logs without content, metrics in a registry of their own."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    GapFound,
    Recorded,
    StageFailed,
    TailRevised,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS
from greffier_server.errors import StorageFailed
from greffier_server.settings import LogSettings
from greffier_server.telemetry import Metrics, bind_session, bind_stage, configure_logging

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def logged(settings: LogSettings | None = None) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(settings or LogSettings(format="json"), stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_standard_and_structured_logs_carry_session_and_stage() -> None:
    stream = logged()
    bind_session("s1")
    bind_stage("translate")
    logging.getLogger("greffier").info("plain %s", "one", extra={"code": "x"})
    structlog.get_logger("greffier").info("structured", count=2)
    plain, structured = lines(stream)
    assert plain["event"] == "plain one"
    assert plain["code"] == "x"
    assert structured["count"] == 2
    for line in (plain, structured):
        assert (line["session"], line["stage"], line["level"]) == ("s1", "translate", "info")


def test_an_exception_is_logged_without_its_message() -> None:
    stream = logged()
    try:
        raise ValueError("what somebody said")
    except ValueError:
        logging.getLogger("greffier").exception("failed")
    (line,) = lines(stream)
    assert "somebody" not in stream.getvalue()
    assert line["error"] == "ValueError"
    assert line["at"][0].startswith("test_telemetry.py:")


def test_our_own_errors_say_what_to_do() -> None:
    stream = logged()
    logging.getLogger("greffier").error("failed", exc_info=StorageFailed("the disk is full"))
    (line,) = lines(stream)
    assert (line["code"], line["reason"]) == ("storage_failed", "the disk is full")


def test_requests_of_others_are_not_logged_at_info() -> None:
    stream = logged()
    logging.getLogger("uvicorn.error").info('"WebSocket /v1/live?token=secret" [accepted]')
    logging.getLogger("uvicorn.error").error("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"]


def test_level_and_console() -> None:
    stream = logged(LogSettings(level="error", format="console"))
    logging.getLogger("greffier").warning("quiet")
    logging.getLogger("greffier").error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def observed(*events: Event) -> str:
    metrics = Metrics()
    for event in events:
        metrics.observe(Recorded("t", "s", 1, 0, 0, 0, GENESIS, "", event))
    return metrics.exposition().decode()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            WordsCommitted(1, (Word(" a", 0, 1, 1.0),), lag_ms=1500),
            "greffier_commit_latency_seconds_sum 1.5",
        ),
        (TailRevised(1, " a", 0, 1, lag_ms=500), "greffier_tail_revisions_total 1.0"),
        (GapFound(1000, 3500, "lost"), "greffier_audio_dropped_seconds_total 2.5"),
        (TextWithheld(0, 1, "loop", "x"), 'greffier_withheld_total{reason="loop"} 1.0'),
        (
            StageFailed("minutes", "engine_timeout", "m"),
            'greffier_stage_failures_total{code="engine_timeout",stage="minutes"} 1.0',
        ),
    ],
)
def test_events_are_counted(event: Event, line: str) -> None:
    assert line in observed(event)


def test_registries_are_apart() -> None:
    first, second = Metrics(), Metrics()
    first.tail_revisions.inc()
    assert "greffier_tail_revisions_total 1.0" in first.exposition().decode()
    assert "greffier_tail_revisions_total 0.0" in second.exposition().decode()
