"""Withheld passages and the audio of any stretch, over a real socket and a journal on disk."""

import io
import wave
from pathlib import Path

import httpx
import numpy as np
import pytest

from greffier.protocol import AudioFormat, Start
from greffier_server.core.events import TextWithheld
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.desk import disk_journal
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

RATE = 8_000
RAMP = np.arange(3 * RATE, dtype="<i2")
"""Three seconds in which every sample is another."""


def client(server: Served, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=server.http, trust_env=False, headers=headers)


def samples(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    with wave.open(io.BytesIO(content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2")


async def opened(server: Served, form: AudioFormat, tenant: str = "default") -> str:
    session, _ = await server.desk.open(tenant, Start(form, "fr"))
    await session.log.append(TextWithheld(1_200, 1_900, "stock_phrase", "Sous-titrage"))
    return session.id


async def test_what_was_withheld_can_be_read_and_heard(tmp_path: Path) -> None:
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE))
        kept = await journal.open("default", session)
        await kept.append(RAMP.tobytes())
        async with client(server) as http:
            (passage,) = (await http.get(f"/v1/sessions/{session}/withheld")).json()["withheld"]
            assert passage["reason"] == "stock_phrase"
            assert passage["text"] == "Sous-titrage"
            heard = await http.get(passage["audio"])
            assert heard.headers["content-type"] == "audio/wav"
            assert heard.headers["cache-control"] == "no-store"
            # A second around it: 200 to 2,900 ms.
            assert np.array_equal(samples(heard.content), RAMP[1_600:23_200])


async def test_a_session_that_goes_on_is_not_sealed_by_a_listener(tmp_path: Path) -> None:
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE))
        kept = await journal.open("default", session)
        await kept.append(RAMP.tobytes())
        async with client(server) as http:
            path = f"/v1/sessions/{session}/audio?from_ms=0&to_ms=60000"
            assert len(samples((await http.get(path)).content)) == len(RAMP)
            await kept.append(RAMP.tobytes())
            assert len(samples((await http.get(path)).content)) == 2 * len(RAMP)


async def test_a_finished_session_is_heard_and_let_go(tmp_path: Path) -> None:
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE))
        kept = await journal.open("default", session)
        await kept.append(RAMP.tobytes())
        await kept.seal()
        await server.desk.sessions[session].complete()
        async with client(server) as http:
            for _ in range(2):
                answer = await http.get(f"/v1/sessions/{session}/audio?from_ms=1000&to_ms=1001")
                assert np.array_equal(samples(answer.content), RAMP[8_000:8_008])
        assert await journal.open("default", session) is not kept


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "pcm_f32le"])
async def test_every_encoding_and_channel_becomes_one_of_16_bits(
    tmp_path: Path, encoding: str
) -> None:
    form = AudioFormat(encoding=encoding, rate=RATE, channels=2)  # type: ignore[arg-type]
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, form)
        await (await journal.open("default", session)).append(bytes(form.frame_bytes * RATE))
        async with client(server) as http:
            answer = await http.get(f"/v1/sessions/{session}/audio?from_ms=0&to_ms=500")
            assert len(samples(answer.content)) == RATE // 2


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("from_ms=0", 422, "invalid_request"),
        ("from_ms=-1&to_ms=5", 422, "invalid_request"),
        ("from_ms=x&to_ms=5", 422, "invalid_request"),
        ("from_ms=5&to_ms=5", 400, "bad_request"),
        ("from_ms=9&to_ms=5", 400, "bad_request"),
        ("from_ms=0&to_ms=3600001", 400, "bad_request"),
        ("from_ms=3000&to_ms=4000", 404, "no_audio"),
        (f"from_ms={2**53 - 2}&to_ms={2**53 - 1}", 404, "no_audio"),
    ],
)
async def test_bounds(tmp_path: Path, query: str, status: int, code: str) -> None:
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE))
        await (await journal.open("default", session)).append(RAMP.tobytes())
        async with client(server) as http:
            answer = await http.get(f"/v1/sessions/{session}/audio?{query}")
            assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_no_recording_is_said_so(tmp_path: Path) -> None:
    async with disk_journal(tmp_path) as journal, served(journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE))
        async with client(server) as http:
            answer = await http.get(f"/v1/sessions/{session}/audio?from_ms=0&to_ms=5")
            assert (answer.status_code, answer.json()["code"]) == (404, "no_audio")
            unknown = await http.get("/v1/sessions/nobody/audio?from_ms=0&to_ms=5")
            assert (unknown.status_code, unknown.json()["code"]) == (404, "session_not_found")
        assert not (tmp_path / "default" / session).exists()


async def test_only_the_owner_hears(tmp_path: Path) -> None:
    tokens = ("token-of-the-first", "token-of-the-second")
    settings = Settings(
        tokens=tuple(
            TenantToken(tenant=f"t{i}", digest=hash_token(token)) for i, token in enumerate(tokens)
        )
    )
    async with disk_journal(tmp_path) as journal, served(settings, journal=journal) as server:
        session = await opened(server, AudioFormat(rate=RATE), "t0")
        await (await journal.open("t0", session)).append(RAMP.tobytes())
        for path in ("withheld", "audio?from_ms=0&to_ms=5"):
            for token, status in ((tokens[0], 200), (tokens[1], 404), ("", 401), ("wrong", 403)):
                async with client(server, token) as http:
                    answer = await http.get(f"/v1/sessions/{session}/{path}")
                    assert answer.status_code == status
