"""Recordings sent whole: a session like any other, decoded in a process of its own."""

import asyncio
import io
import os
import wave
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import av
import pytest

from greffier.protocol import AudioFormat, Caption, Finished, ServerMessage, Start
from greffier_server.core.events import SessionFinished, SessionStarted
from greffier_server.errors import ServerBusy
from greffier_server.services import Readiness, Services
from greffier_server.settings import LimitSettings, Settings
from greffier_server.telemetry import Metrics
from greffier_server.transport import uploads
from greffier_server.transport.auth import Gate
from greffier_server.transport.guest import Doorway
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.sealed_file import SealedFile
from greffier_server.transport.stopping import Connections
from greffier_server.transport.upload_errors import (
    RecordingTooLarge,
    RecordingTooLong,
    RecordingTooSlow,
    RecordingUnreadable,
)
from greffier_server.transport.uploads import Uploads
from greffier_server.upload_settings import UploadSettings
from tests.support.desk import TENANT, DeskKit, as_bytes, desk_kit
from tests.support.recordings import Recording, recording_of

pytestmark = pytest.mark.integration

START = Start(language="fr", minutes=False)
SPOKEN = recording_of([(200, 300), (100, 300), (2_000, 400), (60, 300)], stops=[1, 3], end_ms=500)


def wav(recording: Recording = SPOKEN, *, channels: int = 1) -> bytes:
    """A WAV file."""
    pcm = as_bytes(recording.pcm)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"".join(pcm[at : at + 2] * channels for at in range(0, len(pcm), 2)))
    return out.getvalue()


def stored(content: bytes) -> SealedFile:
    """As the server keeps it."""
    file = SealedFile()
    file.write(content)
    file.finish()
    return file


@dataclass
class Kit:
    """A desk behind a door, without a socket."""

    desk: DeskKit
    connections: Connections
    uploads: Uploads

    async def read(
        self, content: bytes, start: Start = START, *, raw: bool = False
    ) -> list[ServerMessage]:
        with stored(content) as file:
            messages = self.uploads.transcribe(TENANT, file, start, protocol="test", raw=raw)
            return [message async for message in messages]

    async def sessions(self) -> list[str]:
        return [row.session for row in await self.desk.store.list(TENANT)]


@asynccontextmanager
async def kit(
    limits: LimitSettings | None = None, settings: UploadSettings | None = None
) -> AsyncGenerator[Kit, None]:
    async with desk_kit() as desk:
        services = Services(
            desk=desk.desk,
            store=desk.store,
            metrics=Metrics(),
            readiness=lambda: Readiness(ready=True),
        )
        connections = Connections(limit=8)
        door = Doorway(services, Gate(Settings()), limits or LimitSettings(), connections)
        yield Kit(desk, connections, Uploads(door, settings or UploadSettings()))


def text(messages: list[ServerMessage]) -> str:
    return "".join(message.committed for message in messages if isinstance(message, Caption))


async def test_a_recording_becomes_a_session_with_word_times() -> None:
    async with kit() as here:
        messages = await here.read(wav())
        assert isinstance(messages[-1], Finished)
        assert text(messages) == "".join(SPOKEN.texts)
        words = [
            word for message in messages if isinstance(message, Caption) for word in message.words
        ]
        assert [(word.start_ms, word.end_ms) for word in words] == [
            (word.start_ms, word.end_ms) for word in SPOKEN.words
        ]
        [session] = await here.sessions()
        events = await here.desk.events(session)
        assert isinstance(events[0], SessionStarted)
        assert events[0].recorded
        assert isinstance(events[-1], SessionFinished)
        assert bytes(here.desk.disk.files[TENANT, session]) == as_bytes(SPOKEN.pcm)


