"""Deepgram's, Vosk's, WhisperLive's and Wyoming's own clients, from their packages."""

import io
import json
import wave
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

import greffier
from greffier.exchange import exchange
from greffier_server.transport.wyoming.listener import open_wyoming
from greffier_server.wyoming_settings import WyomingSettings
from tests.support.containers import encoded
from tests.support.served_desk import ServedDesk, served_desk
from tests.support.spoken import AUDIO
from tests.support.voices import (
    AsyncTcpClient,
    Describe,
    Info,
    Ping,
    deepgram_client,
    pieces,
    speak_deepgram,
    speak_vosk,
    speak_whisperlive,
    speak_wyoming,
    whisperlive_client,
)

pytestmark = pytest.mark.integration

PAUSED = AUDIO[: 16_000 * 2 * 6]


@pytest.fixture
async def server() -> AsyncGenerator[ServedDesk, None]:
    async with served_desk(max_sessions=8) as running:
        yield running


async def native(server: ServedDesk, pcm: bytes = AUDIO) -> str:
    """The text of the same audio in the native protocol."""

    async def chunks() -> AsyncGenerator[bytes, None]:
        for piece in pieces(pcm):
            yield piece

    said = ""
    async with greffier.connect(server.url, language="fr", minutes=False) as session:
        async for message in exchange(session, chunks()):
            if isinstance(message, greffier.Caption):
                said += message.committed
    return said.strip()


def wav(pcm: bytes, *, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(pcm)
    return out.getvalue()


async def test_deepgram_streams(server: ServedDesk) -> None:
    talk = await speak_deepgram(
        server.port,
        pieces(AUDIO),
        language="fr",
        interim_results="true",
        vad_events="true",
        utterance_end_ms=1000,
        keyterm="Greffier",
        diarize="true",
        smart_format="true",
        unknown_field=None,
    )
    assert talk.text == await native(server)
    assert talk.of("SpeechStarted")
    assert any(not result.is_final for result in talk.of("Results"))
    assert talk.finals[-1].speech_final
    ends = [result.start + result.duration for result in talk.finals]
    assert all(
        abs(end - after.start) < 0.002 for end, after in zip(ends, talk.finals[1:], strict=False)
    )
    words = [word for result in talk.finals for word in result.channel.alternatives[0].words]
    assert len(words) == 20
    assert all(a.start <= b.start and a.confidence > 0 for a, b in pairwise(words))
    assert talk.messages[-1].type == "Metadata"
    assert talk.messages[-1].duration == pytest.approx(len(AUDIO) / 32_000, abs=0.01)
    assert talk.messages[-1].request_id == talk.finals[0].metadata.request_id
    assert server.audio(talk.messages[-1].session) == AUDIO


async def test_deepgram_finalizes_in_mid_stream_and_goes_on(server: ServedDesk) -> None:
    half = len(pieces(AUDIO)) // 2
    talk = await speak_deepgram(
        server.port, pieces(AUDIO), finalize_after=half, utterance_end_ms=5000, language="fr"
    )
    flushed = next(index for index, result in enumerate(talk.finals) if result.from_finalize)
    before = [w for r in talk.finals[:flushed] for w in r.channel.alternatives[0].words]
    # Every word that had come before it was sent before its answer.
    assert len(before) >= 9
    # The silence that the flush added is in none of the times.
    assert talk.messages[-1].duration == pytest.approx(len(AUDIO) / 32_000, abs=0.01)
    last = [w for r in talk.finals for w in r.channel.alternatives[0].words][-1]
    assert last.end == pytest.approx(len(AUDIO) / 32_000, abs=0.3)


async def test_deepgram_hears_channels_apart(server: ServedDesk) -> None:
    stereo = b"".join(AUDIO[at : at + 2] + b"\0\0" for at in range(0, len(AUDIO), 2))
    talk = await speak_deepgram(
        server.port, pieces(stereo, 6_400), channels=2, multichannel="true", language="fr"
    )
    said = [r for r in talk.finals if r.channel.alternatives[0].transcript]
    assert {tuple(result.channel_index) for result in said} == {(0, 2)}
    assert talk.text == await native(server)
    assert talk.messages[-1].channels == 2


async def test_deepgram_reads_a_wav_file_as_it_streams(server: ServedDesk) -> None:
    file = wav(AUDIO) + b"LIST\4\0\0\0abcd"
    talk = await speak_deepgram(
        server.port, pieces(file, 1_001), encoding=None, sample_rate=None, language="fr"
    )
    assert talk.text == await native(server)
    assert server.audio(talk.messages[-1].session) == AUDIO


async def test_deepgram_posts_a_recording(server: ServedDesk) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=60) as over:
        answer: Any = await deepgram_client(server.port, over=over).listen.v1.media.transcribe_file(
            request=wav(AUDIO), model="nova-3", language="fr", utterances=True
        )
    (alternative,) = answer.results.channels[0].alternatives
    assert alternative.transcript == await native(server)
    assert len(alternative.words) == 20
    assert answer.metadata.duration == pytest.approx(len(AUDIO) / 32_000, abs=0.05)
    assert answer.results.utterances[0].words[0].word == "w0"


