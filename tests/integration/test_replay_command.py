"""``greffier replay`` over a real database and a real journal, with the fake engine."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from greffier_models.fakes import FakeRecognizer, FakeVad
from greffier_models.runtime import RecognitionRuntime
from greffier_server.core.events import (
    Event,
    RecognitionBegun,
    Recorded,
    SegmentOpened,
    SessionFinished,
    WordsCommitted,
)
from greffier_server.pipeline.listening import Ears
from greffier_server.replay_command import replay
from greffier_server.settings import Settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.sql import SqlStore
from tests.support.desk import TENANT
from tests.support.recordings import recording_of
from tests.support.replays import Lived, Trouble, live_session
from tests.support.sessions import row
from tests.support.virtual_time import run

pytestmark = pytest.mark.integration

TALK = recording_of([(90, 310)] * 40 + [(1_800, 300)] * 3, stops=[9, 24], end_ms=900)
AUDIO = TALK.pcm.astype("<i2").tobytes()


async def _lived() -> Lived:
    trouble = Trouble(7, jitter_s=6, decode_s=2, load=True, kills=(0.5,))
    async with RecognitionRuntime(FakeRecognizer()) as runtime:
        return await live_session(AUDIO, trouble, ears=Ears(runtime, FakeVad()))


async def _keep(folder: Path, records: list[Recorded], audio: bytes) -> None:
    settings = Settings(data_dir=folder)
    store = await SqlStore.open(settings.database.get_secret_value())
    journal = DiskJournal(folder / "audio")
    try:
        await store.create(row(records[0].session, TENANT))
        await store.append(records)
        if audio:
            file = await journal.open(TENANT, records[0].session)
            await file.append(audio)
            await file.seal()
    finally:
        await journal.close()
        await store.close()


def _changed(records: list[Recorded], change: Callable[[Recorded], Recorded]) -> list[Recorded]:
    return [change(record) for record in records]


@pytest.fixture(scope="module")
def lived() -> Lived:
    return run(_lived())


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)

    def ask(records: list[Recorded], *options: str, audio: bytes = AUDIO) -> Result:
        asyncio.run(_keep(tmp_path, records, audio))
        arguments = [records[0].session, "--data-dir", str(tmp_path), "--tenant", TENANT]
        return CliRunner().invoke(replay, [*arguments, *options])

    return ask


def test_the_same(lived: Lived, asked: Callable[..., Result]) -> None:
    result = asked(lived.records)
    assert result.exit_code == 0, result.output
    assert "the same events" in result.output
    assert "cut short by a stop" in result.output


def test_a_changed_record_is_found(lived: Lived, asked: Callable[..., Result]) -> None:
    victim = next(r for r in lived.records if isinstance(r.event, WordsCommitted))

    def change(record: Recorded) -> Recorded:
        if record is not victim or not isinstance(record.event, WordsCommitted):
            return record
        first, *rest = record.event.words
        words = (replace(first, text=" forged"), *rest)
        return replace(record, event=replace(record.event, words=words))

    result = asked(_changed(lived.records, change), "--json")
    assert result.exit_code == 1, result.output
    report = json.loads(result.output)
    assert (report["same"], report["faithful"]) == (False, True)
    assert report["epochs"][0]["difference"]["seq"] == victim.seq
    assert [change["recorded"] for change in report["changes"]] == ["forged"]
    assert report["word_error_rate"] > 0


def test_another_policy_is_compared(lived: Lived, asked: Callable[..., Result]) -> None:
    result = asked(lived.records, "--policy", "utterance", "--json")
    report = json.loads(result.output)
    assert report["faithful"] is False
    assert report["settings"]["policy"] == ["alignatt", "utterance"]
    assert report["lag_replayed"]["p50_ms"] > report["lag"]["p50_ms"]
    assert result.exit_code == (0 if report["same"] else 1)


def test_as_it_would_be_served_today(lived: Lived, asked: Callable[..., Result]) -> None:
    # The engine of the settings is Whisper unless told otherwise; no weights are installed.
    result = asked(lived.records, "--as-served", "--models-dir", "nowhere")
    assert result.exit_code == 4
    assert "models pull" in result.output


@pytest.mark.parametrize(
    ("missing", "audio", "told"),
    [
        (SessionFinished, AUDIO, "finished"),
        (None, b"", "no longer kept"),
        (RecognitionBegun, AUDIO, "older"),
    ],
)
def test_what_cannot_be_replayed(
    lived: Lived,
    asked: Callable[..., Result],
    missing: type[Event] | None,
    audio: bytes,
    told: str,
) -> None:
    kept = [r for r in lived.records if missing is None or not isinstance(r.event, missing)]
    records = [replace(record, seq=seq) for seq, record in enumerate(kept, start=1)]
    result = asked(records, audio=audio)
    assert result.exit_code == 3, result.output
    assert told in result.output


def test_weights_that_are_not_here(lived: Lived, asked: Callable[..., Result]) -> None:
    def change(record: Recorded) -> Recorded:
        if not isinstance(record.event, RecognitionBegun):
            return record
        event = replace(record.event, engine="whisper-ct2/4", model="mine", digest="0" * 64)
        return replace(record, event=event)

    result = asked(_changed(lived.records, change), "--models-dir", "nowhere")
    assert result.exit_code == 3, result.output
    assert "mine (000000000000)" in result.output


def test_an_unknown_session(tmp_path: Path) -> None:
    result = CliRunner().invoke(replay, ["nobody", "--data-dir", str(tmp_path)])
    assert result.exit_code == 3
    assert "no such session" in result.output


def test_an_unknown_setting(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text("unknown = 1\n")
    result = CliRunner().invoke(replay, ["nobody", "--config", str(config)])
    assert result.exit_code == 2


def test_segments_keep_their_numbers(lived: Lived) -> None:
    opened = [r.event.segment for r in lived.records if isinstance(r.event, SegmentOpened)]
    assert opened == sorted(opened)
    assert len(opened) > 2
