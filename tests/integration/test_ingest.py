"""``greffier ingest`` with streams that FFmpeg makes: RTP to a port, and HTTP that breaks off."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from greffier_server.core.events import GapFound
from greffier_server.ingest.audio_socket import answer_calls
from greffier_server.ingest.carrying import Destination, carry
from greffier_server.ingest.command import ingest
from greffier_server.ingest.pull_source import PullSource
from greffier_server.ingest.rtp_source import RtpSource, parse_session
from greffier_server.ingest.sources import Source, SourceUnusable
from tests.support.containers import encoded, sine
from tests.support.served import Served, served, until

pytestmark = pytest.mark.integration


def send_rtp(port: int, codec: str, rate: int, *, seconds: float, channels: int = 1) -> None:
    """Send a tone as FFmpeg does."""
    layout = "stereo" if channels == 2 else "mono"
    with av.open(f"rtp://127.0.0.1:{port}", "w", format="rtp") as opened:
        container = cast("Any", opened)
        stream = container.add_stream(codec, rate=rate, layout=layout)
        convert = av.AudioResampler(
            format=str(stream.codec_context.format.name), layout=layout, rate=rate, frame_size=960
        )
        samples = sine(440, seconds, rate=rate, channels=channels)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        pause = threading.Event()
        for part in convert.resample(frame):
            for packet in stream.encode(part):
                container.mux(packet)
                pause.wait(0.002)
        for packet in stream.encode(None):
            container.mux(packet)


@asynccontextmanager
async def carrying(server: Served, source: Source) -> AsyncGenerator[Callable[[], None]]:
    stop = asyncio.Event()
    destination = Destination(server.http, language="fr")
    running = asyncio.create_task(carry(source, destination, stop=stop))
    try:
        yield stop.set
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await running


def heard(server: Served) -> NDArray[np.float64]:
    session = server.desk.only()
    sound = np.frombuffer(bytes(session.audio), "<i2").reshape(-1, session.format.channels)
    return sound[:, 0].astype(np.float64)


def pitch(sound: NDArray[np.float64], rate: int) -> float:
    part = sound[rate // 4 : rate // 4 + rate // 2]
    return 2.0 * int(np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part))))))


@pytest.mark.parametrize(
    ("codec", "rate", "channels"),
    [("pcm_mulaw", 8_000, 1), ("pcm_alaw", 8_000, 1), ("pcm_s16be", 44_100, 2)],
)
async def test_rtp_of_a_static_payload_type(codec: str, rate: int, channels: int) -> None:
    source = RtpSource("127.0.0.1", 0)
    await source.listen()
    async with served() as server, carrying(server, source):
        await asyncio.to_thread(send_rtp, source.port, codec, rate, seconds=1.5, channels=channels)
        await until(lambda: server.desk.sessions and len(heard(server)) >= rate)
        assert server.desk.only().format.rate == rate
        assert server.desk.only().format.channels == channels
        assert pitch(heard(server), rate) == pytest.approx(440, abs=2)
    source.close()


async def test_rtp_of_opus_by_its_session_description() -> None:
    forms = parse_session("v=0\r\nm=audio 5004 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n")
    source = RtpSource("127.0.0.1", 0, forms=forms, sender="127.0.0.1")
    await source.listen()
    async with served() as server, carrying(server, source):
        await asyncio.to_thread(send_rtp, source.port, "libopus", 48_000, seconds=1.5)
        await until(lambda: server.desk.sessions and len(heard(server)) >= 40_000)
        assert pitch(heard(server), 48_000) == pytest.approx(440, abs=2)
    source.close()


async def test_a_stream_that_breaks_off_is_fetched_again_and_the_time_between_is_a_gap() -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-name: essai\r\n\r\n")
        writer.write(encoded("mp3", seconds=1.0 if asked == 1 else 0.25, hz=440.0 * min(asked, 2)))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    radio = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = radio.sockets[0].getsockname()[1]
    source = PullSource(f"http://user:secret@127.0.0.1:{port}/live.mp3", timeout_s=5)
    assert "secret" not in source.name
    async with served() as server:
        async with carrying(server, source):
            await until(lambda: asked >= 2)
            gaps: list[GapFound] = []
            while not gaps:
                await asyncio.sleep(0.02)
                events = [record.event for record in server.desk.only().log.records]
                gaps = [event for event in events if isinstance(event, GapFound)]
        sound = heard(server)
    radio.close()
    assert gaps[0].cause == "source_lost"
    assert gaps[0].from_ms == pytest.approx(1_000, abs=100)
    # It is asked again after a second, and a quarter of that is sent at once.
    assert gaps[0].to_ms - gaps[0].from_ms >= 650
    assert not sound[gaps[0].from_ms * 16 + 16 : gaps[0].to_ms * 16 - 16].any()
    assert pitch(sound, 16_000) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "concat:a|b",
        "rtp://nowhere",
        "http://",
        "rtp://[:5",
        "audiosocket://x",
    ],
)
def test_what_is_no_stream_is_refused(address: str) -> None:
    done = CliRunner().invoke(ingest, [address])
    assert done.exit_code == 1
    assert "Error:" in done.output


def test_a_description_without_sound_is_refused() -> None:
    with pytest.raises(SourceUnusable, match="Opus"):
        parse_session("v=0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")


async def test_every_call_is_a_session() -> None:
    stop = asyncio.Event()
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    tone = np.rint(sine(440, 1.0, rate=8_000)[:, 0] * 32_767).astype("<i2").tobytes()
    async with served() as server:
        destination = Destination(server.http, language="fr", title="Standard")
        running = asyncio.create_task(
            answer_calls("127.0.0.1", 0, destination, stop=stop, listening=listening, calls=1)
        )
        port = await listening
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x01\x00\x10" + bytes(range(16)))
        for at in range(0, len(tone), 320):
            writer.write(b"\x10\x01\x40" + tone[at : at + 320])
        writer.write(b"\x03\x00\x015")  # a key was pressed
        await until(lambda: server.desk.sessions and len(heard(server)) == 8_000)
        reader, second = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""  # one at once was allowed
        second.close()
        writer.write(b"\x00\x00\x00")
        await until(lambda: server.desk.only().finished)
        assert pitch(heard(server), 8_000) == pytest.approx(440, abs=2)
        row = await server.store.get("default", server.desk.only().id)
        assert row is not None
        assert row.title == "Standard 000102030405060708090a0b0c0d0e0f"
        writer.close()
        stop.set()
        async with asyncio.timeout(30):
            await running
