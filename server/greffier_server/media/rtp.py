"""RTP packets (RFC 3550): what is in a datagram, and in which order packets belong."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["HOLD_S", "Placed", "Reorder", "RtpPacket", "parse_rtp", "unwrapped"]

_HEADER: Final = struct.Struct("!BBHII")
_VERSION: Final = 2
HOLD_S: Final = 0.2
"""A hole is waited for so long, where nothing else is said."""
_MISORDER: Final = 100
"""Farther back than this, a packet belongs to a sender that began anew (RFC 3550 A.1)."""
_RTCP_TYPES: Final = range(72, 77)
"""Payload types that RTCP looks like where both share a port (RFC 5761)."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """A packet of a media stream."""

    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits, in samples of the codec's clock."""
    ssrc: int
    """Which source it comes from."""
    payload_type: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """A packet in its place."""

    packet: RtpPacket
    arrived_s: float
    lost: bool
    """Packets right before it never came."""


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """Return the packet in a datagram; None for what is not RTP version 2."""
    if len(datagram) < _HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    if first >> 6 != _VERSION or second & 0x7F in _RTCP_TYPES:
        return None
    begin = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:  # header extension
        if len(datagram) < begin + 4:
            return None
        begin += 4 + 4 * int.from_bytes(datagram[begin + 2 : begin + 4])
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)  # padding
    if end < begin:
        return None
    return RtpPacket(sequence, timestamp, ssrc, second & 0x7F, datagram[begin:end])


def unwrapped(value: int, *, near: int, bits: int) -> int:
    """Return the number nearest to `near` whose lowest `bits` are `value`."""
    span = 1 << bits
    distance = (value - near) % span
    return near + (distance - span if distance >= span // 2 else distance)


class Reorder:
    """Brings the packets of one stream back into order, and says where some are missing.

    A hole is waited for until `depth` later packets are there, or the first of them has waited
    `hold_s`. Packets that come twice, or after their hole was given up, are left out.

    Args:
        depth: packets held at most.
        hold_s: longest time that a packet is held.
    """

    def __init__(self, *, depth: int = 16, hold_s: float = HOLD_S) -> None:
        self._depth = depth
        self._hold_s = hold_s
        self._next: int | None = None
        self._held: dict[int, tuple[RtpPacket, float]] = {}
        self._suspect: int | None = None
        self._lost = False

    def put(self, packet: RtpPacket, now_s: float) -> list[Placed]:
        """Take a packet; return those that are in order now."""
        if self._next is None:
            self._next = packet.sequence
        place = unwrapped(packet.sequence, near=self._next, bits=16)
        placed: list[Placed] = []
        if self._next - place > _MISORDER:
            if packet.sequence != self._suspect:  # one alone is a stray
                self._suspect = (packet.sequence + 1) & 0xFFFF
                return []
            placed = self.flush()
            self._next, self._lost = place, True
        self._suspect = None
        if place >= self._next:
            self._held.setdefault(place, (packet, now_s))
        return placed + list(self._release(now_s))

    def due(self, now_s: float) -> list[Placed]:
        """Return packets that have waited long enough for the ones before them."""
        return list(self._release(now_s))

    def flush(self) -> list[Placed]:
        """Return all that is held: nothing more is waited for."""
        placed: list[Placed] = []
        while self._held:
            self._give_up()
            placed += self._run()
        return placed

    def _release(self, now_s: float) -> Iterator[Placed]:
        yield from self._run()
        while self._held:
            first_s = min(arrived_s for _, arrived_s in self._held.values())
            if len(self._held) < self._depth and now_s - first_s < self._hold_s:
                return
            self._give_up()
            yield from self._run()

    def _give_up(self) -> None:
        self._next, self._lost = min(self._held), True

    def _run(self) -> list[Placed]:
        placed: list[Placed] = []
        while self._next is not None and (found := self._held.pop(self._next, None)) is not None:
            placed.append(Placed(*found, lost=self._lost))
            self._lost = False
            self._next += 1
        return placed
