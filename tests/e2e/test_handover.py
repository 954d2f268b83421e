"""A second server is started on the data directory of one that runs: which of them holds it."""

import asyncio
from pathlib import Path
from random import Random

import pytest

from benchmarks.accuracy import normalise
from benchmarks.crashes.passages import ENGLISH, passages
from benchmarks.crashes.slow_model import slow_model, slow_model_settings
from benchmarks.crashes.speakers import StrictSpeaker
from benchmarks.crashes.verdict import fetch_record, judge
from greffier_server.child import ChildServer
from tests.support.proxy import Proxy
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSAGE = ENGLISH[0]


def server(folder: Path, model_url: str, **settings: str) -> ChildServer:
    return ChildServer(
        data_dir=folder,
        settings={
            **slow_model_settings(model_url),
            "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
            "GREFFIER_LIMITS__GRACE_S": "30",
            **settings,
        },
        ready_timeout_s=60,
    )


async def speak_over_both(old: ChildServer, new: ChildServer) -> StrictSpeaker:
    """Start `new` beside `old`, speak into `old`, and stop it in mid-speech."""
    async with Proxy(old.port) as proxy, asyncio.timeout(120):
        new.start()
        while "waiting for the server" not in _log(new):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.05)
        speaker = StrictSpeaker(
            proxy.url, passages((PASSAGE,))[0], pace=2.0, random=Random(1), translate_to="fr"
        )
        speaking = asyncio.create_task(speaker.speak())
        while not speaker.notes.acknowledged:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        proxy.target = ("127.0.0.1", new.port)
        assert await asyncio.to_thread(old.stop) == 0
        await asyncio.to_thread(new.wait_until_ready)
        await speaking
    return speaker


def _log(server: ChildServer) -> str:
    return server.log.read_text(encoding="utf-8", errors="replace")


def test_the_next_server_waits_for_the_directory_and_goes_on(tmp_path: Path) -> None:
    with slow_model(answer_s=0.3) as model_url, server(tmp_path, model_url) as old:
        new = server(tmp_path, model_url)
        try:
            speaker = asyncio.run(speak_over_both(old, new))
            record = fetch_record(new.url, speaker.notes.session)
        finally:
            new.stop()
    verdict = judge(speaker, record, [record])
    assert verdict.clean, verdict
    assert verdict.translations
    assert verdict.minutes == 1
    assert normalise(record.text, "en").endswith("over")
    assert [event["cause"] for event in record.of("ClientDetached")] == ["server_stopping"]
