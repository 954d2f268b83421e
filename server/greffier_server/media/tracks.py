"""Several tracks of packets as the interleaved channels of one session."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from greffier_server.core.events import GapFound
from greffier_server.media.rtp import HOLD_S, Placed, Reorder, RtpPacket
from greffier_server.media.timeline import Conceal, Decode, Timeline

__all__ = ["Track", "Tracks"]

_PATIENCE_S: Final = 0.5
"""How far a track may fall behind the others before silence stands for it."""
_PIECE_S: Final = 1
_SHORTEST_S: Final = 0.01
"""Packets are seldom shorter."""


class Track:
    """What is known of one track beforehand.

    Args:
        channels: 1 or 2.
        decode: of its codec.
        conceal: of its codec; silence stands for what is lost when absent.
    """

    def __init__(self, *, channels: int, decode: Decode, conceal: Conceal | None = None) -> None:
        self.channels = channels
        self.decode = decode
        self.conceal = conceal


class Tracks:
    """Puts the packets of all tracks on one sample clock; blocking, for one thread at a time.

    A track begins where it is when its first packet arrives. From then on its timestamps count.

    Args:
        tracks: in order; their channels follow each other.
        rate: samples a second of all of them.
        separate: every channel is a speaker: a loss is that of its own channels.
        first_sample: of the session's clock where they begin.
        hold_s: a missing packet is waited for at most so long.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        *,
        rate: int,
        separate: bool,
        first_sample: int = 0,
        hold_s: float = HOLD_S,
    ) -> None:
        self._rate = rate
        self._first_sample = first_sample
        self._hold_s = hold_s
        self._separate = separate
        self._sources: list[int | None] = [None] * len(tracks)
        self._orders = [self._order() for _ in tracks]
        self._lines = [
            Timeline(rate=rate, channels=track.channels, decode=track.decode, conceal=track.conceal)
            for track in tracks
        ]
        self._first_channels = np.cumsum([1, *(track.channels for track in tracks)]).tolist()
        self._began_s: float | None = None
        self._at = 0

    @property
    def channels(self) -> int:
        """Of all tracks together."""
        return sum(line.channels for line in self._lines)

    def put(self, track: int, packet: RtpPacket, now_s: float) -> None:
        """Take a packet of a track."""
        if self._began_s is None:
            self._began_s = now_s
        if self._sources[track] not in (None, packet.ssrc):  # its numbers begin anew
            self._place(track, self._orders[track].flush())
            self._orders[track] = self._order()
        self._sources[track] = packet.ssrc
        self._place(track, self._orders[track].put(packet, now_s))

    def wait(self, now_s: float) -> None:
        """Let time pass: what has been waited for long enough is given up."""
        for track, order in enumerate(self._orders):
            self._place(track, order.due(now_s))

    def flush(self) -> None:
        """Nothing more will come."""
        for track, order in enumerate(self._orders):
            self._place(track, order.flush())
        last = max(line.end for line in self._lines)
        for line in self._lines:
            line.pad(last)

    def take(self) -> bytes:
        """Return what all tracks have, a second of it at most, as interleaved ``pcm_s16le``."""
        patience = round(_PATIENCE_S * self._rate)
        furthest = max(line.end for line in self._lines)
        for line in self._lines:
            line.pad(furthest - patience)
        upto = min(min(line.end for line in self._lines), self._at + _PIECE_S * self._rate)
        if upto <= self._at:
            return b""
        self._at = upto
        columns = [line.take(upto) for line in self._lines]
        return np.concatenate(columns, axis=1).astype("<i2", copy=False).tobytes()

    def gaps(self) -> list[GapFound]:
        """Return what was lost since the last call; milliseconds, rounded outwards."""
        found: list[GapFound] = []
        for line, first in zip(self._lines, self._first_channels, strict=False):
            channels = range(first, first + line.channels) if self._separate else (0,)
            for loss in line.losses():
                from_ms = (self._first_sample + loss.from_sample) * 1000 // self._rate
                to_ms = -(-(self._first_sample + loss.to_sample) * 1000 // self._rate)
                found += [GapFound(from_ms, to_ms, loss.cause, channel) for channel in channels]
        return sorted(found, key=lambda gap: gap.from_ms)

    def _order(self) -> Reorder:
        return Reorder(depth=math.ceil(self._hold_s / _SHORTEST_S), hold_s=self._hold_s)

    def _place(self, track: int, placed: Sequence[Placed]) -> None:
        for each in placed:
            passed_s = each.arrived_s - (self._began_s or each.arrived_s)
            self._lines[track].put(each, start=max(self._at, round(passed_s * self._rate)))
