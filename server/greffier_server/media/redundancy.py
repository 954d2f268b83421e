"""Redundant audio (RFC 2198): packets that carry the sound of the ones before them once more."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from greffier_server.media.rtp import RtpPacket

__all__ = ["opus_samples", "unpacked"]

_MAX_BLOCKS: Final = 9
"""Older ones than that are behind every wait for them."""
_LONGEST_OPUS: Final = 5_760
"""Samples of the longest packet, 120 ms (RFC 6716 §3.2.5)."""


def unpacked(packet: RtpPacket, carried: Collection[int]) -> list[RtpPacket]:
    """Return the packets of Opus inside a redundant one, oldest first, its own last.

    A block says when it was, not which number it had. It gets one only where the blocks join on
    each other without a hole: then the one before has the number before. Others are left out, as
    is everything that is malformed.

    Args:
        packet: as it came.
        carried: payload types that are Opus.
    """
    blocks = _blocks(packet.payload)
    if not blocks or blocks[-1][0] not in carried:
        return []
    payload_type, _, payload = blocks[-1]
    found = [replace(packet, payload_type=payload_type, payload=payload)]
    back = 0
    for payload_type, offset, payload in reversed(blocks[:-1]):
        length = opus_samples(payload)
        back += length
        if not length or payload_type not in carried or offset != back:
            break
        earlier = RtpPacket(
            (packet.sequence - len(found)) & 0xFFFF,
            (packet.timestamp - offset) & 0xFFFFFFFF,
            packet.ssrc,
            payload_type,
            payload,
        )
        found.append(earlier)
    return found[::-1]


def opus_samples(payload: bytes) -> int:
    """Return how long a packet of Opus is, in samples at 48 kHz; 0 for none (RFC 6716 §3.1)."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame = (480, 960, 1_920, 2_880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if code == 3 and len(payload) < 2:
        return 0
    count = (1, 2, 2, payload[1] & 0x3F if code == 3 else 0)[code]
    return frame * count if frame * count <= _LONGEST_OPUS else 0


def _blocks(payload: bytes) -> list[tuple[int, int, bytes]]:
    """Payload type, offset back in time, and content of each block; none when it is malformed."""
    heads = list(_heads(payload))
    if not heads or heads[-1][2] is not None:
        return []
    at = 4 * (len(heads) - 1) + 1
    blocks: list[tuple[int, int, bytes]] = []
    for payload_type, offset, length in heads:
        end = len(payload) if length is None else at + length
        if end > len(payload):
            return []
        blocks.append((payload_type, offset, payload[at:end]))
        at = end
    return blocks


def _heads(payload: bytes) -> Iterator[tuple[int, int, int | None]]:
    """Payload type, offset and length of each block; the last has no length."""
    for at in range(0, min(len(payload), 4 * _MAX_BLOCKS), 4):
        first = payload[at]
        if not first & 0x80:
            yield first, 0, None
            return
        if len(payload) < at + 4:
            return
        word = int.from_bytes(payload[at + 1 : at + 4])
        yield first & 0x7F, word >> 10, word & 0x3FF
