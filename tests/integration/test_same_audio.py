"""What recognition hears is what was said, byte for byte, whichever client said it.

Needs no model. From here on recognition is a function of these bytes and of the decisions that the
clock made and that are recorded (ADR 24), so equal bytes and equal decisions are equal commits.
"""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

import greffier
from greffier.exchange import exchange
from greffier.protocol import AudioFormat
from greffier_server.core.events import SessionStarted
from greffier_server.pipeline.feed import FrameDecoder
from greffier_server.transport.wyoming.listener import open_wyoming
from greffier_server.wyoming_settings import WyomingSettings
from tests.support.rivals import LIVE, RECORDED, Place, native, native_recorded
from tests.support.served_desk import ServedDesk, served_desk
from tests.support.spoken import AUDIO, SPEECH
from tests.support.voices import pieces, whisperlive_client

pytestmark = pytest.mark.integration

TEXT = "".join(SPEECH.texts).strip()
CLIENTS = {"native": native, "native-file": native_recorded, **LIVE, **RECORDED}


@pytest.fixture(scope="module")
def whisperlive(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    try:
        return whisperlive_client(tmp_path_factory.mktemp("whisper-live"))
    except OSError:
        return None


@asynccontextmanager
async def serving(whisperlive: Path | None) -> AsyncGenerator[tuple[ServedDesk, Place], None]:
    async with (
        served_desk(max_sessions=4) as server,
        open_wyoming(WyomingSettings(port=0), server.doorway) as wyoming,
    ):
        assert wyoming is not None
        yield server, Place(server.port, wyoming.port, whisperlive)


async def heard(server: ServedDesk) -> list[str]:
    """Digests of what the recogniser was given of each session's journal: 16 kHz, s16."""
    digests: list[str] = []
    for session in await server.sessions():
        begun = next(e for e in await server.events(session) if isinstance(e, SessionStarted))
        kept = server.audio(session)
        samples = FrameDecoder(begun.format).decode(kept, last=True)
        digests.append(digest(samples.astype("<i2").tobytes()))
    return digests


def digest(audio: bytes) -> str:
    return hashlib.sha256(audio).hexdigest()


@pytest.mark.parametrize("name", CLIENTS)
async def test_every_client_is_heard_to_the_byte(name: str, whisperlive: Path | None) -> None:
    if name == "whisperlive" and whisperlive is None:
        pytest.skip("the package index does not give whisper-live")
    async with serving(whisperlive) as (server, place):
        assert await CLIENTS[name](place, AUDIO, "fr") == TEXT
        assert await heard(server) == [digest(AUDIO)]


@pytest.mark.parametrize("samples", [1, 3_333, len(AUDIO) // 2])
async def test_cuts_change_nothing(samples: int) -> None:
    """From a sample a message (few of them: floods are refused) to everything in one."""
    audio = AUDIO[: 2 * min(500 * samples, len(AUDIO) // 2)]

    async def chunks() -> AsyncGenerator[bytes, None]:
        for piece in pieces(audio, 2 * samples):
            yield piece

    async with served_desk() as server:
        async with greffier.connect(server.url, language="fr", minutes=False) as session:
            async for _ in exchange(session, chunks()):
                pass
        assert await heard(server) == [digest(audio)]


async def test_a_wrong_sample_would_be_seen() -> None:
    """The comparison is one that can fail: one bit in the middle, and resampled sound."""
    other = bytearray(AUDIO)
    other[len(AUDIO) // 2] ^= 1
    faster = np.repeat(np.frombuffer(AUDIO, "<i2"), 2).astype("<i2").tobytes()
    async with serving(None) as (server, place):
        await native(place, bytes(other), "fr")
        await native(place, faster, "fr", format=AudioFormat("pcm_s16le", 32_000))
        told = {*await heard(server)}
    assert len(told) == 2
    assert digest(bytes(other)) in told
    assert digest(AUDIO) not in told
