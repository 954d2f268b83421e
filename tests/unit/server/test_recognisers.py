"""Which engines run in a process of their own, and what is said of one that is down."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from greffier_models.errors import EngineDied, EngineError
from greffier_models.fakes import FakeRecognizer
from greffier_models.isolation import Recipe, RecognizerProcess
from greffier_models.revival import EngineCondition
from greffier_models.types import AudioWindow, RecognitionOptions
from greffier_server import recognisers
from greffier_server.recognisers import (
    down_reason,
    isolated,
    load_recognisers,
    recognising,
    workers_of,
)
from greffier_server.settings import RecognitionSettings, Settings
from greffier_server.telemetry import Metrics

pytestmark = pytest.mark.unit


@dataclass
class Device:
    condition: EngineCondition = field(default_factory=EngineCondition)


def settings(**recognition: object) -> Settings:
    return Settings.model_validate({"recognition": recognition})


@pytest.mark.parametrize(
    ("engine", "isolation", "expected"),
    [
        ("whisper", "auto", True),
        ("fake", "auto", False),
        ("whisper", "none", False),
        ("fake", "process", True),
    ],
)
def test_what_is_isolated(engine: str, isolation: str, expected: bool) -> None:
    wanted = RecognitionSettings.model_validate({"engine": engine, "isolation": isolation})
    assert isolated(wanted) is expected


def test_the_fake_engine_is_loaded_here() -> None:
    (engine,) = load_recognisers(settings(engine="fake"))
    assert isinstance(engine, FakeRecognizer)
    assert workers_of(engine) == 1


class Started(RecognizerProcess):
    """Records what is done with it; starts no process."""

    made: list["Started"] = []  # noqa: RUF012 - of this test module alone
    failure: Exception | None = None

    def start(self) -> None:
        self.made.append(self)
        if self.failure is not None and len(self.made) == 2:
            raise self.failure

    def close(self) -> None:
        self.closed = True

    @property
    def workers(self) -> int:
        return 3


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    made: list[Started] = []
    monkeypatch.setattr(Started, "made", made)
    monkeypatch.setattr(recognisers, "RecognizerProcess", Started)
    return made


def test_an_isolated_engine_is_started_with_the_bounds_set(started: list[Started]) -> None:
    (engine,) = load_recognisers(settings(engine="fake", isolation="process", stuck_s=8))
    assert started == [engine]
    watch = started[0].watch
    assert (watch.silent_s, watch.least_s, watch.unknown_s) == (4, 8, 24)


def test_one_device_that_fails_closes_the_others(
    started: list[Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Started, "failure", EngineDied("It died."))
    recipes = [Recipe("a:b"), Recipe("a:b")]
    with pytest.raises(EngineError) as failed:
        recognisers.start_recognisers(recipes, RecognitionSettings())
    assert failed.value.code == "engine_failed"
    assert "memory" in failed.value.message
    assert [engine.closed for engine in started] == [True, True]


async def test_an_isolated_engine_is_closed_behind_its_runtime(started: list[Started]) -> None:
    (engine,) = load_recognisers(settings(engine="fake", isolation="process"))
    async with recognising(engine) as runtime:
        assert runtime.condition.state == "up"
        assert runtime.load.workers == 3
    assert started[0].closed


async def test_an_engine_in_this_process_runs_as_it_is() -> None:
    async with recognising(FakeRecognizer()) as runtime:
        window = AudioWindow(np.zeros(16_000, np.int16))
        assert (await runtime.transcribe(window, RecognitionOptions(language="en"))).words == ()


def test_the_server_is_down_when_every_device_is() -> None:
    up, down = Device(), Device(EngineCondition("down", "stalled", restarts=7))
    assert down_reason([]) == ""
    assert down_reason([up, down]) == ""  # type: ignore[list-item]
    reason = down_reason([down, down])  # type: ignore[list-item]
    assert "14 restarts" in reason
    assert "did not end a decode" in reason
    unknown = Device(EngineCondition("down", "weights_corrupt", restarts=1))
    assert "could not be loaded" in down_reason([unknown])  # type: ignore[list-item]


def test_metrics_show_the_condition_of_the_devices() -> None:
    metrics, devices = Metrics(), [Device(), Device()]
    metrics.watch_devices(devices)  # type: ignore[arg-type]
    devices[1].condition = EngineCondition("down", "died", restarts=5, set_aside=2)
    metrics.engine_restarts.labels("died").inc()
    shown = {
        sample.name: sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }
    assert shown["greffier_engines_down"] == 1
    assert shown["greffier_engine_set_aside"] == 2
    assert shown["greffier_engine_restarts_total"] == 1
