"""A packed segment as bytes: blocks joined, coded in the way that saves most, encrypted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from greffier_server.storage import codecs
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.contents import BlockWriter, SegmentReader
from greffier_server.storage.segments import (
    COMPACT,
    ENCRYPTED,
    MAX_BLOCK,
    NO_KEY,
    SEALED,
    encode_coded_header,
)
from greffier_server.storage.tenant_keys import TenantKey

__all__ = ["Run", "Span", "joined", "packed", "runs_of"]

_SAMPLES = 3
"""Blocks on which the codings are tried."""


@dataclass(frozen=True, slots=True)
class Run:
    """Audio in its place."""

    offset: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Which segment, and what of the session's audio is in it."""

    tenant: str
    session: str
    number: int
    first_byte: int
    end_byte: int
    seals: bool = False
    """It is the last one of a complete session."""


def packed(runs: Sequence[Run], span: Span, cipher: AudioCipher, key: TenantKey | None) -> bytes:
    """Return the segment that holds `runs`."""
    flags = COMPACT | (SEALED if span.seals else 0) | (ENCRYPTED if key is not None else 0)
    encoded = bytearray(
        encode_coded_header(
            span.tenant,
            span.session,
            span.first_byte,
            flags=flags,
            end_byte=span.end_byte,
            key_id=NO_KEY if key is None else key.id,
        )
    )
    writer = BlockWriter(span.tenant, span.session, span.number, cipher)
    step = max(1, len(runs) // _SAMPLES)
    codec = codecs.best_codec([run.audio for run in runs[::step][:_SAMPLES]])
    # Any one block attests all of them: nothing here can be a torn end.
    for run in runs:
        encoded += writer.coded(run.audio, codec, offset=run.offset, synced=span.end_byte, key=key)
    if span.seals:
        encoded += writer.coded(
            b"", codecs.RAW, offset=span.end_byte, synced=span.end_byte, key=key
        )
    return bytes(encoded)


def runs_of(content: bytes, span: Span, reader: SegmentReader) -> Iterator[Run]:
    """Yield the audio of a segment that counts, joined.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong, OSError: it cannot be read at all.
    """
    yield from joined(_pieces(content, span, reader))


def joined(pieces: Iterable[tuple[int, bytes]]) -> Iterator[Run]:
    """Yield audio joined, and cut where its offset is a multiple of a block."""
    held, start, at = bytearray(), 0, -1
    for offset, audio in pieces:
        if offset != at and held:
            yield Run(start, bytes(held))
            held.clear()
        if not held:
            start = offset
        held += audio
        at = offset + len(audio)
        while (room := MAX_BLOCK - start % MAX_BLOCK) <= len(held):
            yield Run(start, bytes(held[:room]))
            del held[:room]
            start += room
    if held:
        yield Run(start, bytes(held))


def _pieces(content: bytes, span: Span, reader: SegmentReader) -> Iterator[tuple[int, bytes]]:
    at = span.first_byte
    segment = reader.scan(span.number, content)
    for block in segment.blocks:
        if block.offset < at or block.end > span.end_byte or block.seals:
            continue
        audio = reader.audio(content, block, segment, span.number)
        if audio is not None:
            yield block.offset, audio
            at = block.end
