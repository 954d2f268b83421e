"""The real clients of other products by name, and what each makes of the same audio.

Every one comes from its package; vLLM has none of its own, so its published example is spoken. Each
gives its token as it does by itself. `LIVE` speak audio as it comes, `RECORDED` send a whole file.
"""

import asyncio
import io
import json
import wave
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import openai
from mistralai.client import Mistral
from mistralai.client.models import AudioFormat as MistralFormat
from mistralai.client.models import TranscriptionStreamDone
from openai.types.realtime import ConversationItemInputAudioTranscriptionCompletedEvent as Completed

import greffier
from greffier.exchange import exchange
from tests.support.conversations import conversation, encoded
from tests.support.voices import (
    deepgram_client,
    pieces,
    speak_deepgram,
    speak_vosk,
    speak_whisperlive,
    speak_wyoming,
)

__all__ = ["LIVE", "RECORDED", "Place", "Speak", "native", "native_recorded", "wav"]

_RATE: Final = 16_000
_STEP_S: Final = 0.1
_HANG_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and how it is spoken to."""

    port: int
    wyoming_port: int = 0
    whisperlive: Path | None = None
    """Folder of WhisperLive's client, see `voices.whisperlive_client`."""
    token: str = ""
    pace: float = 0.0
    """Times real time; 0 = at once."""

    @property
    def http(self) -> str:
        """Base of addresses."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Base of addresses of sockets."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def wait_s(self) -> float:
        """Between two pieces of a tenth of a second."""
        return _STEP_S / self.pace if self.pace else 0.0


Speak: TypeAlias = Callable[[Place, bytes, str], Awaitable[str]]
"""From a server, 16 kHz s16 audio and its language (`auto` = not said) to the text."""


def wav(pcm: bytes) -> bytes:
    """16 kHz s16 audio as a file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, _RATE, 0, "NONE", ""))
        file.writeframes(pcm)
    return out.getvalue()


async def native(place: Place, pcm: bytes, language: str, **options: Any) -> str:
    """Our own client."""
    text = ""
    options = {"language": language, "minutes": False, "token": place.token or None, **options}
    async with greffier.connect(place.ws, **options) as session:
        async for message in exchange(session, _steps(place, pcm)):
            text += message.committed if isinstance(message, greffier.Caption) else ""
    return text.strip()


async def native_recorded(place: Place, pcm: bytes, language: str) -> str:
    """Our own client, with a whole recording."""
    return await native(place, pcm, language, recorded=True)


