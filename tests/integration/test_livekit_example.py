"""The LiveKit plugin of the examples, driven as an agent drives it; where livekit-agents is."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from greffier_models.types import Word
from greffier_server.core.events import SegmentClosed, SegmentOpened, TailRevised, WordsCommitted
from tests.support.served import served, until

pytestmark = pytest.mark.integration

PLUGIN = Path(__file__).parents[2] / "examples" / "livekit" / "greffier_stt.py"


@pytest.fixture(scope="module")
def plugin() -> Any:
    """The example's module; skips the test where its package is not installed."""
    pytest.importorskip("livekit.agents", reason="pip install livekit-agents")
    spec = importlib.util.spec_from_file_location("greffier_stt", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["greffier_stt"] = module
    spec.loader.exec_module(module)
    return module


async def test_an_agent_hears_a_session(plugin: Any) -> None:
    async with served() as server:
        stt = plugin.GreffierSTT(f"ws://127.0.0.1:{server.port}", language="fr", minutes=False)
        stream = stt.stream()
        frame = plugin.rtc.AudioFrame(bytes(48_000 * 2), 48_000, 1, 48_000)
        stream.push_frame(frame)
        await until(lambda: server.desk.sessions)
        session = server.desk.only()
        words = (Word(" bonjour", 0, 400, 0.8), Word(" monde", 400, 900, 0.9))
        await session.log.append(
            SegmentOpened(1, 0, "fr", "A"), TailRevised(1, " bonj", 0, 300, "fr")
        )
        await session.log.append(WordsCommitted(1, words, " et"), SegmentClosed(1, 0, 900))
        stream.end_input()
        heard = [event async for event in stream]
        kinds = [event.type.value for event in heard if event.type.value != "recognition_usage"]
        assert kinds == [
            "start_of_speech",
            "interim_transcript",
            "final_transcript",
            "interim_transcript",
            "end_of_speech",
        ]
        final = next(event for event in heard if event.type.value == "final_transcript")
        (said,) = final.alternatives
        assert (said.text, said.speaker_id, said.confidence) == ("bonjour monde", "A", 0.8)
        assert said.end_time == pytest.approx(0.9, abs=0.5)
        assert len(session.audio) == pytest.approx(32_000, abs=2_000)  # resampled to 16 kHz
        await stream.aclose()


async def test_a_refusal_is_told_in_the_agents_terms(plugin: Any) -> None:
    async with served() as server:
        server.desk.max_sessions = 0
        options = plugin.APIConnectOptions(max_retry=0)
        stream = plugin.GreffierSTT(f"ws://127.0.0.1:{server.port}").stream(conn_options=options)
        with pytest.raises(plugin.APIStatusError):
            async for _ in stream:
                pass
        await stream.aclose()
