"""The same words over WebRTC, in a container, by RTP and as plain PCM, with a real recogniser."""

import asyncio
import io
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.corpora import RATE
from greffier.protocol import AudioFormat
from greffier_server.child import ChildServer
from greffier_server.media.resampling import Resampler
from tests.support.served_process import Clip, ask, checked_events, clip, environment, error_rate
from tests.support.served_process import speak as speak_natively
from tests.support.weights import whisper_tiny_path
from tests.support.whip_peer import ClipTrack, publishing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PACE = 6.0
WORST_ERROR_RATE = 0.35
"""Of sixteen words of a radio net, by the smallest model there is."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("media"), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def spoken() -> Clip:
    return clip("radio-en", turns=2)


def test_plain_pcm_is_heard(server: ChildServer, spoken: Clip) -> None:
    """What the others are held against."""
    talk = asyncio.run(speak_natively(server, spoken.pcm, language="en"))
    assert error_rate(spoken.text, talk.text, language="en") < WORST_ERROR_RATE


def studio(spoken: Clip) -> NDArray[np.int16]:
    """At 48 kHz, rows are samples."""
    samples = np.frombuffer(spoken.pcm, "<i2").astype(np.float32)[:, np.newaxis] / np.float32(2**15)
    resampler = Resampler(RATE, 48_000, channels=1)
    whole = np.concatenate([resampler.feed(samples), resampler.flush()])
    return np.clip(np.rint(whole * 32_767), -32_768, 32_767).astype(np.int16)


def text_of(server: ChildServer, session: str) -> str:
    events = checked_events(server, session)
    committed = [e["event"] for e in events if e["event"]["type"] == "WordsCommitted"]
    return "".join(word["text"] for event in committed for word in event["words"])


async def test_webrtc_is_heard_like_pcm(server: ChildServer, spoken: Clip) -> None:
    track = ClipTrack(studio(spoken), pace=PACE)
    async with publishing(server.url.replace("ws:", "http:"), track) as peer:
        assert (await peer.publish(language="en", minutes="false")).status_code == 201
        await track.played.wait()
        peer.channel.send('{"type": "finish"}')
        async with asyncio.timeout(60):
            await peer.finished.wait()
        text = peer.text
    assert error_rate(spoken.text, text, language="en") < WORST_ERROR_RATE
    assert not peer.of("gap")
    assert ask(server, f"/v1/sessions/{peer.session}/captions?format=txt").status == 200


async def test_a_container_is_heard_like_pcm(server: ChildServer, spoken: Clip) -> None:
    whole = webm(studio(spoken))
    form = AudioFormat("encoded", RATE, 1)
    assert len(whole) < len(spoken.pcm) // 4
    text = await spoken_as(server, form, whole)
    assert error_rate(spoken.text, text, language="en") < WORST_ERROR_RATE


async def test_rtp_is_heard_like_pcm(server: ChildServer, spoken: Clip, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "greffier_server.ingest.command", "rtp://127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *arguments,
        "--server",
        server.url,
        "-l",
        "en",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    async with asyncio.timeout(60):
        listening = (await process.stderr.readline()).decode()
        await asyncio.to_thread(send_rtp, int(listening.split()[-1]), studio(spoken))
        process.send_signal(2)
        printed, said = await process.communicate()
    assert process.returncode == 0, said
    assert error_rate(spoken.text, printed.decode(), language="en") < WORST_ERROR_RATE
    session = said.decode().split()[1]
    assert text_of(server, session).strip() == printed.decode().strip()


async def spoken_as(server: ChildServer, form: AudioFormat, audio: bytes) -> str:
    """Speak over a bare socket: our own client sends PCM."""
    import json

    from websockets.asyncio.client import connect
    from websockets.typing import Subprotocol

    text = ""
    start = {
        "type": "start",
        "format": {"encoding": form.encoding, "rate": form.rate, "channels": form.channels},
        "language": "en",
    }
    address = f"{server.url}/v1/live"
    async with connect(address, subprotocols=[Subprotocol("greffier.v1")], proxy=None) as socket:
        await socket.send(json.dumps(start))
        for at in range(0, len(audio), 4_000):
            await socket.send(audio[at : at + 4_000])
        await socket.send(json.dumps({"type": "finish"}))
        async with asyncio.timeout(60):
            async for frame in socket:
                message = json.loads(frame)
                assert message["type"] != "error", message
                text += message.get("committed", "") if message["type"] == "caption" else ""
    return text


def webm(samples: NDArray[np.int16]) -> bytes:
    """As MediaRecorder of a browser writes it."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm", options={"live": "1"}) as opened:
        encode(cast("Any", opened), "libopus", 48_000, samples)
    return file.getvalue()


def send_rtp(port: int, samples: NDArray[np.int16]) -> None:
    """As a radio gateway does: G.711, faster than real time."""
    with av.open(f"rtp://127.0.0.1:{port}", "w", format="rtp") as opened:
        encode(cast("Any", opened), "pcm_alaw", 8_000, samples, pause_s=0.02 / PACE)


def encode(
    container: Any, codec: str, rate: int, samples: NDArray[np.int16], *, pause_s: float = 0.0
) -> None:
    import time

    stream = container.add_stream(codec, rate=rate, layout="mono")
    wanted = str(stream.codec_context.format.name)
    convert = av.AudioResampler(format=wanted, layout="mono", rate=rate, frame_size=rate // 50)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    for part in [*convert.resample(frame), *convert.resample(None)]:
        for packet in stream.encode(part):
            container.mux(packet)
            time.sleep(pause_s)
    for packet in stream.encode(None):
        container.mux(packet)