async def test_raw_audio_and_separate_channels() -> None:
    async with kit() as here:
        raw = await here.read(as_bytes(SPOKEN.pcm) + b"\x00", START, raw=True)
        assert text(raw) == "".join(SPOKEN.texts)
        both = Start(
            format=AudioFormat(channels=2), language="fr", minutes=False, channels="separate"
        )
        separate = await here.read(wav(channels=2), both)
        speakers = {m.speaker for m in separate if isinstance(m, Caption) and m.committed}
        assert speakers == {"1", "2"}
        assert len(text(separate)) == 2 * len("".join(SPOKEN.texts))


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("mp3", "mp3", 44_100),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("mp4", "aac", 44_100),
        ("flac", "flac", 24_000),
        ("aiff", "pcm_s24be", 96_000),
    ],
)
async def test_what_people_send_is_decoded(container: str, codec: str, rate: int) -> None:
    content = await asyncio.to_thread(_encoded, container, codec, rate)
    async with kit() as here:
        await here.read(content)
        [session] = await here.sessions()
        decoded_ms = len(here.desk.disk.files[TENANT, session]) / 32
        assert decoded_ms == pytest.approx(SPOKEN.duration_ms, abs=100)


def _encoded(container: str, codec: str, rate: int) -> bytes:
    pyav: Any = av  # its types are partial
    out = io.BytesIO()
    with pyav.open(out, "w", format=container) as file, pyav.open(io.BytesIO(wav())) as source:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = "mono"
        resampler = pyav.AudioResampler(
            format=stream.format.name, layout="mono", rate=rate, frame_size=stream.frame_size
        )
        for frame in (*source.decode(audio=0), None):
            for part in resampler.resample(frame):
                file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no recording at all" * 100,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        os.urandom(50_000),
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\x89PNG\r\n\x1a\n" + bytes(1_000),
    ],
    ids=["empty", "text", "cut-header", "noise", "hls", "concat", "picture"],
)
async def test_what_is_no_recording_opens_no_session(content: bytes) -> None:
    async with kit() as here:
        with pytest.raises(RecordingUnreadable):
            await here.read(content)
        assert await here.sessions() == []


async def test_a_recording_beyond_the_hours_is_refused() -> None:
    async with kit(LimitSettings(max_session_hours=2 / 3600)) as here:
        with pytest.raises(RecordingTooLong):
            await here.read(wav())
        assert await here.sessions() == []
        with pytest.raises(RecordingTooLong):  # it does not say beforehand how long it is
            await here.read(as_bytes(SPOKEN.pcm), raw=True)
        lying = bytearray(wav())
        lying[40:44] = (8_000).to_bytes(4, "little")
        assert text(await here.read(bytes(lying))) in "".join(SPOKEN.texts)


async def test_bytes_and_places_are_limited() -> None:
    async with kit(settings=UploadSettings(max_mb=1, at_once=1)) as here:

        async def body(count: int) -> AsyncIterator[bytes]:
            for _ in range(count):
                yield bytes(500_000)

        async with here.uploads.stored(body(2)) as file:
            assert await asyncio.to_thread(os.fstat, file.fileno())
        with pytest.raises(RecordingTooLarge):
            async with here.uploads.stored(body(3)):
                pytest.fail("it was taken")
        with here.uploads.place(), pytest.raises(ServerBusy), here.uploads.place():
            pytest.fail("there was a place")
        here.connections.stop()
        with pytest.raises(ServerStopping), here.uploads.place():
            pytest.fail("there was a place")


async def test_a_body_that_hardly_comes_gives_its_place_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_GRACE_S", 0.2)

    async def body() -> AsyncIterator[bytes]:
        yield bytes(100)  # for a twentieth of a second
        await asyncio.sleep(60)

    async with kit() as here:
        with pytest.raises(RecordingTooSlow):
            async with here.uploads.stored(body()):
                pytest.fail("it was taken")


async def test_who_leaves_early_ends_the_session_and_the_decoder() -> None:
    async with kit() as here:
        with stored(wav()) as file:
            messages = here.uploads.transcribe(TENANT, file, START, protocol="test")
            await anext(messages)
            await messages.aclose()
        await here.desk.ended()
        [session] = await here.sessions()
        assert isinstance((await here.desk.events(session))[-1], SessionFinished)