async def _openai_realtime(place: Place, pcm: bytes, language: str) -> str:
    wanted: Any = {
        "format": {"type": "audio/pcm", "rate": _RATE},
        "transcription": {"model": "whisper-1", **_named(language)},
        "turn_detection": None,
    }
    async with (
        openai.AsyncOpenAI(
            base_url=f"{place.http}/v1",
            websocket_base_url=f"{place.ws}/v1",
            api_key=place.token or "unused",
        ) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.session.update(
            session={"type": "transcription", "audio": {"input": wanted}}
        )

        async def speak() -> None:
            async for piece in _steps(place, pcm):
                await connection.input_audio_buffer.append(audio=encoded(piece))
            await connection.input_audio_buffer.commit()

        speaking = asyncio.create_task(speak())
        async for event in connection:
            assert event.type != "error", event
            if isinstance(event, Completed):
                await speaking
                return event.transcript
    raise AssertionError("the server left")


async def _mistral_realtime(place: Place, pcm: bytes, language: str) -> str:
    client = Mistral(api_key=place.token or "unused", server_url=place.http)
    events = client.audio.realtime.transcribe_stream(
        _steps(place, pcm),
        model="voxtral-mini-transcribe-realtime",
        audio_format=MistralFormat(encoding="pcm_s16le", sample_rate=_RATE),
        **_named(language),
    )
    told = [event async for event in events if isinstance(event, TranscriptionStreamDone)]
    return told[0].text


async def _vllm_realtime(place: Place, pcm: bytes, language: str) -> str:
    """Its clients cannot name a language."""
    del language
    headers = {"Authorization": f"Bearer {place.token}"} if place.token else None
    async with conversation(place.ws, "/v1/realtime", headers=headers) as line:
        await line.send({"type": "session.update", "model": "mistralai/Voxtral-Mini-4B"})
        await line.send({"type": "input_audio_buffer.commit"})
        async for piece in _steps(place, pcm):
            await line.send({"type": "input_audio_buffer.append", "audio": encoded(piece)})
        await line.send({"type": "input_audio_buffer.commit", "final": True})
        async with asyncio.timeout(_HANG_S):
            while (message := json.loads(await line.socket.recv()))["type"] != "transcription.done":
                assert message["type"] != "error", message
        return str(message["text"])


async def _deepgram(place: Place, pcm: bytes, language: str) -> str:
    talk = await speak_deepgram(
        place.port,
        pieces(pcm),
        key=place.token or "unused",
        wait_s=place.wait_s,
        **(_named(language) or {"language": None}),
    )
    return talk.text


async def _vosk(place: Place, pcm: bytes, language: str) -> str:
    query = f"language={language}&punctuated=true"
    query += f"&token={place.token}" if place.token else ""
    results = await speak_vosk(f"{place.ws}/?{query}", pcm, pace=place.pace)
    return " ".join(result["text"] for result in results if result["text"])


async def _whisperlive(place: Place, pcm: bytes, language: str) -> str:
    assert place.whisperlive is not None
    kept = await speak_whisperlive(
        place.whisperlive,
        place.port,
        pcm,
        token=place.token,
        pace=place.pace,
        lang=_named(language).get("language"),
        send_last_n_segments=1_000,
    )
    return "".join(segment["text"] for segment in kept["transcript"]).strip()


async def _wyoming(place: Place, pcm: bytes, language: str) -> str:
    named = _named(language).get("language")
    events = await speak_wyoming(place.wyoming_port, pcm, language=named, wait_s=place.wait_s)
    return str(events[-2].data["text"])


async def _openai_file(place: Place, pcm: bytes, language: str) -> str:
    async with openai.AsyncOpenAI(
        base_url=f"{place.http}/v1", api_key=place.token or "unused", max_retries=0
    ) as client:
        transcriptions: Any = client.audio.transcriptions
        told = await transcriptions.create(
            file=("clip.wav", wav(pcm)), model="whisper-1", **_named(language)
        )
    return str(told.text)


async def _mistral_file(place: Place, pcm: bytes, language: str) -> str:
    async with Mistral(api_key=place.token or "unused", server_url=place.http) as client:
        told = await client.audio.transcriptions.complete_async(
            model="voxtral-mini-latest",
            file={"content": wav(pcm), "file_name": "clip.wav"},
            **_named(language),
        )
    return str(told.text)


async def _deepgram_file(place: Place, pcm: bytes, language: str) -> str:
    async with httpx.AsyncClient(trust_env=False, timeout=_HANG_S) as over:
        client = deepgram_client(place.port, key=place.token or "unused", over=over)
        told: Any = await client.listen.v1.media.transcribe_file(
            request=wav(pcm), model="nova-3", **_named(language)
        )
    return str(told.results.channels[0].alternatives[0].transcript)


LIVE: Final[Mapping[str, Speak]] = {
    "openai-realtime": _openai_realtime,
    "mistral-realtime": _mistral_realtime,
    "vllm-realtime": _vllm_realtime,
    "deepgram": _deepgram,
    "vosk": _vosk,
    "whisperlive": _whisperlive,
    "wyoming": _wyoming,
}
RECORDED: Final[Mapping[str, Speak]] = {
    "openai-file": _openai_file,
    "mistral-file": _mistral_file,
    "deepgram-file": _deepgram_file,
}


def _named(language: str) -> dict[str, Any]:
    return {} if language == "auto" else {"language": language}


async def _steps(place: Place, pcm: bytes) -> AsyncGenerator[bytes, None]:
    for piece in pieces(pcm):
        yield piece
        await asyncio.sleep(place.wait_s)
