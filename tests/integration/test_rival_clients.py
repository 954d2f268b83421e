"""The real clients of OpenAI and Mistral against a served engine: text as of the native one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import soxr
from mistralai.client import Mistral
from mistralai.client.models import AudioFormat as MistralFormat
from mistralai.client.models import TranscriptionStreamDone, TranscriptionStreamTextDelta
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent as Completed

import greffier
from greffier.exchange import exchange
from greffier.protocol import AudioFormat
from greffier_server.child import ChildServer
from tests.support.conversations import conversation, encoded
from tests.support.served_process import ask, clip
from tests.support.weights import whisper_tiny_path

pytestmark = pytest.mark.models

TOKEN = "sk-0123456789abcdef-of-nobody"
CLIP = clip("radio-en", turns=2)
RATE = 24_000


@dataclass(frozen=True)
class Served:
    """A running server, and what its native protocol makes of the clip."""

    child: ChildServer
    recorded: str
    """As a whole recording."""
    live: str
    live_24k: str
    live_auto: str

    @property
    def http(self) -> str:
        return self.child.url.replace("ws://", "http://")

    def openai(self, token: str = TOKEN) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.http}/v1", api_key=token, max_retries=0)


def at_24k() -> bytes:
    samples = np.frombuffer(CLIP.pcm, "<i2").astype("f4") / 32_768
    return bytes((soxr.resample(samples, 16_000, RATE) * 32_767).astype("<i2").tobytes())


async def native(
    child: ChildServer, pcm: bytes = CLIP.pcm, rate: int = 16_000, **wanted: Any
) -> str:
    """What the native protocol says of audio that comes at once."""

    async def whole() -> AsyncIterator[bytes]:
        yield pcm

    options: dict[str, Any] = {"language": "en", "minutes": False, **wanted}
    form = AudioFormat("pcm_s16le", rate)
    text = ""
    async with greffier.connect(child.url, token=TOKEN, format=form, **options) as session:
        async for message in exchange(session, whole()):
            text += message.committed if isinstance(message, greffier.Caption) else ""
    return text.strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
        # Decides at pauses alone, so that equal audio gives equal words however busy the machine.
        "GREFFIER_RECOGNITION__POLICY": "utterance",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_TOKENS": json.dumps({"ministry": TOKEN}),
        "GREFFIER_LOG__LEVEL": "debug",
    }
    folder = tmp_path_factory.mktemp("rivals")
    with ChildServer(data_dir=folder, settings=settings) as child:

        async def read() -> Served:
            await native(child)  # the engine is warm
            return Served(
                child,
                await native(child, recorded=True),
                await native(child),
                await native(child, at_24k(), RATE),
                await native(child, language="auto"),
            )

        yield asyncio.run(read())


@pytest.fixture
def client(server: Served) -> Iterator[openai.OpenAI]:
    with server.openai() as opened:
        yield opened


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return CLIP.write(tmp_path / "clip.wav")


def test_openai_transcribes_in_every_format(
    server: Served, client: openai.OpenAI, wav: Path
) -> None:
    def create(**wanted: Any) -> Any:
        with wav.open("rb") as file:
            transcriptions: Any = client.audio.transcriptions
            return transcriptions.create(
                file=file, model="whisper-1", language="en", prompt="Zulu, Bravo", **wanted
            )

    assert create().text == server.recorded
    assert create(response_format="text").strip() == server.recorded
    told = create(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert told.text == server.recorded
    assert told.language == "english"
    assert told.duration == pytest.approx(CLIP.duration_ms / 1000, abs=0.01)
    assert " ".join(word.word for word in told.words) == server.recorded
    assert all(0 <= word.start <= word.end <= told.duration for word in told.words)
    assert " ".join(part.text.strip() for part in told.segments) == server.recorded
    srt, vtt = create(response_format="srt"), create(response_format="vtt")
    assert srt.startswith("1\n00:00:0")
    assert vtt.startswith("WEBVTT\n")
    assert len(create(include=["logprobs"]).logprobs) == len(told.words)


def test_openai_streams_a_transcription(server: Served, client: openai.OpenAI, wav: Path) -> None:
    with wav.open("rb") as file:
        events = list(
            client.audio.transcriptions.create(
                file=file, model="gpt-4o-transcribe", language="en", stream=True
            )
        )
    *deltas, done = events
    assert done.type == "transcript.text.done"
    assert done.text == server.recorded
    assert "".join(getattr(event, "delta", "") for event in deltas) == server.recorded
    assert len(deltas) > 1


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_openai_translates_and_names_models(
    server: Served, client: openai.OpenAI, wav: Path
) -> None:
    with wav.open("rb") as file:  # it is English already: no language model is needed
        translations: Any = client.audio.translations
        told = translations.create(file=file, model="whisper-1")
    assert told.text == server.recorded
    [model] = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id


def test_openai_reads_our_errors(server: Served, client: openai.OpenAI, wav: Path) -> None:
    with server.openai("sk-wrong-wrong-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            stranger.audio.transcriptions.create(file=("a.wav", b"x"), model="whisper-1")
        assert refused.value.code == "invalid_api_key"
        assert "sk-wrong" not in str(refused.value)
    with pytest.raises(openai.BadRequestError) as bad:
        client.audio.transcriptions.create(file=("a.wav", b"no sound"), model="whisper-1")
    assert bad.value.code == "unreadable_recording"
    with pytest.raises(openai.BadRequestError) as bad:
        client.audio.transcriptions.create(
            file=("a.wav", wav.read_bytes()), model="whisper-1", language="xx"
        )
    assert bad.value.param == "language"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


@pytest.mark.parametrize("manual", [False, True])
def test_openai_realtime(server: Served, *, manual: bool) -> None:
    told = asyncio.run(asyncio.wait_for(_realtime(server, manual=manual), 60))
    assert " ".join(event.transcript for event in told) == server.live_24k


async def _realtime(server: Served, *, manual: bool) -> list[Completed]:
    client = openai.AsyncOpenAI(
        base_url=f"{server.http}/v1",
        websocket_base_url=f"{server.child.url}/v1",
        api_key=TOKEN,
    )
    wanted: Any = {
        "format": {"type": "audio/pcm", "rate": RATE},
        "transcription": {"model": "whisper-1", "language": "en"},
        **({"turn_detection": None} if manual else {}),
    }
    done: list[Completed] = []
    deltas = heard = ""
    async with (
        client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": wanted}}
        )
        await connection.input_audio_buffer.append(audio=encoded(at_24k()))
        await connection.input_audio_buffer.commit()
        async for event in connection:
            assert event.type != "error", event
            if event.type == "conversation.item.input_audio_transcription.delta":
                deltas += event.delta or ""
            if isinstance(event, Completed):
                done.append(event)
                heard = " ".join(item.transcript for item in done)
                if heard == server.live_24k or manual:
                    break
    assert deltas.replace(" ", "") == heard.replace(" ", "")
    return done


def test_mistral_realtime(server: Served) -> None:
    told = asyncio.run(asyncio.wait_for(_mistral(server), 60))
    assert told.text == server.live
    assert told.language == "en"
    assert " ".join(part.text for part in told.segments or []) == server.live


async def _mistral(server: Served) -> TranscriptionStreamDone:
    async def whole() -> AsyncIterator[bytes]:
        yield CLIP.pcm

    client = Mistral(api_key=TOKEN, server_url=server.http)
    events = client.audio.realtime.transcribe_stream(
        whole(),
        model="voxtral-mini-transcribe-realtime",
        audio_format=MistralFormat(encoding="pcm_s16le", sample_rate=16_000),
        language="en",
    )
    deltas = ""
    done: TranscriptionStreamDone | None = None
    async for event in events:  # ends behind the last one by itself
        if isinstance(event, TranscriptionStreamDone):
            done = event
        elif isinstance(event, TranscriptionStreamTextDelta):
            deltas += event.text
    assert done is not None
    assert deltas == done.text
    return done


def test_mistral_reads_a_recording(server: Served, wav: Path) -> None:
    with Mistral(api_key=TOKEN, server_url=server.http) as client:
        told = client.audio.transcriptions.complete(
            model="voxtral-mini-latest",
            file={"content": wav.read_bytes(), "file_name": "clip.wav"},
            language="en",
        )
    assert told.text == server.recorded


def test_vllm_realtime(server: Served) -> None:
    async def talk() -> str:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with conversation(server.child.url, "/v1/realtime", headers=headers) as line:
            await line.send({"type": "session.update", "model": "mistralai/Voxtral-Mini-4B"})
            await line.send({"type": "input_audio_buffer.commit"})
            await line.send({"type": "input_audio_buffer.append", "audio": encoded(CLIP.pcm)})
            await line.send({"type": "input_audio_buffer.commit", "final": True})
            return str((await line.receive("transcription.done"))["text"])

    assert asyncio.run(talk()) == server.live_auto


def test_what_was_told_is_what_is_kept_and_no_token_is(server: Served) -> None:
    listed = ask(server.child, "/v1/sessions", token=TOKEN).json["sessions"]
    texts = {
        ask(server.child, f"/v1/sessions/{row['session']}/captions?format=json", token=TOKEN).json[
            "text"
        ]
        for row in listed
    }
    assert {server.recorded, server.live, server.live_24k} <= texts
    ask(server.child, f"/v1/models?token={TOKEN}")
    log = server.child.log.read_text(encoding="utf-8")
    assert "openai-realtime" in log
    assert TOKEN not in log
    assert "Zulu" not in log
