"""Packets of one track on the session's sample clock, and a loss told where sound never came."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from greffier_server.media.rtp import Placed, unwrapped

__all__ = [
    "PACKET_LOSS",
    "STREAM_RESTARTED",
    "UNDECODABLE",
    "Conceal",
    "Decode",
    "Loss",
    "Timeline",
]

PACKET_LOSS: Final = "packet_loss"
"""Cause of a gap: packets never came."""
UNDECODABLE: Final = "undecodable_audio"
"""Cause of a gap: packets came and hold no sound."""
STREAM_RESTARTED: Final = "stream_restarted"
"""Cause of a gap: the sender began anew; its length is that of the clock on the wall."""
_CONCEALED_S: Final = 0.1
"""A loss is bridged for so long at most; then it is silence."""
_FADE_S: Final = 0.01
_MAX_JUMP_S: Final = 3_600
_MAX_STEP_BACK_S: Final = 1

Decode = Callable[[bytes], NDArray[np.int16] | None]
"""Payload to samples, one row each and one column a channel; None = it holds no sound."""


Conceal = Callable[[int], NDArray[np.int16] | None]
"""As many samples to stand for lost ones behind the last that was decoded; None = it knows none."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Samples of a track whose sound never came: silence, or what a decoder bridged it with."""

    from_sample: int
    to_sample: int
    cause: str


class Timeline:
    """Places packets by their RTP timestamps, so that neither jitter nor loss moves what follows.

    A jump of the timestamp without a missing packet is a pause of the sender (discontinuous
    transmission): silence, and no loss. A short loss is bridged where the codec can, so that the
    words around it are heard; it is told as a loss all the same.

    Args:
        rate: samples a second, of the timestamps and of the session.
        channels: of the track.
        decode: of the track's codec; keeps its state.
        conceal: of the track's codec; silence stands for what is lost when absent.
    """

    def __init__(
        self, *, rate: int, channels: int, decode: Decode, conceal: Conceal | None = None
    ) -> None:
        self._rate = rate
        self._channels = channels
        self._decode = decode
        self._conceal = conceal
        self._pieces: deque[tuple[int, NDArray[np.int16] | None]] = deque()
        self._begin = 0
        self._end = 0
        self._losses: list[Loss] = []
        self._shift: int | None = None
        self._timestamp = 0
        self._ssrc: int | None = None
        self._arrived_s = 0.0
        self._missing: str | None = None
        self._padded_from: int | None = None

    @property
    def channels(self) -> int:
        """Of the track."""
        return self._channels

    @property
    def end(self) -> int:
        """Position behind the newest sample."""
        return self._end

    def put(self, placed: Placed, *, start: int = 0) -> None:
        """Take the next packet in order.

        Args:
            placed: the packet.
            start: position of the track's first packet.
        """
        packet = placed.packet
        at = self._position(placed, start)
        if placed.lost:
            self._missing = self._missing or PACKET_LOSS
        self._fill(at)
        sound = self._decode(packet.payload)
        if sound is None:
            self._missing = UNDECODABLE
            return
        late = min(self._end - at, len(sound))
        if late > 0:  # silence was given out in its place already
            if self._padded_from is not None:
                self._lose(max(at, self._padded_from), at + late, PACKET_LOSS)
            sound = sound[late:]
        self._padded_from = None
        if len(sound):
            self._append(len(sound), sound)

    def pad(self, upto: int) -> None:
        """Let silence stand for what has not come up to a position: others go on."""
        if upto > self._end:
            if self._padded_from is None:
                self._padded_from = self._end
            self._append(upto - self._end, None)

    def take(self, upto: int) -> NDArray[np.int16]:
        """Remove and return the samples before a position that is not behind `end`."""
        wanted = upto - self._begin
        taken: list[NDArray[np.int16]] = []
        while wanted > 0:
            length, sound = self._pieces.popleft()
            part = min(length, wanted)
            if sound is None:
                taken.append(np.zeros((part, self._channels), np.int16))
            else:
                taken.append(sound[:part])
            if part < length:
                self._pieces.appendleft((length - part, None if sound is None else sound[part:]))
            wanted -= part
        self._begin = upto
        return np.concatenate(taken) if taken else np.zeros((0, self._channels), np.int16)

    def losses(self) -> list[Loss]:
        """Return what was lost since the last call."""
        found, self._losses = self._losses, []
        return found

    def _position(self, placed: Placed, start: int) -> int:
        packet = placed.packet
        timestamp = unwrapped(packet.timestamp, near=self._timestamp, bits=32)
        if self._shift is None:
            self._shift = max(start, self._end) - timestamp
        else:
            ahead = timestamp + self._shift - self._end
            near = -_MAX_STEP_BACK_S * self._rate <= ahead <= _MAX_JUMP_S * self._rate
            if packet.ssrc != self._ssrc or not near:
                self._shift = self._restarted(placed.arrived_s) - timestamp
        self._timestamp, self._ssrc = timestamp, packet.ssrc
        self._arrived_s = placed.arrived_s
        return timestamp + self._shift

    def _restarted(self, arrived_s: float) -> int:
        """Position of a sender that began anew, as far as the clock on the wall can tell."""
        passed_s = min(max(arrived_s - self._arrived_s, 0.0), _MAX_JUMP_S)
        begin = self._padded_from if self._padded_from is not None else self._end
        self._missing = STREAM_RESTARTED
        return max(self._end, begin + round(passed_s * self._rate))

    def _fill(self, at: int) -> None:
        if at > self._end:
            begin = self._end if self._padded_from is None else self._padded_from
            if self._missing is not None:
                self._lose(begin, at, self._missing)
            if self._missing == PACKET_LOSS and self._padded_from is None:
                self._bridge(at)
            if at > self._end:
                self._append(at - self._end, None)
            self._padded_from = None
        self._missing = None

    def _bridge(self, upto: int) -> None:
        """Let the decoder stand in for what never came, for a short while."""
        wanted = min(upto - self._end, round(_CONCEALED_S * self._rate))
        sound = self._conceal(wanted) if self._conceal is not None else None
        if sound is None:
            return
        if self._end + len(sound) < upto:
            fading = min(round(_FADE_S * self._rate), len(sound))
            slope = np.linspace(1, 0, fading)[:, np.newaxis]
            faded = np.rint(sound[len(sound) - fading :] * slope).astype(np.int16)
            sound = np.concatenate([sound[: len(sound) - fading], faded])
        self._append(len(sound), sound)

    def _lose(self, from_sample: int, to_sample: int, cause: str) -> None:
        if to_sample > from_sample:
            self._losses.append(Loss(from_sample, to_sample, cause))

    def _append(self, length: int, sound: NDArray[np.int16] | None) -> None:
        self._pieces.append((length, sound))
        self._end += length