async def test_vosk_is_answered_frame_by_frame(server: ServedDesk) -> None:
    results = await speak_vosk(server.url, AUDIO)
    text = " ".join(result["text"] for result in results if result["text"])
    assert text == (await native(server)).replace(".", "")
    words = [word for result in results for word in result.get("result", [])]
    assert [word["word"] for word in words] == text.split()
    assert all(0 <= word["start"] < word["end"] and word["conf"] > 0 for word in words)


async def test_vosk_knows_reset_alternatives_and_punctuation(server: ServedDesk) -> None:
    async with connect(f"{server.url}/vosk?punctuated=true&language=fr", proxy=None) as client:
        await client.send(json.dumps({"config": {"sample_rate": 16000.0, "words": 0, "x": [1]}}))
        for piece in pieces(PAUSED):
            await client.send(piece)
            answer = json.loads(await client.recv())
            assert set(answer) in ({"partial"}, {"text"})
        await client.send('{"reset" : 1}')
        first = json.loads(await client.recv())["text"]
        assert first
        await client.send(json.dumps({"config": {"max_alternatives": 2}}))
        for piece in pieces(AUDIO[len(PAUSED) :]):
            await client.send(piece)
            await client.recv()
        await client.send('{"eof" : 1}')
        (best,) = json.loads(await client.recv())["alternatives"]
        assert best["text"].endswith("w19.")
        assert best["confidence"] > 0


async def test_wyoming_transcribes_for_home_assistant(server: ServedDesk) -> None:
    async with open_wyoming(WyomingSettings(port=0), server.doorway) as listener:
        assert listener is not None
        events = await speak_wyoming(listener.port, AUDIO, language="fr")
        assert events[0].type == "transcript-start"
        assert [event.type for event in events][-2:] == ["transcript", "transcript-stop"]
        text = events[-2].data["text"]
        assert text == await native(server)
        chunks = [event.data["text"] for event in events if event.type == "transcript-chunk"]
        assert "".join(chunks) == text
        async with AsyncTcpClient("127.0.0.1", listener.port) as client:
            await client.write_event(Describe().event())
            described = await client.read_event()
            assert described is not None
            (program,) = Info.from_event(described).asr
            assert program.supports_transcript_streaming
            await client.write_event(Ping("hello").event())
            answered = await client.read_event()
            assert answered is not None
            assert answered.data["text"] == "hello"


@pytest.fixture(scope="module")
def whisperlive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return whisperlive_client(tmp_path_factory.mktemp("whisper-live"))
    except OSError as error:
        pytest.skip(f"the package index does not give whisper-live: {error}")


async def test_whisperlive_keeps_every_word(server: ServedDesk, whisperlive: Path) -> None:
    kept = await speak_whisperlive(
        whisperlive, server.port, AUDIO, lang="fr", word_timestamps=True, hotwords="Greffier"
    )
    text = "".join(segment["text"] for segment in kept["transcript"]).strip()
    assert text == await native(server)
    assert "code 1000" in kept["error"]  # how its library names a good end
    for listed in kept["lists"]:
        for segment in listed:
            assert f"{float(segment['start']):.3f}" == segment["start"]
            assert isinstance(segment["completed"], bool)
    assert kept["transcript"][0]["words"][0]["word"] == " w0"


@pytest.mark.parametrize("container", ["webm-opus", "ogg-opus", "flac", "mp4-fragmented"])
async def test_deepgram_decodes_other_containers(server: ServedDesk, container: str) -> None:
    sound = encoded(container, seconds=2.0)
    talk = await speak_deepgram(
        server.port, pieces(sound, 777), encoding=None, sample_rate=None, language="fr"
    )
    kept = server.audio(talk.messages[-1].session)
    assert len(kept) / 32_000 == pytest.approx(2.0, abs=0.1)
    assert talk.messages[-1].duration == pytest.approx(len(kept) / 32_000, abs=0.01)
