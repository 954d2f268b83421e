"""Captions Jitsi meetings: the transcription service that a videobridge asks for, over Greffier.

Jitsi's videobridge opens a WebSocket to its transcription service and sends each participant's Opus
packets as JSON; what is said comes back the same way and is shown to everybody
(https://jitsi.github.io/handbook/docs/devops-guide/transcription, and the reference implementation
https://github.com/jitsi/opus-transcriber-proxy). Each participant is a session of Greffier of their
own, so that nobody has to guess who spoke.

Run ``python transcriber.py --listen 127.0.0.1:9093`` (``pip install websockets``) and give Jicofo
its address as that of the service: ``ws://127.0.0.1:9093/transcribe?sendBack=true&lang=fr``.
GREFFIER_SERVER and GREFFIER_TOKEN name the server. The service has no tokens: keep it on the
videobridge's own machine or network.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import logging
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, WebSocketException

OPUS_RATE: Final = 48_000
"""Clock of Opus, whatever it was made from (RFC 7845)."""
PAUSE_S: Final = 1.0
"""A participant from whom nothing came for so long has paused: a muted one sends nothing."""
GONE_S: Final = 60.0
"""… and after so long, their session is finished. The next word opens another one."""
MOST_PARTICIPANTS: Final = 100
QUEUE_PACKETS: Final = 500

log = logging.getLogger("jitsi")


class OggOpus:
    """Opus packets as an Ogg stream (RFC 3533, RFC 7845), a page each."""

    def __init__(self, channels: int) -> None:
        self._serial = uuid.uuid4().int & 0xFFFF_FFFF
        self._pages = 0
        self._samples = 0
        self._channels = channels

    def head(self) -> bytes:
        """How the stream begins."""
        head = b"OpusHead" + struct.pack("<BBHIhB", 1, self._channels, 0, OPUS_RATE, 0, 0)
        tags = b"OpusTags" + struct.pack("<I", 8) + b"greffier" + struct.pack("<I", 0)
        return self._page(head, flags=2) + self._page(tags)

    def packet(self, opus: bytes) -> bytes:
        """One packet."""
        self._samples += samples_of(opus)
        return self._page(opus)

    def _page(self, packet: bytes, *, flags: int = 0) -> bytes:
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        head = struct.pack("<4sBBqII", b"OggS", 0, flags, self._samples, self._serial, self._pages)
        rest = bytes([len(lacing)]) + lacing + packet
        self._pages += 1
        return head + struct.pack("<I", checksum(head + bytes(4) + rest)) + rest


def samples_of(opus: bytes) -> int:
    """Length of a packet in samples (RFC 6716, sections 3.1 and 3.2); 0 of what is none."""
    if not opus:
        return 0
    config, code = opus[0] >> 3, opus[0] & 3
    if config < 12:
        frame = (480, 960, 1_920, 2_880)[config % 4]
    elif config < 16:
        frame = (480, 960)[config % 2]
    else:
        frame = (120, 240, 480, 960)[config % 4]
    frames = opus[1] & 63 if code == 3 and len(opus) > 1 else (1, 2, 2, 0)[code]
    return frame * frames


def _table() -> Iterator[int]:
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x104C11DB7 if value & 0x8000_0000 else 0)
        yield value & 0xFFFF_FFFF


_TABLE: Final = tuple(_table())


def checksum(page: bytes) -> int:
    """Of an Ogg page (RFC 3533): CRC-32 with nothing turned around."""
    value = 0
    for byte in page:
        value = (value << 8) & 0xFFFF_FFFF ^ _TABLE[value >> 24 ^ byte]
    return value


@dataclass(frozen=True, slots=True)
class Service:
    """Where Greffier is, and what is wanted of it."""

    server: str
    token: str | None
    language: str

    def address(self, language: str, *, title: str) -> str:
        """Where one participant is spoken: as to Deepgram, which takes Ogg as it comes."""
        asked = {"language": language, "title": title, "interim_results": "true"}
        if language == "auto":
            del asked["language"]
        return f"{self.server}/v1/listen?{urlencode(asked)}"


@dataclass
class Meeting:
    """One connection of a videobridge."""

    service: Service
    socket: ServerConnection
    language: str
    interim: bool
    queues: dict[str, asyncio.Queue[bytes | None]] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)

    async def serve(self) -> None:
        """Take messages until the videobridge leaves, and let everybody's last words come."""
        async with asyncio.TaskGroup() as group:
            with contextlib.suppress(ConnectionClosed):
                async for frame in self.socket:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        await self._take(json.loads(frame), group)
            for queue in self.queues.values():
                await queue.put(None)

    async def _take(self, message: Any, group: asyncio.TaskGroup) -> None:
        match message["event"]:
            case "ping":
                pong = {"event": "pong", **({"id": message["id"]} if "id" in message else {})}
                await self.socket.send(json.dumps(pong))
            case "start":
                start = message["start"]
                if len(self.channels) < MOST_PARTICIPANTS:
                    self.channels[str(start["tag"])[:100]] = int(start["mediaFormat"]["channels"])
            case "media":
                media = message["media"]
                tag = str(media["tag"])[:100]
                packet = base64.b64decode(media["payload"], validate=True)
                if tag not in self.queues and len(self.queues) < MOST_PARTICIPANTS:
                    self.queues[tag] = asyncio.Queue(QUEUE_PACKETS)
                    group.create_task(self._participant(tag, self.queues[tag]))
                if packet and tag in self.queues:
                    await self.queues[tag].put(packet)
            case _:
                pass

    async def _participant(self, tag: str, queue: asyncio.Queue[bytes | None]) -> None:
        """One session after another, for as long as the participant speaks."""
        while (packet := await queue.get()) is not None:
            try:
                if not await self._session(tag, packet, queue):
                    return
            except (OSError, WebSocketException) as error:
                log.warning("a participant is not captioned: %s", type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _session(self, tag: str, first: bytes, queue: asyncio.Queue[bytes | None]) -> bool:
        """Return whether the participant may speak again."""
        ogg = OggOpus(2 if self.channels.get(tag) == 2 else 1)
        token = self.service.token
        async with connect(
            self.service.address(self.language, title=f"Jitsi {tag}"),
            additional_headers={"Authorization": f"Token {token}"} if token else None,
            compression=None,
        ) as session:
            telling = asyncio.create_task(self._tell(tag, session))
            try:
                await session.send(ogg.head() + ogg.packet(first))
                again = await self._speak(session, ogg, queue)
                await session.send('{"type": "CloseStream"}')
                await telling
            finally:
                telling.cancel()
        return again

    async def _speak(
        self, session: ClientConnection, ogg: OggOpus, queue: asyncio.Queue[bytes | None]
    ) -> bool:
        paused_s = 0.0
        while paused_s < GONE_S:
            try:
                packet = await asyncio.wait_for(queue.get(), PAUSE_S)
            except TimeoutError:
                # So that what was said last is decided: a muted participant sends not even silence.
                kind = "KeepAlive" if paused_s else "Finalize"
                await session.send(json.dumps({"type": kind}))
                paused_s += PAUSE_S
                continue
            if packet is None:
                return False
            paused_s = 0.0
            await session.send(ogg.packet(packet))
        return True

    async def _tell(self, tag: str, session: ClientConnection) -> None:
        """Send what is said: each utterance in the making, and then for good."""
        name, said = str(uuid.uuid4()), ""
        async for frame in session:
            message = json.loads(frame)
            if message.get("type") != "Results":
                continue
            (heard, *_) = message["channel"]["alternatives"]
            text = f"{said} {heard['transcript']}".strip()
            over = message.get("speech_final") or message.get("from_finalize")
            if message["is_final"]:
                said = text
            if text and (over or self.interim):
                await self._send(tag, name=name, text=text, over=bool(over))
            if over:
                name, said = str(uuid.uuid4()), ""

    async def _send(self, tag: str, *, name: str, text: str, over: bool) -> None:
        endpoint, _, source = tag.partition("-")
        result = {
            "type": "transcription-result",
            "event": "transcription-result",
            "message_id": name,
            "is_interim": not over,
            "transcript": [{"text": text}],
            "language": self.language,
            "participant": {"id": endpoint, **({"ssrc": source} if source else {})},
            "timestamp": int(time.time() * 1000),
        }
        with contextlib.suppress(ConnectionClosed):  # it left; the record is kept all the same
            await self.socket.send(json.dumps(result))


async def run(service: Service, listen: str) -> None:
    """Take meetings until cancelled."""

    async def meet(socket: ServerConnection) -> None:
        request = socket.request
        asked = parse_qs(urlsplit(request.path).query) if request is not None else {}

        def given(name: str, absent: str) -> str:
            return asked.get(name, [absent])[0]

        language = given("lang", service.language).partition("-")[0].lower()
        interim = given("sendBackInterim", "true") == "true"
        await Meeting(service, socket, language, interim).serve()

    host, _, port = listen.rpartition(":")
    async with serve(meet, host, int(port), max_size=1 << 20) as server:
        log.info("listening on port %s", next(iter(server.sockets)).getsockname()[1])
        await asyncio.get_running_loop().create_future()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run."""
    parser = argparse.ArgumentParser(description="Captions Jitsi meetings.")
    parser.add_argument("--listen", default="127.0.0.1:9093", metavar="HOST:PORT")
    parser.add_argument(
        "--server", default=os.environ.get("GREFFIER_SERVER", "ws://127.0.0.1:8765")
    )
    parser.add_argument("--token", default=os.environ.get("GREFFIER_TOKEN"))
    parser.add_argument("--language", default="auto", help="where the address names none")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parser.parse_args(arguments)
    asyncio.run(run(Service(options.server, options.token, options.language), options.listen))


if __name__ == "__main__":
    main()
