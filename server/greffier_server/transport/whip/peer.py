"""One WebRTC peer that publishes; what is particular to aiortc ends in this folder."""
# pyright: reportPrivateUsage=false

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from greffier_server.media.rtp import RtpPacket
from greffier_server.transport.whip.handshake import take_rsa
from greffier_server.transport.whip.ice import IcePath
from greffier_server.transport.whip.receiver import PacketReceiver
from greffier_server.transport.whip.refusals import MalformedOffer, WebRtcMissing
from greffier_server.transport.whip.sdp import Fragment, Offer, whole_answer
from greffier_server.transport.whip.settings import WebRtcSettings

if TYPE_CHECKING:
    from aiortc import RTCDataChannel, RTCIceServer, RTCPeerConnection

__all__ = ["CAPTIONS_CHANNEL", "Peer", "load_webrtc"]

_log = logging.getLogger(__name__)

CAPTIONS_CHANNEL: Final = "captions"
"""Label of the data channel that carries the native messages."""
_BUFFERED_BYTES: Final = 262_144
_MAX_TEXT_CHARS: Final = 4_096


class Peer:
    """A connection that the client has offered.

    Args:
        settings: of WebRTC.
        addresses: of this machine for UDP; empty = all.
        on_packet: called with the number of the track (from 0) and each packet of it.
        on_text: called with each text that comes on the captions channel.
    """

    def __init__(
        self,
        settings: WebRtcSettings,
        *,
        addresses: Sequence[str],
        on_packet: Callable[[int, RtpPacket], None],
        on_text: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._addresses = tuple(addresses)
        self._on_packet = on_packet
        self._on_text = on_text
        self._connection = _new_connection(settings)
        self._receivers: list[PacketReceiver] = []
        self._path: IcePath | None = None
        self._channel: RTCDataChannel | None = None
        self._drained = asyncio.Event()
        self.opened = asyncio.Event()
        """The captions channel is there."""
        self.connected = asyncio.Event()
        """Media can come."""
        self.gone = asyncio.Event()
        """The client has closed the connection, or it failed for good."""

    @property
    def path(self) -> IcePath:
        """Of its datagrams; there from `answer` on."""
        assert self._path is not None  # noqa: S101 - by the order of calls
        return self._path

    async def answer(self, offer: Offer, *, stereo: bool) -> str:
        """Take the offer; return the answer, with every candidate of this machine in it.

        Raises:
            MalformedOffer: aiortc cannot make sense of it.
        """
        from aiortc import RTCRtpReceiver, RTCSessionDescription

        connection = self._connection
        connection.on("connectionstatechange", self._watch)
        connection.on("datachannel", self._take_channel)
        codecs = RTCRtpReceiver.getCapabilities("audio")
        opus = [codec for codec in (codecs.codecs if codecs else []) if codec.name == "opus"]
        for _ in offer.audio:
            transceiver = connection.addTransceiver("audio", direction="recvonly")
            transceiver.setCodecPreferences(opus)
        try:
            await connection.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
            self._attach(offer)
            await connection.setLocalDescription(await connection.createAnswer())
        except Exception as error:  # noqa: BLE001 - whatever its parser trips over
            _log.info("an offer was refused", extra={"error": type(error).__name__})
            raise MalformedOffer("the offer cannot be understood") from None
        return whole_answer(
            connection.localDescription.sdp,
            offer,
            stereo=stereo,
            public_address=self._settings.public_address,
        )

    async def restart(self, fragment: Fragment) -> str:
        """Restart ICE; return the fragment of this side."""
        username, password = await self.path.restart(fragment)
        mid = self._connection.getTransceivers()[0].mid
        lines = [
            f"a=ice-ufrag:{username}",
            f"a=ice-pwd:{password}",
            "m=audio 9 UDP/TLS/RTP/SAVPF 0",
            f"a=mid:{mid}",
        ]
        for candidate in self.path.local_candidates:
            parts = candidate.to_sdp().split(" ")
            if self._settings.public_address is not None and candidate.type == "host":
                parts[4] = self._settings.public_address
            lines.append(f"a=candidate:{' '.join(parts)}")
        return "\r\n".join([*lines, "a=end-of-candidates"]) + "\r\n"

    async def send(self, text: str) -> bool:
        """Send on the captions channel, as slowly as the client reads; False when it is closed.

        Raises:
            ValueError: longer than the client takes.
        """
        channel = self._channel
        while channel is not None and channel.readyState == "open":
            if channel.bufferedAmount <= _BUFFERED_BYTES:
                channel.send(text)
                return True
            self._drained.clear()
            await self._drained.wait()
        return False

    async def drained(self) -> None:
        """Wait until all that was sent has left."""
        while self._channel is not None and self._channel.readyState == "open":
            if not self._channel.bufferedAmount:
                return
            self._channel.bufferedAmountLowThreshold = 0
            self._drained.clear()
            await self._drained.wait()

    async def close(self) -> None:
        """End the connection."""
        for receiver in self._receivers:
            await receiver.stop()
        transceivers = self._connection.getTransceivers()
        if transceivers:  # so that the client hears of it before the path is gone
            await transceivers[0].receiver.transport.stop()
        if self._path is not None:
            await self._path.close()
        await self._connection.close()

    def _attach(self, offer: Offer) -> None:
        transceivers = {each.mid: each for each in self._connection.getTransceivers()}
        first = transceivers[offer.audio[0].mid].receiver.transport
        self._path = IcePath(
            first.transport, addresses=self._addresses, servers=_servers(self._settings)
        )
        for number, section in enumerate(offer.audio):

            def on_packet(packet: RtpPacket, track: int = number) -> None:
                self._on_packet(track, packet)

            redundant = None if section.resends else section.redundant
            receiver = PacketReceiver(first, on_packet, redundant=redundant)
            self._receivers.append(receiver)
            cast("Any", transceivers[section.mid].receiver).receive = receiver.receive

    def _watch(self) -> None:
        match self._connection.connectionState:
            case "connected":
                self.connected.set()
            case "closed":
                self.gone.set()
            case _:  # "failed" is that of ICE too, which can be restarted
                pass

    def _take_channel(self, channel: "RTCDataChannel") -> None:
        if self._channel is not None or channel.label != CAPTIONS_CHANNEL:
            channel.close()
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = _BUFFERED_BYTES // 2
        channel.on("message", self._take_text)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", self._drained.set)
        self.opened.set()

    def _take_text(self, message: str | bytes) -> None:
        if isinstance(message, str) and len(message) <= _MAX_TEXT_CHARS:
            self._on_text(message)


def load_webrtc() -> None:
    """Import aiortc; blocking the first time.

    Raises:
        WebRtcMissing: it is not installed.
    """
    try:
        import aiortc  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise WebRtcMissing(
            "this server has no WebRTC; its owner can install it: pip install 'greffier[webrtc]'"
        ) from None


def _new_connection(settings: WebRtcSettings) -> "RTCPeerConnection":
    from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection

    # An empty list, not None: that would be a public server of somebody else.
    connection = RTCPeerConnection(
        RTCConfiguration(iceServers=_servers(settings), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )
    take_rsa(connection)
    return connection


def _servers(settings: WebRtcSettings) -> "list[RTCIceServer]":
    from aiortc import RTCIceServer

    servers = [RTCIceServer(settings.stun)] if settings.stun else []
    if settings.turn:
        password = settings.turn_password.get_secret_value()
        servers.append(RTCIceServer(settings.turn, settings.turn_username, password))
    return servers
