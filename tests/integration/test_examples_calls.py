"""Examples for calls and meetings, spoken to as FreeSWITCH and a Jitsi videobridge speak."""

import asyncio
import base64
import importlib.util
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from greffier_models.types import Word
from greffier_server.core.events import SegmentClosed, SegmentOpened, TailRevised, WordsCommitted
from greffier_server.media.codecs import OpusDecoder
from greffier_server.media.decoding import StreamDecoder
from greffier_server.settings import Settings
from tests.support.containers import encoded, sine
from tests.support.served import served, until
from tests.support.served_desk import served_desk
from tests.support.spoken import AUDIO, SPEECH
from tests.support.voices import pieces

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "a-token-long-enough"


# --- FreeSWITCH -------------------------------------------------------------------------------


def asked_of_freeswitch(port: int, command: str) -> str:
    """The address that the dialplan gives to a module, its variables filled in."""
    dialplan = (EXAMPLES / "freeswitch" / "captions.xml").read_text(encoding="utf-8")
    plain = re.sub(r"<!--.*?-->", "", dialplan, flags=re.DOTALL)
    actions = re.findall(r'<action application="set"\s+data="([^"]+)"', plain)
    set_ = {name: unescape(value) for name, _, value in (each.partition("=") for each in actions)}
    known = {
        "uuid": "a-call",
        "greffier_server": f"127.0.0.1:{port}",
        "greffier_token": TOKEN,
        "greffier_query": set_["greffier_query"],
    }
    said = set_["api_on_answer"]
    while "${" in said:
        said = re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], said)
    name, call, start, address, mix, rate = said.split()
    assert (name, call, start, mix, rate) == (command, "a-call", "start", "stereo", "8k")
    return address


async def test_freeswitch_streams_both_sides_of_a_call() -> None:
    """As mod_audio_fork does it: its subprotocol, metadata, samples, and a close without a word."""
    settings = Settings.model_validate({"tokens": f"ville:{TOKEN}"})
    stereo = np.frombuffer(AUDIO, "<i2")[::2].repeat(2).astype("<i2").tobytes()
    async with served(settings) as server:
        address = asked_of_freeswitch(server.port, "uuid_audio_fork")
        protocols = [Subprotocol("audio.drachtio.org")]
        async with connect(address, subprotocols=protocols, proxy=None) as module:
            assert module.subprotocol == "audio.drachtio.org"
            await module.send('{"caller": "+33 1 23 45 67 89"}')
            for piece in pieces(stereo, 640):
                await module.send(piece)
            await until(lambda: server.desk.sessions)
            session = server.desk.only()
            await session.log.append(
                SegmentOpened(1, 0, "fr", channel=1),
                WordsCommitted(1, (Word(" allô", 0, 400, 0.9),)),
            )
            heard = await _until_result(module)
            assert heard["channel"]["alternatives"][0]["transcript"] == "allô"
        await until(lambda: session.finished)
        assert (session.format.rate, session.format.channels) == (8_000, 2)
        assert bytes(session.audio) == stereo
        assert session.tenant == "ville"


async def _until_result(module: ClientConnection) -> Any:
    async with asyncio.timeout(30):
        while True:
            message = json.loads(await module.recv())
            if message["type"] == "Results" and message["is_final"]:
                return message


# --- Jitsi ------------------------------------------------------------------------------------


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def opus_packets(seconds: float) -> list[bytes]:
    """Packets of 20 ms, as they lie in a container of FFmpeg's."""
    import io

    import av

    with av.open(io.BytesIO(encoded("ogg-opus", seconds=seconds)), "r") as opened:
        stream = opened.streams.audio[0]
        return [bytes(packet) for packet in opened.demux(stream) if packet.size]


def test_opus_in_ogg_is_what_it_was() -> None:
    """The bridge's container, read by FFmpeg, has the sound of its packets."""
    transcriber: Any = load(EXAMPLES / "jitsi" / "transcriber.py")
    packets = opus_packets(1.0)
    ogg = transcriber.OggOpus(1)
    stream = ogg.head() + b"".join(ogg.packet(packet) for packet in packets)
    decoder = StreamDecoder(rate=48_000)
    told = np.frombuffer(b"".join([*decoder.feed(stream), *decoder.flush()]), "<i2")
    decoder.close()
    decode = OpusDecoder(channels=1)
    direct = [decode(packet) for packet in packets]
    expected = np.concatenate([part[:, 0] for part in direct if part is not None])
    assert len(told) == pytest.approx(len(expected), abs=960)
    length = min(len(told), len(expected))
    assert np.abs(told[:length].astype(int) - expected[:length]).max() <= 1
    assert np.abs(told).max() > 0.4 * 32_768 * np.abs(sine(440, 0.1, rate=48_000)).max()
    assert [transcriber.samples_of(bytes(toc)) for toc in ([], [0x78], [0xF8], [0xFB, 3])] == [
        0, 960, 960, 2_880,
    ]  # fmt: skip


