"""The second pass as the composition root wires it: queued at the end, done when idle."""

import asyncio
from pathlib import Path

import pytest

from greffier.protocol import Start
from greffier_server.assembly import build
from greffier_server.core.events import SecondPassFinished, SessionFinished
from greffier_server.core.revisions import revised
from greffier_server.core.state import fold
from greffier_server.settings import Settings
from tests.support.desk import as_bytes
from tests.support.recordings import recording_of

pytestmark = pytest.mark.integration

SPEECH = recording_of([(300, 300)] + [(30, 300)] * 9, end_ms=900)


async def test_a_finished_session_is_read_again(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "data_dir": tmp_path,
            "recognition": {"engine": "fake"},
            "language_model": {"engine": "none"},
            "second_pass": {"enabled": True, "idle_s": 0},
        }
    )
    async with build(settings) as services:
        session, _ = await services.desk.open("default", Start(language="en", minutes=False))
        await session.push(as_bytes(SPEECH.pcm))
        await session.finish()
        async with asyncio.timeout(30):
            while True:
                found = [r async for r in services.store.events("default", session.id)]
                if any(isinstance(record.event, SecondPassFinished) for record in found):
                    break
                await asyncio.sleep(0.1)
        assert any(isinstance(record.event, SessionFinished) for record in found)
        state = fold(found)
        assert state.failures == ()
        text = " ".join(s.text for s in revised(state).segments.values())
        assert text.split() == [word.text.strip() for word in SPEECH.words]
        row = await services.store.get("default", session.id)
        assert row is not None
        assert (row.state, row.last_seq) == ("finished", found[-1].seq)
