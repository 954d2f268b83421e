"""Real speech through each foreign protocol: the same words as in the native one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from greffier_server.child import ChildServer
from greffier_server.child_process import free_port
from tests.support.served_process import Clip, clip, error_rate, speak
from tests.support.voices import (
    deepgram_client,
    pieces,
    speak_deepgram,
    speak_vosk,
    speak_whisperlive,
    speak_wyoming,
    whisperlive_client,
)
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOKEN = "a-token-long-enough"


@pytest.fixture(scope="module")
def wyoming_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, wyoming_port: int) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
        # Decides at pauses alone, so that equal audio gives equal words however busy the machine.
        "GREFFIER_RECOGNITION__POLICY": "utterance",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_WYOMING__PORT": str(wyoming_port),
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("voices"), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def spoken() -> Clip:
    return clip("radio-en", turns=2)


@pytest.fixture(scope="module")
def native(server: ChildServer, spoken: Clip) -> str:
    text = asyncio.run(speak(server, spoken.pcm, language="en", minutes=False)).text
    assert error_rate(spoken.text, text, language="en") < 0.5
    return text


async def test_live_protocols_give_the_native_words(
    server: ChildServer, wyoming_port: int, spoken: Clip, native: str
) -> None:
    talk = await speak_deepgram(server.port, pieces(spoken.pcm), language="en-US")
    assert talk.text == native
    events = await speak_wyoming(wyoming_port, spoken.pcm, language="en")
    assert events[-2].data["text"] == native
    results = await speak_vosk(f"{server.url}/?language=en&punctuated=true", spoken.pcm)
    assert " ".join(result["text"] for result in results if result["text"]) == native


async def test_whisperlive_gives_the_native_words(
    server: ChildServer, spoken: Clip, native: str, tmp_path: Path
) -> None:
    try:
        folder = await asyncio.to_thread(whisperlive_client, tmp_path)
    except OSError as error:
        pytest.skip(f"the package index does not give whisper-live: {error}")
    kept = await speak_whisperlive(folder, server.port, spoken.pcm, lang="en")
    assert "".join(segment["text"] for segment in kept["transcript"]).strip() == native


async def test_a_recording_gives_the_words(
    server: ChildServer, spoken: Clip, tmp_path: Path
) -> None:
    recording = spoken.write(tmp_path / "clip.wav").read_bytes()
    async with httpx.AsyncClient(trust_env=False, timeout=120) as over:
        answer: Any = await deepgram_client(server.port, over=over).listen.v1.media.transcribe_file(
            request=recording, model="nova-3", language="en"
        )
    text = answer.results.channels[0].alternatives[0].transcript
    assert error_rate(spoken.text, text, language="en") < 0.5


async def test_telephone_audio_is_understood(server: ChildServer, spoken: Clip) -> None:
    narrow = _mulaw(np.frombuffer(spoken.pcm, dtype="<i2")[::2])
    talk = await speak_deepgram(
        server.port, pieces(narrow, 800), language="en", encoding="mulaw", sample_rate=8_000
    )
    assert error_rate(spoken.text, talk.text, language="en") < 0.6


def _mulaw(pcm: Any) -> bytes:
    """ITU-T G.711, by the formula."""
    sample = np.clip(pcm.astype(np.int32), -32_635, 32_635)
    magnitude = np.abs(sample) + 0x84
    exponent = np.clip(np.floor(np.log2(magnitude)).astype(np.int32) - 7, 0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