@asynccontextmanager
async def transcribing(server: str, **environment: str) -> AsyncGenerator[int, None]:
    """The service as it is handed out; yields its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLES / "jitsi" / "transcriber.py"),
        *("--listen", "127.0.0.1:0", "--server", server),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"listening on port" not in (line := await process.stderr.readline()):
                assert line
        yield int(line.split()[-1])
    finally:
        process.kill()
        await process.communicate()


def media(tag: str, packet: bytes, number: int = 0) -> str:
    payload = base64.b64encode(packet).decode()
    event = {"tag": tag, "chunk": number, "timestamp": 960 * number, "payload": payload}
    return json.dumps({"event": "media", "media": event})


def start(tag: str) -> str:
    form = {"encoding": "opus", "sampleRate": 48_000, "channels": 1}
    return json.dumps({"event": "start", "start": {"tag": tag, "mediaFormat": form, "new": [1]}})


async def test_each_participant_of_a_jitsi_meeting_is_captioned() -> None:
    packets = opus_packets(1.0)
    settings = Settings.model_validate({"tokens": f"ville:{TOKEN}"})
    async with (
        served(settings) as server,
        transcribing(f"ws://127.0.0.1:{server.port}", GREFFIER_TOKEN=TOKEN) as port,
        connect(f"ws://127.0.0.1:{port}/transcribe?lang=fr-FR", proxy=None) as bridge,
        asyncio.timeout(60),
    ):
        await bridge.send('{"event": "ping", "id": 7}')
        assert json.loads(await bridge.recv()) == {"event": "pong", "id": 7}
        for nonsense in (
            "{",
            "[]",
            "7",
            '{"event": "media"}',
            '{"event": []}',
            media("x", b"")[:-9],
        ):
            await bridge.send(nonsense)
        for tag in ("alice-11", "bob-22"):
            await bridge.send(start(tag))
            for number, packet in enumerate(packets):
                await bridge.send(media(tag, packet, number))
        await until(lambda: len(server.desk.sessions) == 2)
        rows = {row.title: row for row in await server.store.list("ville")}
        assert set(rows) == {"Jitsi alice-11", "Jitsi bob-22"}
        assert {row.language for row in rows.values()} == {"fr"}
        session = server.desk.sessions[rows["Jitsi alice-11"].session]
        await until(lambda: len(session.audio) > 30_000)
        await session.log.append(SegmentOpened(1, 0, "fr"), TailRevised(1, " bonj", 0, 300, "fr"))
        words = (Word(" Bonjour", 0, 400, 0.9), Word(" à tous.", 400, 900, 0.9))
        first = json.loads(await bridge.recv())
        assert (first["is_interim"], first["transcript"]) == (True, [{"text": "bonj"}])
        await session.log.append(WordsCommitted(1, words), SegmentClosed(1, 0, 900))
        told = json.loads(await bridge.recv())
        assert told["type"] == "transcription-result"
        assert (told["is_interim"], told["transcript"]) == (False, [{"text": "Bonjour à tous."}])
        assert told["participant"] == {"id": "alice", "ssrc": "11"}
        assert told["message_id"] == first["message_id"]
        await bridge.close()
        await until(lambda: all(one.finished for one in server.desk.sessions.values()))


async def test_jigasi_speaks_to_vosks_address() -> None:
    """It does not wait for replies, and says the rate with its first audio."""
    properties = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"vosk\.websocket_url=(.*)", properties)
    query = json.loads(line)["fr"].partition("?")[2].replace("&token=TOKEN", "")
    async with (
        served_desk() as server,
        connect(f"{server.url}/vosk?{query}", proxy=None) as jigasi,
        asyncio.timeout(60),
    ):
        await jigasi.send('{"config" : {"sample_rate" : 16000.0 }}')
        for piece in pieces(AUDIO, 640):
            await jigasi.send(piece)
        await jigasi.send('{"eof" : 1}')
        told = [json.loads(frame) async for frame in jigasi]
    text = " ".join(one["text"] for one in told if one.get("text"))
    assert text == "".join(SPEECH.texts).strip()
    assert len(told) == len(pieces(AUDIO, 640)) + 1
