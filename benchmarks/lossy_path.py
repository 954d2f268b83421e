"""A network that loses packets, without a clock: what is left of a recording behind it.

Sound goes through what WHIP puts it through: repair, order, clock, decoder. Time is simulated, so
the figures do not depend on the machine.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal, cast

import numpy as np

from benchmarks.corpora import RATE
from greffier_server.core.events import GapFound
from greffier_server.media.codecs import OPUS_RATE, OpusDecoder
from greffier_server.media.redundancy import unpacked
from greffier_server.media.resampling import Resampler
from greffier_server.media.rtp import RtpPacket, unwrapped
from greffier_server.media.tracks import Track, Tracks
from greffier_server.media.wanted import Wanted

__all__ = [
    "REPAIRS",
    "Arrival",
    "Repair",
    "lost_numbers",
    "over_network",
    "redundant",
    "to_packets",
]

Repair = Literal["silence", "bridged", "redundant", "resent"]
REPAIRS: Final[tuple[Repair, ...]] = ("silence", "bridged", "redundant", "resent")
"""Silence for what is lost; the decoder's bridge; every packet twice (RFC 2198) and the bridge;
what is asked for sent again (RFC 4585) and the bridge."""

_FRAME: Final = OPUS_RATE // 50
_TICK_S: Final = 0.02
_HOLD_S: Final = 0.3
_OPUS: Final = 111
_RED: Final = 63


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is left of a recording behind the network."""

    pcm: bytes
    """48 kHz, mono, s16."""
    gaps: tuple[GapFound, ...]


def to_packets(pcm: bytes, *, bit_rate: int = 32_000) -> list[bytes]:
    """Return Opus packets of 20 ms from 16 kHz mono s16, as a browser's encoder makes them."""
    import av

    floats = np.frombuffer(pcm, "<i2").astype(np.float32)[:, np.newaxis] / np.float32(2**15)
    resampler = Resampler(RATE, OPUS_RATE, channels=1)
    studio = np.concatenate([resampler.feed(floats), resampler.flush()])
    samples = np.clip(np.rint(studio * 32_767), -32_768, 32_767).astype(np.int16)
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.format, codec.layout = OPUS_RATE, "s16", "mono"
    codec.bit_rate, codec.options = bit_rate, {"application": "voip"}
    codec.time_base = Fraction(1, OPUS_RATE)
    packets: list[bytes] = []
    for at in range(0, len(samples) - _FRAME + 1, _FRAME):
        frame = av.AudioFrame.from_ndarray(
            samples[at : at + _FRAME].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = OPUS_RATE, at, Fraction(1, OPUS_RATE)
        packets += [bytes(packet) for packet in cast("list[Any]", codec.encode(frame))]
    return packets


def lost_numbers(count: int, *, rate: float, burst: float, seed: int) -> frozenset[int]:
    """Return which packets are lost: never the first or the last (Gilbert's model, 1960).

    Args:
        count: of packets.
        rate: share that is lost in the long run, 0 to 1.
        burst: lost in a row on average, at least 1.
        seed: makes it the same again.
    """
    chance = random.Random(seed)  # not secret
    losing, lost = False, set[int]()
    begin = rate / burst / max(1 - rate, 1e-9)
    for number in range(1, count - 1):
        losing = chance.random() >= 1 / burst if losing else chance.random() < begin
        if losing:
            lost.add(number)
    return frozenset(lost)


def redundant(payload: bytes, before: bytes) -> bytes:
    """Return a payload with the one before in front of it (RFC 2198), as Chromium sends it."""
    head = (0x80 | _OPUS) << 24 | _FRAME << 10 | len(before)
    return head.to_bytes(4) + bytes([_OPUS]) + before + payload


def over_network(
    packets: Sequence[bytes],
    lost: frozenset[int],
    *,
    repair: Repair = "silence",
    rtt_s: float = 0.06,
    seed: int = 0,
) -> Arrival:
    """Put what is not lost through the way of WebRTC's packets.

    Args:
        packets: of 20 ms.
        lost: numbers of those that do not come when they are sent first.
        repair: see `REPAIRS`. Requests, and what is sent again, are lost as often as the packets.
        rtt_s: time from a request to its answer.
        seed: of what is lost of those.

    Raises:
        AssertionError: a loss is not told as a gap, or a gap is told where nothing was lost.
    """
    decoder = OpusDecoder(channels=1)
    conceal = None if repair == "silence" else decoder.conceal
    track = Track(channels=1, decode=decoder, conceal=conceal)
    tracks = Tracks([track], rate=OPUS_RATE, separate=False, hold_s=_HOLD_S)
    path = _Path(packets, lost, repair=repair, rtt_s=rtt_s, seed=seed)
    path.run(tracks)
    parts: list[bytes] = []
    while part := tracks.take():
        parts.append(part)
    gaps = tuple(tracks.gaps())
    told = {ms // 20 for gap in gaps for ms in range(gap.from_ms, gap.to_ms, 20)}
    never = set(range(len(packets))) - path.came
    assert never <= told <= lost, "a loss without a gap, or a gap without a loss"
    return Arrival(b"".join(parts), gaps)


class _Path:
    """One run; what was sent arrives at once, what is sent again a round trip after its request."""

    def __init__(
        self,
        packets: Sequence[bytes],
        lost: frozenset[int],
        *,
        repair: Repair,
        rtt_s: float,
        seed: int,
    ) -> None:
        self.came: set[int] = set()
        """Numbers that arrived, first or again."""
        self._packets = packets
        self._repair = repair
        self._rtt_s = rtt_s
        self._chance = random.Random(seed)  # not secret
        self._rate = len(lost) / len(packets)
        self._wanted = Wanted()
        self._due = [(at * _TICK_S, at) for at in range(len(packets)) if at not in lost]

    def run(self, tracks: Tracks) -> None:
        """Let all arrive."""
        heapq.heapify(self._due)
        while self._due:
            now_s, number = heapq.heappop(self._due)
            tracks.wait(now_s)
            for packet in self._contents(number):
                tracks.put(0, packet, now_s)
                self.came.add(packet.timestamp // _FRAME)
            if self._repair == "resent":
                self._ask(number, now_s)
        tracks.flush()

    def _contents(self, number: int) -> list[RtpPacket]:
        payload, kind = self._packets[number], _OPUS
        if self._repair == "redundant" and number:
            payload, kind = redundant(payload, self._packets[number - 1]), _RED
        packet = RtpPacket(number & 0xFFFF, number * _FRAME, 1, kind, payload)
        return unpacked(packet, {_OPUS}) if kind == _RED else [packet]

    def _ask(self, number: int, now_s: float) -> None:
        for wanted in self._wanted.arrived(number & 0xFFFF, now_s):
            again = unwrapped(wanted, near=number, bits=16)
            if self._chance.random() >= self._rate and self._chance.random() >= self._rate:
                heapq.heappush(self._due, (now_s + self._rtt_s, again))
