"""Which model the second pass takes, and for how long it is held."""

from pathlib import Path
from typing import Any, cast

import pytest

from greffier_models.catalog import CATALOG, InstalledModel
from greffier_models.errors import WeightsMissing
from greffier_models.fakes import FakeRecognizer
from greffier_models.types import EngineIdentity
from greffier_server import second_engine as chosen
from greffier_server.second_engine import choose_model, second_engine
from greffier_server.settings import Settings
from tests.support.recordings import Listener

pytestmark = pytest.mark.unit


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the models on this machine."""
    names = {"whisper-base"}

    def locate(name: str, folder: Path) -> InstalledModel:
        if name not in names:
            raise WeightsMissing("not here")
        entry = CATALOG.get(name)
        engine = entry.engine if entry is not None else "whisper-ct2"
        return InstalledModel(name, folder / name, f"digest of {name}", engine, entry)

    def everything(folder: Path) -> dict[str, Any]:
        del folder
        return dict.fromkeys(sorted(names), object())

    monkeypatch.setattr(chosen, "locate", locate)
    monkeypatch.setattr(chosen, "installed_models", everything)
    return names


def settings(live: str = "whisper-base", **second: Any) -> Settings:
    return Settings.model_validate({"recognition": {"model": live}, "second_pass": second})


def test_the_largest_that_knows_as_many_languages(installed: set[str]) -> None:
    assert choose_model(settings()).name == "whisper-base"
    installed |= {"whisper-tiny.en", "qwen2.5-coder-1.5b-instruct-q4_k_m"}
    assert choose_model(settings()).name == "whisper-base"
    installed |= {"whisper-small", "whisper-large-v3-turbo"}
    assert choose_model(settings()).name == "whisper-large-v3-turbo"
    assert choose_model(settings(model="whisper-small")).name == "whisper-small"


def test_of_an_unknown_live_model_nothing_is_better(installed: set[str]) -> None:
    installed |= {"mine", "whisper-small"}
    assert choose_model(settings("mine")).name == "mine"


def test_what_is_missing_is_said(installed: set[str]) -> None:
    with pytest.raises(WeightsMissing):
        choose_model(settings(model="whisper-large-v3-turbo"))


class Batch(FakeRecognizer):
    """An engine with a name of its own."""

    @property
    def identity(self) -> EngineIdentity:
        return EngineIdentity("fake", "other", digest="other")


async def test_the_live_model_is_shared_and_another_is_loaded_for_the_pass_alone(
    installed: set[str],
) -> None:
    loads: list[str] = []

    def load(asked: Settings) -> FakeRecognizer:
        loads.append(asked.recognition.model)
        return Batch()

    live = Listener()
    live.identity = EngineIdentity("whisper-ct2", "whisper-base", "digest of whisper-base")
    async with second_engine(settings(), live, load=cast("Any", load))() as recognizer:
        assert recognizer is live
    installed.add("whisper-small")
    async with second_engine(settings(), live, load=cast("Any", load))() as recognizer:
        assert recognizer.identity.model == "other"
    assert loads == ["whisper-small"]
    fake = Settings.model_validate({"recognition": {"engine": "fake"}})
    async with second_engine(fake, live, load=cast("Any", load))() as recognizer:
        assert recognizer is live
