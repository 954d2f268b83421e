"""Receiver of one track: hands its packets on as they are, and asks for those that are missing.

aiortc's own receiver decodes, drops what is late and queues without a bound; none of these would
let a loss be told.
"""
# pyright: reportPrivateUsage=false

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from greffier_server.media.redundancy import unpacked
from greffier_server.media.rtp import RtpPacket
from greffier_server.media.wanted import Wanted

if TYPE_CHECKING:
    from aiortc.rtcdtlstransport import RTCDtlsTransport
    from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
    from aiortc.rtcrtpreceiver import StreamStatistics

__all__ = ["PacketReceiver"]

_REPORT_S: Final = 2.0
_CLOCK: Final = 48_000
_MAX_SOURCES: Final = 4
"""Of one track; more are not counted."""


class PacketReceiver:
    """Takes the place of the receiver of a peer connection.

    Args:
        transport: of the peer.
        on_packet: called for each packet of Opus.
        redundant: payload type of redundant audio (RFC 2198), where it was agreed on.
    """

    def __init__(
        self,
        transport: "RTCDtlsTransport",
        on_packet: Callable[[RtpPacket], None],
        *,
        redundant: int | None = None,
    ) -> None:
        self._transport = transport
        self._on_packet = on_packet
        self._redundant = redundant
        self._types: frozenset[int] = frozenset()
        self._wanted: dict[int, Wanted] = {}
        self._sources: dict[int, StreamStatistics] = {}
        self._reported: dict[int, tuple[int, float]] = {}
        self._ssrc = secrets.randbits(32)
        self._reporting: asyncio.Task[None] | None = None

    async def receive(self, parameters: "RTCRtpReceiveParameters") -> None:
        """Begin; called by the peer connection each time it has connected."""
        if self._reporting is None:
            self._types = frozenset(
                codec.payloadType
                for codec in parameters.codecs
                if codec.name == "opus" and codec.payloadType is not None
            )
            self._transport._register_rtp_receiver(self, self._with_redundant(parameters))
            self._reporting = asyncio.create_task(self._report(), name="rtcp")

    async def stop(self) -> None:
        """End."""
        if self._reporting is not None:
            self._reporting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reporting

    def _handle_disconnect(self) -> None:
        """The peer connection says so itself."""

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        """Keep when the sender's report came, from which it measures the round trip."""
        info = getattr(packet, "sender_info", None)
        if info is not None and len(self._reported) < _MAX_SOURCES:
            now_s = asyncio.get_running_loop().time()
            self._reported[packet.ssrc] = ((info.ntp_timestamp >> 16) & 0xFFFFFFFF, now_s)

    async def _handle_rtp_packet(self, packet: Any, arrival_time_ms: int) -> None:
        from aiortc.rtcrtpreceiver import StreamStatistics

        del arrival_time_ms
        if packet.payload_type not in self._types and packet.payload_type != self._redundant:
            return
        if packet.ssrc not in self._sources and len(self._sources) < _MAX_SOURCES:
            self._sources[packet.ssrc] = StreamStatistics(_CLOCK)
            self._wanted[packet.ssrc] = Wanted()
        if packet.ssrc in self._sources:
            self._sources[packet.ssrc].add(packet)
        came = RtpPacket(
            packet.sequence_number,
            packet.timestamp,
            packet.ssrc,
            packet.payload_type,
            packet.payload,
        )
        if packet.payload_type == self._redundant:
            for each in unpacked(came, self._types):
                self._on_packet(each)
        else:
            self._on_packet(came)
        await self._ask(packet.ssrc, packet.sequence_number)

    async def _ask(self, ssrc: int, sequence: int) -> None:
        """Ask for what is missing before a packet.

        Some senders keep their packets for it without having said so, so all are asked; one that
        does not know the message ignores it (RFC 4585 §4.2), and is left alone after a while.
        """
        from aiortc.rtp import RTCP_RTPFB_NACK, RtcpRtpfbPacket

        wanted = self._wanted.get(ssrc)
        if wanted is None:
            return
        lost = wanted.arrived(sequence, asyncio.get_running_loop().time())
        if lost:
            request = RtcpRtpfbPacket(RTCP_RTPFB_NACK, self._ssrc, ssrc, lost)
            with contextlib.suppress(ConnectionError):
                await self._transport._send_rtp(bytes(request))

    def _with_redundant(self, parameters: "RTCRtpReceiveParameters") -> "RTCRtpReceiveParameters":
        """Let packets of redundant audio come here too: aiortc does not know it."""
        from aiortc.rtcrtpparameters import RTCRtpCodecParameters

        if self._redundant is None:
            return parameters
        red = RTCRtpCodecParameters("audio/red", _CLOCK, channels=2, payloadType=self._redundant)
        return replace(parameters, codecs=[*parameters.codecs, red])

    async def _report(self) -> None:
        """Receiver reports (RFC 3550 §6.4.2): senders adapt to them."""
        from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

        while True:
            await asyncio.sleep(_REPORT_S)
            now_s = asyncio.get_running_loop().time()
            reports: list[RtcpReceiverInfo] = []
            for ssrc, source in self._sources.items():
                stamp, at_s = self._reported.get(ssrc, (0, now_s))
                reports.append(
                    RtcpReceiverInfo(
                        ssrc=ssrc,
                        fraction_lost=source.fraction_lost,
                        packets_lost=source.packets_lost,
                        highest_sequence=source.max_seq or 0,
                        jitter=source.jitter,
                        lsr=stamp,
                        dlsr=min(int((now_s - at_s) * 65536), 0xFFFFFFFF) if stamp else 0,
                    )
                )
            if reports:
                with contextlib.suppress(ConnectionError):
                    packet = RtcpRrPacket(ssrc=self._ssrc, reports=reports)
                    await self._transport._send_rtp(bytes(packet))
