"""French and English through every real client: the text of the native protocol, word for word.

The policy decides at pauses alone: its commits are a function of the audio, however busy the
machine is and however fast a client sends. Under the default policy the words also rest on how
hurried the server was, which the session records; `benchmarks/protocols.py` measures that.
"""

import asyncio
import io
import json
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
import soxr

from greffier.protocol import AudioFormat
from greffier_server.child import ChildServer
from greffier_server.child_process import free_port
from tests.support.rivals import LIVE, RECORDED, Place, Speak, native, native_recorded
from tests.support.served_process import Clip, clip, error_rate
from tests.support.voices import whisperlive_client
from tests.support.weights import whisper_base_path
from tests.support.whip_peer import RATE as WEBRTC_RATE
from tests.support.whip_peer import ClipTrack, publishing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOKEN = "0123456789abcdef-of-nobody-at-all"
CLIPS = {"fr": clip("meeting-fr", turns=1), "en": clip("radio-en", turns=1)}


@dataclass
class House:
    """A running server, and what its own protocol makes of the clips."""

    child: ChildServer
    place: Place
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    async def text(self, speak: Speak, language: str, *, named: bool = True) -> str:
        """Of our own client; asked once."""
        key = (speak.__name__, language if named else f"{language}, not named")
        if key not in self.texts:
            said = language if named else "auto"
            self.texts[key] = await speak(self.place, CLIPS[language].pcm, said)
        return self.texts[key]

    async def all(self, clients: Mapping[str, Speak], language: str) -> dict[str, str]:
        """What each client is told of a clip; all speak at once."""
        pcm = CLIPS[language].pcm
        told = await asyncio.gather(*(say(self.place, pcm, language) for say in clients.values()))
        return dict(zip(clients, told, strict=True))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    wyoming = free_port()
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()),
        "GREFFIER_RECOGNITION__POLICY": "utterance",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_TOKENS": json.dumps({"default": TOKEN}),
        "GREFFIER_WYOMING__PORT": str(wyoming),
        "GREFFIER_LIMITS__MAX_SESSIONS": "16",
        "GREFFIER_LOG__LEVEL": "debug",
    }
    folder: Path | None = None
    try:
        folder = whisperlive_client(tmp_path_factory.mktemp("whisper-live"))
    except OSError as error:
        pytest.skip(f"the package index does not give whisper-live: {error}")
    with ChildServer(data_dir=tmp_path_factory.mktemp("house"), settings=settings) as child:
        yield House(child, Place(child.port, wyoming, folder, TOKEN))


@pytest.mark.parametrize("language", CLIPS)
def test_every_live_client_has_the_native_text(house: House, language: str) -> None:
    async def compare() -> None:
        expected = await house.text(native, language)
        assert error_rate(CLIPS[language].text, expected, language=language) < 0.5
        told = await house.all(LIVE, language)
        not_named = told.pop("vllm-realtime")  # its clients cannot name a language
        assert told == dict.fromkeys(told, expected)
        assert not_named == await house.text(native, language, named=False)

    asyncio.run(compare())


@pytest.mark.parametrize("language", CLIPS)
def test_every_client_with_a_recording_has_the_native_text(house: House, language: str) -> None:
    async def compare() -> None:
        expected = await house.text(native_recorded, language)
        assert error_rate(CLIPS[language].text, expected, language=language) < 0.5
        told = await house.all(RECORDED, language)
        assert told == dict.fromkeys(told, expected)

    asyncio.run(compare())


@pytest.mark.parametrize("language", CLIPS)
def test_what_webrtc_brought_has_the_native_text(house: House, language: str) -> None:
    """Opus is lossy, so its sound is another one; the same sound natively is the same text."""
    told, session = asyncio.run(_published(house, CLIPS[language], language))
    assert error_rate(CLIPS[language].text, told, language=language) < 0.5
    with wave.open(io.BytesIO(_kept(house, session))) as kept:
        pcm = kept.readframes(kept.getnframes())
        form = AudioFormat("pcm_s16le", kept.getframerate(), kept.getnchannels())
    assert asyncio.run(native(house.place, pcm, language, format=form)) == told


def _kept(house: House, session: str) -> bytes:
    return (
        httpx.get(
            f"{house.place.http}/v1/sessions/{session}/audio",
            params={"from_ms": 0, "to_ms": 60_000},
            headers={"X-Api-Key": TOKEN},
            trust_env=False,
            timeout=60,
        )
        .raise_for_status()
        .content
    )


async def _published(house: House, spoken: Clip, language: str) -> tuple[str, str]:
    samples = np.frombuffer(spoken.pcm, "<i2").astype("f4") / 32_768
    wide = (soxr.resample(samples, 16_000, WEBRTC_RATE) * 32_767).astype(np.int16)
    track = ClipTrack(wide[:, np.newaxis], pace=4.0)
    async with publishing(house.place.http, track, token=TOKEN) as peer:
        assert (await peer.publish(language=language)).status_code == 201
        async with asyncio.timeout(120):
            await track.played.wait()
            peer.channel.send('{"type": "finish"}')
            await peer.finished.wait()
        return peer.text.strip(), peer.session


def test_no_token_was_written_anywhere(house: House) -> None:
    """Last: every client above gave it, each in its own way, into a log that tells everything."""
    log = house.child.log.read_text(encoding="utf-8")
    for protocol in ("openai-realtime", "mistral", "deepgram", "vosk", "whisperlive", "wyoming"):
        assert protocol in log
    assert TOKEN not in log
    stored = [path for path in house.child.data_dir.rglob("*") if path.is_file()]
    assert stored
    assert not [path for path in stored if TOKEN.encode() in path.read_bytes()]
