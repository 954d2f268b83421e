"""RTP that is sent to a port: radio gateways, room microphones, GStreamer, FFmpeg."""

import asyncio
import re
import socket
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, cast

from greffier.protocol import AudioFormat, MissingCause
from greffier_server.ingest.sources import Lack, Piece, SourceUnusable
from greffier_server.media.codecs import OPUS_RATE, OpusDecoder, decode_g711, decode_linear
from greffier_server.media.rtp import RtpPacket, parse_rtp
from greffier_server.media.timeline import Decode
from greffier_server.media.tracks import Track, Tracks

__all__ = ["PayloadForm", "RtpSource", "parse_session"]

_MAX_WAITING: Final = 3_000
_TICK_S: Final = 0.1
_SENDER_GONE_S: Final = 1.0
"""A sender that is silent for so long gives way to another one, such as itself begun anew."""
_RECEIVE_BUFFER_BYTES: Final = 4 << 20
_BATCH_S: Final = 0.04
_RTPMAP: Final = re.compile(
    r"^a=rtpmap:(\d{1,3}) "
    r"(?P<codec>opus|PCMU|PCMA|L16)/(?P<rate>\d{4,6})(?:/(?P<channels>\d))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PayloadForm:
    """What a payload type carries."""

    codec: str
    """``opus``, ``pcmu``, ``pcma`` or ``l16``."""
    rate: int
    channels: int = 1

    def decoder(self) -> Decode:
        """Return a new decoder (imports PyAV for Opus)."""
        match self.codec:
            case "opus":
                return OpusDecoder(channels=self.channels)
            case "pcmu":
                return decode_g711("mulaw")
            case "pcma":
                return decode_g711("alaw")
            case _:
                return decode_linear(channels=self.channels)


_STATIC: Final = {
    0: PayloadForm("pcmu", 8_000),
    8: PayloadForm("pcma", 8_000),
    10: PayloadForm("l16", 44_100, 2),
    11: PayloadForm("l16", 44_100),
}
"""RFC 3551 §6."""


def parse_session(text: str) -> dict[int, PayloadForm]:
    """Return what the dynamic payload types of a session description (SDP) carry.

    Raises:
        SourceUnusable: it describes no sound that is taken.
    """
    forms: dict[int, PayloadForm] = {}
    for line in text.splitlines():
        if found := _RTPMAP.match(line.strip()):
            codec = found["codec"].lower()
            # Opus is decoded to one channel: its second is in the map whatever is sent (RFC 7587).
            channels = 1 if codec == "opus" else int(found["channels"] or 1)
            rate = OPUS_RATE if codec == "opus" else int(found["rate"])
            if 1 <= channels <= 8 and (channels == 1 or codec == "l16"):
                forms[int(found[1])] = PayloadForm(codec, rate, channels)
    if not forms:
        raise SourceUnusable("the session description has no Opus, PCMU, PCMA or L16 in it")
    return forms


class RtpSource:
    """Listens on a port; the first sender that is understood is heard, until it falls silent.

    Args:
        host: address to listen on.
        port: UDP; 0 takes a free one.
        forms: of dynamic payload types, beside the static ones.
        sender: only datagrams from this address are taken; any, when absent.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        forms: dict[int, PayloadForm] | None = None,
        sender: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._forms = {**_STATIC, **(forms or {})}
        self._sender = sender
        self._packets: deque[tuple[RtpPacket, float]] = deque()
        self._arrived = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._payload_type: int | None = None
        self._peer: object = None
        self._heard_s = 0.0
        self._tracks: Tracks | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"rtp://{self._host}:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._transport is None:
            return self._port
        return int(self._transport.get_extra_info("sockname")[1])

    async def listen(self) -> None:
        """Take the port.

        Raises:
            SourceUnusable: it is taken, or not this machine's.
        """
        if self._transport is not None:
            return
        loop = asyncio.get_running_loop()
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Listener(self), local_addr=(self._host, self._port)
            )
        except OSError as error:
            raise SourceUnusable(f"cannot listen on port {self._port}: {error.strerror}") from error
        opened = cast("socket.socket", self._transport.get_extra_info("socket"))
        # Packets that come while the process is busy wait here; the system gives less if it must.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)

    async def open(self) -> AudioFormat:
        """Wait for the first packet; its payload type decides the format."""
        await self.listen()
        while self._payload_type is None:
            await self._arrived.wait()
            self._arrived.clear()
        form = self._forms[self._payload_type]
        decoder = await asyncio.to_thread(form.decoder)
        conceal = decoder.conceal if isinstance(decoder, OpusDecoder) else None
        track = Track(channels=form.channels, decode=decoder, conceal=conceal)
        self._tracks = Tracks([track], rate=form.rate, separate=False)
        return AudioFormat("pcm_s16le", form.rate, form.channels)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield for ever; what never came is silence and a lack once more comes."""
        assert self._tracks is not None  # noqa: S101 - `open` came first
        tracks = self._tracks
        loop = asyncio.get_running_loop()
        rate = self._forms[cast("int", self._payload_type)].rate
        while True:
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._arrived.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(_BATCH_S)
            self._arrived.clear()
            batch = tuple(self._packets)
            self._packets.clear()
            await asyncio.to_thread(_place, tracks, batch, loop.time())
            audio = await asyncio.to_thread(tracks.take)
            while audio:
                more = await asyncio.to_thread(tracks.take)
                lacks = () if more else _lacks(tracks, rate)
                yield Piece(audio, lacks)
                audio = more

    def close(self) -> None:
        """Give the port back."""
        if self._transport is not None:
            self._transport.close()

    def take(self, datagram: bytes, address: tuple[str, int]) -> None:
        """Take what came from somewhere."""
        if self._sender is not None and address[0] != self._sender:
            return
        packet = parse_rtp(datagram)
        if packet is None or packet.payload_type not in self._forms:
            return
        now_s = asyncio.get_running_loop().time()
        if self._payload_type is None:
            self._payload_type, self._peer = packet.payload_type, address
        if packet.payload_type != self._payload_type:
            return
        if address != self._peer:
            if now_s - self._heard_s < _SENDER_GONE_S:
                return
            self._peer = address
        self._heard_s = now_s
        if len(self._packets) < _MAX_WAITING:
            self._packets.append((packet, now_s))
        self._arrived.set()


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, source: RtpSource) -> None:
        self._source = source

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._source.take(data, addr)


def _place(tracks: Tracks, batch: tuple[tuple[RtpPacket, float], ...], now_s: float) -> None:
    for packet, arrived_s in batch:
        tracks.put(0, packet, arrived_s)
    tracks.wait(now_s)


def _lacks(tracks: Tracks, rate: int) -> tuple[Lack, ...]:
    return tuple(
        Lack(gap.from_ms * rate // 1000, gap.to_ms * rate // 1000, cast("MissingCause", gap.cause))
        for gap in tracks.gaps()
    )
