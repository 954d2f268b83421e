"""Journalled audio read back in whole frames, with silence in place of what the disk has lost."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from greffier.protocol import AudioFormat
from greffier_server.storage.journal import SessionJournal

__all__ = ["Stretch", "locate_audio", "read_stretch", "silence", "stretches"]

_ZERO = {"mulaw": b"\xff", "alaw": b"\xd5"}
_STRETCH_MS = 5_000
_STEPS_A_SECOND = 10
"""How finely a loss is located."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio in its place; `lost` is the stretch (from, to) of bytes with damage in it."""

    audio: bytes
    lost: tuple[int, int] | None = None


def silence(form: AudioFormat, samples: int) -> bytes:
    """Return `samples` of silence on every channel."""
    return _ZERO.get(form.encoding, b"\0") * (samples * form.frame_bytes)


async def read_stretch(
    journal: SessionJournal, form: AudioFormat, from_byte: int, to_byte: int
) -> Stretch:
    """Read the whole frames between two frame boundaries.

    Raises:
        StorageFailed: the disk cannot be read.
    """
    to_byte -= (to_byte - from_byte) % form.frame_bytes
    audio = await asyncio.to_thread(_read, journal, from_byte, to_byte)
    if len(audio) == to_byte - from_byte:
        return Stretch(audio)
    step = max(1, form.rate // _STEPS_A_SECOND) * form.frame_bytes
    pieces: list[bytes] = []
    lost: list[int] = []
    for at in range(from_byte, to_byte, step):
        upto = min(to_byte, at + step)
        piece = await asyncio.to_thread(_read, journal, at, upto)
        if len(piece) < upto - at:
            lost += [at, upto]
            piece = silence(form, (upto - at) // form.frame_bytes)
        pieces.append(piece)
    return Stretch(b"".join(pieces), (lost[0], lost[-1]) if lost else None)


async def stretches(
    journal: SessionJournal, form: AudioFormat, from_byte: int
) -> AsyncGenerator[Stretch, None]:
    """Yield what is durable now, from a frame boundary on, in stretches of some seconds.

    Raises:
        StorageFailed: the disk cannot be read.
    """
    at, end = from_byte, journal.durable_bytes
    step = _STRETCH_MS * form.rate // 1000 * form.frame_bytes
    while at < end:
        upto = min(end, at + step)
        yield await read_stretch(journal, form, at, upto)
        at = upto


def _read(journal: SessionJournal, from_byte: int, to_byte: int) -> bytes:
    return b"".join(journal.read(from_byte, to_byte))


def locate_audio(
    journal: SessionJournal, from_byte: int, to_byte: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the audio between two bytes in pieces with their places; what is lost is left out.

    Blocking. Halves a stretch with a loss in it until each half is whole or gone.

    Raises:
        StorageFailed: the disk cannot be read.
    """
    audio = _read(journal, from_byte, to_byte)
    if len(audio) == to_byte - from_byte:
        yield from_byte, audio
    elif audio:
        middle = (from_byte + to_byte) // 2
        yield from locate_audio(journal, from_byte, middle)
        yield from locate_audio(journal, middle, to_byte)
