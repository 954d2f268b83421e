"""``greffier ingest`` from what FFmpeg serves: a live HLS list, a web radio, RTP; cut and taken up.

Each sender is a process that is killed in the middle and started again, as radios and gateways are.
"""

import asyncio
import functools
import http.server
import shutil
import socket
import subprocess
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_server.core.events import GapFound
from greffier_server.ingest.carrying import Destination, carry
from greffier_server.ingest.pull_source import PullSource
from greffier_server.ingest.rtp_source import RtpSource, parse_session
from greffier_server.ingest.sources import Source
from tests.support.served import Served, served, until

pytestmark = pytest.mark.integration

HZ = (440, 880)
"""What the first and the second sender of a stream play."""


@contextmanager
def sender(tone_hz: int, *output: str, seconds: int = 60) -> Generator[subprocess.Popen[bytes]]:
    """FFmpeg that plays a tone in real time; killed at the end of the block."""
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg, "this test needs a real sender: apt-get install ffmpeg"
    process = subprocess.Popen(
        [
            *(ffmpeg, "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"),
            *("-i", f"sine=frequency={tone_hz}:sample_rate=48000:duration={seconds}"),
            *output,
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def carrying(server: Served, source: Source) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(carry(source, Destination(server.http), stop=stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await running


def sound(server: Served) -> NDArray[np.int16]:
    if not server.desk.sessions:
        return np.zeros(0, np.int16)
    session = server.desk.only()
    whole = np.frombuffer(bytes(session.audio), "<i2")
    return whole.reshape(-1, session.format.channels)[:, 0]


def gaps(server: Served) -> list[GapFound]:
    if not server.desk.sessions:
        return []
    events = [record.event for record in server.desk.only().log.records]
    return [event for event in events if isinstance(event, GapFound)]


def pitch(part: NDArray[np.int16], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return int(np.argmax(spectrum)) * rate / len(part)


def check(server: Served, cause: str) -> None:
    """First tone, silence that is told, second tone, each in its place."""
    rate = server.desk.only().format.rate
    whole = sound(server)
    # From 0 on it is told that the sender was not there yet when the session began.
    told = [gap for gap in gaps(server) if gap.cause == cause and gap.from_ms > 0]
    begin, end = told[0].from_ms * rate // 1000, told[-1].to_ms * rate // 1000
    half = rate // 2
    assert pitch(whole[begin - half - rate // 10 : begin - rate // 10], rate) == pytest.approx(
        HZ[0], abs=4
    )
    for gap in told:  # a list may break off once more before the new one is whole
        inside = whole[gap.from_ms * rate // 1000 : gap.to_ms * rate // 1000]
        assert not inside[rate // 100 : -rate // 100].any()
    assert pitch(whole[end + rate // 10 : end + half + rate // 10], rate) == pytest.approx(
        HZ[1], abs=4
    )


async def heard_through_a_cut(server: Served, first: Sequence[str], again: Sequence[str]) -> None:
    """Let one sender play for a while, kill it, and let another one play."""
    with sender(HZ[0], *first):
        await until(lambda: server.desk.sessions)
        await until(lambda: len(sound(server)) >= 1.2 * server.desk.only().format.rate)
    with sender(HZ[1], *again):
        await until(lambda: any(gap.from_ms > 0 for gap in gaps(server)))
        after = len(sound(server))
        await until(lambda: len(sound(server)) >= after + server.desk.only().format.rate)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_web_radio_that_is_cut() -> None:
    """As Icecast serves it: endless MP3 over HTTP. The server is gone, and comes back."""
    port = free_port()
    radio = (
        "-f",
        "mp3",
        "-content_type",
        "audio/mpeg",
        "-listen",
        "1",
        f"http://127.0.0.1:{port}/net.mp3",
    )
    source = PullSource(f"http://127.0.0.1:{port}/net.mp3", timeout_s=5)
    async with served() as server, carrying(server, source):
        await heard_through_a_cut(server, radio, radio)
    check(server, "source_lost")


@pytest.mark.parametrize(
    ("codec", "rate", "channels"), [("pcm_mulaw", 8_000, 1), ("pcm_s16be", 44_100, 2)]
)
async def test_rtp_whose_sender_begins_anew(codec: str, rate: int, channels: int) -> None:
    source = RtpSource("127.0.0.1", 0)
    await source.listen()
    rtp = (
        *("-c:a", codec, "-ar", str(rate), "-ac", str(channels)),
        *("-f", "rtp", f"rtp://127.0.0.1:{source.port}"),
    )
    async with served() as server, carrying(server, source):
        await heard_through_a_cut(server, rtp, rtp)
        assert server.desk.only().format.rate == rate
    source.close()
    check(server, "stream_restarted")


async def test_opus_by_rtp_as_ffmpeg_describes_it(tmp_path: Path) -> None:
    description = tmp_path / "opus.sdp"
    port = free_port() & ~1
    output = (
        "-c:a",
        "libopus",
        "-f",
        "rtp",
        "-sdp_file",
        str(description),
        f"rtp://127.0.0.1:{port}",
    )
    with sender(HZ[0], *output):
        await until(lambda: description.exists() and "opus" in description.read_text("utf-8"))
        text = await asyncio.to_thread(description.read_text, "utf-8")
        source = RtpSource("127.0.0.1", port, forms=parse_session(text))
        await source.listen()
        async with served() as server, carrying(server, source):
            await until(lambda: len(sound(server)) >= 48_000)
            assert pitch(sound(server)[24_000:48_000], 48_000) == pytest.approx(HZ[0], abs=4)
        source.close()


class _Web(http.server.ThreadingHTTPServer):
    """A web server in front of a packager of HLS; notes what is fetched."""

    def __init__(self, folder: Path) -> None:
        self.fetched: list[str] = []
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args
        assert isinstance(self.server, _Web)
        self.server.fetched.append(self.path)


@contextmanager
def web_server(folder: Path) -> Generator[_Web]:
    with _Web(folder) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join()


async def test_a_live_hls_list_whose_packager_dies(tmp_path: Path) -> None:
    """The list stays and grows no more: what it still lists is fetched again, and heard once."""

    def hls(first: int) -> list[str]:
        return [
            *("-c:a", "aac", "-f", "hls", "-hls_time", "0.5", "-hls_list_size", "4"),
            *("-hls_flags", "delete_segments+omit_endlist", "-start_number", str(first)),
            str(tmp_path / "live.m3u8"),
        ]

    def fetched_again() -> bool:
        segments = [path for path in web.fetched if path.endswith(".ts")]
        return len(segments) > len(set(segments))

    with web_server(tmp_path) as web:
        source = PullSource(f"http://127.0.0.1:{web.server_port}/live.m3u8", timeout_s=1.5)
        with ExitStack() as stack:
            stack.enter_context(sender(HZ[0], *hls(0)))
            await until((tmp_path / "live.m3u8").exists)
            async with served() as server, carrying(server, source):
                await until(lambda: len(sound(server)) >= 20_000)
                stack.close()
                await until(fetched_again)
                heard = len(sound(server))
                with sender(HZ[1], *hls(100)):
                    await until(lambda: gaps(server))
                    after = len(sound(server))
                    await until(lambda: len(sound(server)) >= after + 16_000)
    check(server, "source_lost")
    assert gaps(server)[0].from_ms == pytest.approx(heard / 16, abs=1)
