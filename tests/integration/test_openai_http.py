"""OpenAI's interface for recordings, over the real desk and fake engines."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from greffier_server.core.events import SessionFinished, SessionStarted
from greffier_server.settings import Settings, TenantToken, hash_token
from greffier_server.upload_settings import UploadSettings
from tests.support.desk import as_bytes, until
from tests.support.recordings import recording_of
from tests.support.served import served
from tests.support.served_desk import ServedDesk, served_desk

pytestmark = pytest.mark.integration

TRANSCRIBE = "/v1/audio/transcriptions"
TRANSLATE = "/v1/audio/translations"
SPOKEN = recording_of([(200, 300), (100, 300), (2_000, 400), (60, 300)], stops=[1, 3], end_ms=500)
TEXT = "w0 w1. w2 w3."
LOGPROBS: dict[str, Any] = {"include[]": "logprobs"}


def wav(pcm: bytes | None = None) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(as_bytes(SPOKEN.pcm) if pcm is None else pcm)
    return out.getvalue()


@asynccontextmanager
async def asking(url: str, **options: Any) -> AsyncGenerator[httpx.AsyncClient, None]:
    base = url.replace("ws://", "http://")
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30, **options) as http:
        yield http


async def post(
    http: httpx.AsyncClient, path: str = TRANSCRIBE, /, *, sound: bytes | None = None, **fields: Any
) -> httpx.Response:
    file = {"file": ("réunion.wav", wav() if sound is None else sound)}
    return await http.post(
        path, files=file, data={"model": "whisper-1", "language": "fr", **fields}
    )


async def started(server: ServedDesk) -> SessionStarted:
    [session] = await server.sessions()
    event = (await server.events(session))[0]
    assert isinstance(event, SessionStarted)
    return event


async def test_every_format_tells_the_same() -> None:
    async with served_desk() as server, asking(server.url) as http:
        answer = await post(http)
        assert answer.json() == {
            "text": TEXT,
            "model": "whisper-1",
            "language": "fr",
            "usage": {"type": "duration", "seconds": 5},
        }
        kept = await http.get(f"/v1/sessions/{answer.headers['x-greffier-session']}/captions")
        assert (await post(http, response_format="text")).text == TEXT + "\n"
        vtt = await post(http, response_format="vtt")
        assert vtt.text == kept.text
        srt = await post(http, response_format="srt")
        assert "w0 w1.\n\n2\n00:00:02,900 --> " in srt.text
        both: dict[str, Any] = {"timestamp_granularities[]": ["word", "segment"]}
        verbose = await post(http, response_format="verbose_json", **both)
        told = verbose.json()
        assert [
            (word["word"], round(word["start"] * 1000), round(word["end"] * 1000))
            for word in told["words"]
        ] == [(word.text.strip(), word.start_ms, word.end_ms) for word in SPOKEN.words]
        assert [part["text"] for part in told["segments"]] == [" w0 w1.", " w2 w3."]
        assert told["language"] == "french"
        assert told["duration"] == SPOKEN.duration_ms / 1000
        only_words: dict[str, Any] = {
            "response_format": "verbose_json",
            "timestamp_granularities[]": "word",
        }
        assert "segments" not in (await post(http, **only_words)).json()
        speakers = (await post(http, response_format="diarized_json")).json()["segments"]
        assert [part["speaker"] for part in speakers] == ["unknown", "unknown"]
        logprobs = (await post(http, **LOGPROBS)).json()["logprobs"]
        assert [entry["token"] for entry in logprobs] == SPOKEN.texts


async def test_what_is_asked_for_reaches_the_session() -> None:
    async with served_desk() as server, asking(server.url) as http:
        prompt = "DGFiP, Mme Lemaître. On parle ensuite du budget avec Paul Durand ce matin"
        fields: dict[str, Any] = {
            "keywords[]": ["SDIS"],
            "temperature": "0.2",
            "unknown": "x",
            "language": "fr-FR",
        }
        assert (await post(http, prompt=prompt, **fields)).status_code == 200
        event = await started(server)
        assert event.language == "fr"
        assert event.title == "réunion.wav"
        assert event.recorded
        assert not event.minutes
        terms = [entry.term for entry in event.glossary]
        assert terms == ["SDIS", "DGFiP", "Mme Lemaître", "Paul Durand"]


async def test_a_stream_adds_up() -> None:
    async with served_desk() as server, asking(server.url) as http:
        answer = await post(http, stream="true", response_format="diarized_json", **LOGPROBS)
        assert answer.headers["content-type"].startswith("text/event-stream")
        *lines, last = [line[6:] for line in answer.text.splitlines() if line]
        events = [json.loads(line) for line in lines]
        deltas = [e["delta"] for e in events if e["type"] == "transcript.text.delta"]
        assert last == "[DONE]"
        assert "".join(deltas) == TEXT
        assert events[-1]["text"] == TEXT
        assert len(events[-1]["logprobs"]) == len(SPOKEN.words)
        segments = [e for e in events if e["type"] == "transcript.text.segment"]
        assert [e["text"] for e in segments] == ["w0 w1.", "w2 w3."]


async def test_translations_need_a_language_model_unless_it_is_english() -> None:
    async with served_desk() as server, asking(server.url) as http:
        refused = await post(http, TRANSLATE)
        assert refused.status_code == 501
        assert refused.json()["error"]["code"] == "no_language_model"
        english = await post(http, TRANSLATE, language="en", response_format="verbose_json")
        assert english.json()["text"] == TEXT
        assert english.json()["task"] == "translate"
        wrong = await post(http, TRANSLATE, response_format="diarized_json")
        assert wrong.json()["error"]["param"] == "response_format"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "klingon"}, "language"),
        ({"response_format": "docx"}, "response_format"),
        ({"timestamp_granularities[]": "syllable"}, "timestamp_granularities"),
        ({"prompt": "x" * 100_000}, "file"),
    ],
)
async def test_a_field_that_cannot_be_used_is_named(fields: dict[str, Any], param: str) -> None:
    async with served_desk() as server, asking(server.url) as http:
        answer = await post(http, **fields)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert error["message"]
        assert await server.sessions() == []


async def test_what_is_no_recording_is_answered() -> None:
    async with served_desk() as server, asking(server.url) as http:
        assert (await post(http, sound=b"no")).json()["error"]["code"] == "unreadable_recording"
        for answer in (
            await http.post(TRANSCRIBE, json={"file": "x"}),
            await http.post(TRANSCRIBE, data={"file": "x"}, files={"other": ("a", b"x")}),
            await http.post(
                TRANSCRIBE,
                content=b"--x\r\nnonsense",
                headers={"content-type": "multipart/form-data; boundary=x"},
            ),
            await http.post(
                TRANSCRIBE, content=b"", headers={"content-type": "multipart/form-data"}
            ),
            await http.post(TRANSCRIBE, files=[("file", ("a", b"x")), ("file", ("b", b"x"))]),
        ):
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == "file"
        assert (await http.get("/v1/models/gpt-9")).json()["error"]["code"] == "model_not_found"
        listed = (await http.get("/v1/models")).json()
        assert listed["object"] == "list"
        assert listed["data"] == []
        assert "models" in listed
        assert await server.sessions() == []


async def test_a_client_that_leaves_ends_its_session() -> None:
    async with served_desk() as server, asking(server.url) as http:
        server.kit.disk.slow_s = 0.5
        long = as_bytes(SPOKEN.pcm) + bytes(32_000 * 120)  # more than the session's buffer
        asked = asyncio.create_task(post(http, sound=wav(long)))
        await until(server.kit.disk.files.keys, timeout_s=20)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: not server.kit.desk.live_count, timeout_s=20)
        [session] = await server.sessions()
        assert isinstance((await server.events(session))[-1], SessionFinished)
        assert len(server.audio(session)) < len(long)


async def test_tokens_and_sizes() -> None:
    token = TenantToken(tenant="a", digest=hash_token("sixteen-characters"))
    settings = Settings(tokens=(token,), uploads=UploadSettings(max_mb=1))
    async with served(settings) as server, asking(server.http) as http:
        for headers in ({}, {"authorization": "Bearer sk-another-one"}):
            answer = await http.post(TRANSCRIBE, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert "another" not in answer.text
        answer = await http.post(
            TRANSCRIBE,
            headers={"api-key": "sixteen-characters"},
            files={"file": ("a.wav", bytes(1_100_000))},
        )
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "recording_too_large"
        openapi = (await http.get("/v1/openapi.json")).json()
        assert {TRANSCRIBE, TRANSLATE} <= set(openapi["paths"])
