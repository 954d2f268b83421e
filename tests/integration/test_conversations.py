"""Whole conversations of the protocols without a JSON socket, as files: HTTP, and Wyoming over TCP.

Those over WebSockets are compared where they are held. Whoever changes one of these files sees in
the difference what users of other products will see. ``UPDATE_GOLDEN=1`` writes them anew.
"""

import json
from typing import Any, Final

import httpx
import pytest

from greffier_server.transport.wyoming.listener import open_wyoming
from greffier_server.wyoming_settings import WyomingSettings
from tests.support.conversations import check_lines
from tests.support.rivals import wav
from tests.support.served_desk import ServedDesk, served_desk
from tests.support.spoken import AUDIO
from tests.support.voices import AsyncTcpClient, Event, Ping, speak_wyoming

pytestmark = pytest.mark.integration

_CHANGING: Final = frozenset({"request_id", "session", "created", "version"})
_UUID_CHARS: Final = 36

ASKED: list[dict[str, str]] = [
    {"response_format": "json"},
    {"response_format": "json", "include[]": "logprobs"},
    {"response_format": "text"},
    {"response_format": "srt"},
    {"response_format": "vtt"},
    {"response_format": "verbose_json", "timestamp_granularities[]": "word"},
    {"response_format": "diarized_json"},
    {"stream": "true"},
    {"unknown": "field", "temperature": "0.3", "chunking_strategy": "auto"},
    {"response_format": "klingon"},
    {"language": "klingon"},
]


def settled(value: Any) -> Any:
    """Without what differs each time."""
    match value:
        case dict():
            return {
                key: "…" if _changes(key, one) else settled(one)
                for key, one in value.items()  # pyright: ignore[reportUnknownVariableType]
            }
        case list():
            return [settled(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def _changes(key: Any, value: Any) -> bool:
    if key == "id":
        return isinstance(value, str) and len(value) == _UUID_CHARS
    return key in _CHANGING and isinstance(value, str | int)


def over(server: ServedDesk) -> httpx.AsyncClient:
    base = server.url.replace("ws://", "http://")
    return httpx.AsyncClient(base_url=base, trust_env=False, timeout=60)


async def test_openai_over_http() -> None:
    lines: list[Any] = []
    async with served_desk() as server, over(server) as http:
        for asked in ASKED:
            answer = await http.post(
                "/v1/audio/transcriptions",
                files={"file": ("réunion.wav", wav(AUDIO))},
                data={"model": "whisper-1", "language": "fr", **asked},
            )
            told: Any = answer.text
            kind = answer.headers["content-type"].partition(";")[0]
            if kind == "application/json":
                told = settled(answer.json())
            elif kind == "text/event-stream":
                told = streamed(answer.text)
            lines.append(
                {"client": asked, "status": answer.status_code, "type": kind, "told": told}
            )
    check_lines("openai-http", lines)


def streamed(text: str) -> list[Any]:
    """Events of a stream; deltas stand as one: how many there are is a matter of time."""
    events: list[Any] = []
    whole = ""
    for line in text.splitlines():
        said = line.removeprefix("data: ")
        if not line.startswith("data: ") or said == "[DONE]":
            events += [said] if said else []
            continue
        event = json.loads(said)
        if event["type"] == "transcript.text.delta":
            whole += event["delta"]
        else:
            events.append(settled(event))
    return [{"deltas": whole}, *events]


async def test_deepgram_over_http() -> None:
    lines: list[Any] = []
    async with served_desk() as server, over(server) as http:
        for query in (
            "language=fr&utterances=true",
            "detect_language=true&new=1",
            "callback=http://a/",
        ):
            answer = await http.post(f"/v1/listen?{query}", content=wav(AUDIO))
            told = settled(answer.json())
            lines.append({"client": query, "status": answer.status_code, "told": told})
    check_lines("deepgram-http", lines)


async def test_wyoming() -> None:
    lines: list[Any] = []
    async with (
        served_desk() as server,
        open_wyoming(WyomingSettings(port=0), server.doorway) as listener,
    ):
        assert listener is not None
        async with AsyncTcpClient("127.0.0.1", listener.port) as client:
            await client.write_event(Event("select-program", {"name": "x"}))  # not known here
            for event in (Event("describe", {"new": [1]}), Ping("hello").event()):
                await client.write_event(event)
                answer = await client.read_event()
                assert answer is not None
                said = {"type": answer.type, "data": settled(answer.data)}
                lines.append({"client": event.type, "server": said})
        chunks = ""
        for event in await speak_wyoming(listener.port, AUDIO, language="fr"):
            if event.type == "transcript-chunk":
                chunks += event.data["text"]
            else:
                lines.append({"server": {"type": event.type, "data": event.data}})
        lines.append({"chunks": chunks})
    check_lines("wyoming", lines)
