"""The records of one log in little memory: the newest as objects, the older ones compressed."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import overload

from greffier_server.core.events import Recorded
from greffier_server.core.records import decode_record, encode_record, record_hash

__all__ = ["BLOCK_RECORDS", "NEWEST_RECORDS", "RecordArchive", "RecordView"]

BLOCK_RECORDS = 64
"""Compressed and read together: a few milliseconds of work."""
NEWEST_RECORDS = 256
"""At most so many of the newest stay objects, for those who follow the live log."""

_CHAINED = "="
_WHOLE = "*"


class RecordArchive:
    """Append-only, in blocks. One thread appends; others may read meanwhile.

    Args:
        records: to begin with.
    """

    def __init__(self, records: Iterable[Recorded] = ()) -> None:
        self._blocks: list[bytes] = []
        # How many blocks come before the newest records, and these: replaced together.
        self._newest: tuple[int, list[Recorded]] = (0, [])
        self.extend(records)

    def __len__(self) -> int:
        before, newest = self._newest
        return before * BLOCK_RECORDS + len(newest)

    def extend(self, records: Iterable[Recorded]) -> None:
        """Append `records` in order."""
        before, newest = self._newest
        for record in records:
            newest.append(record)
            if len(newest) > NEWEST_RECORDS:
                self._blocks.append(_pack(newest[:BLOCK_RECORDS]))
                before, newest = before + 1, newest[BLOCK_RECORDS:]
                self._newest = (before, newest)

    def block(self, number: int) -> tuple[Sequence[Recorded], bool]:
        """Return the records of block `number` (fewer in the last one), and whether it was packed.

        A packed block takes some milliseconds to read.
        """
        before, newest = self._newest
        if number < before:
            return _unpack(self._blocks[number]), True
        start = (number - before) * BLOCK_RECORDS
        return newest[start : start + BLOCK_RECORDS], False


class RecordView(Sequence[Recorded]):
    """The first records of an archive as a sequence; what is appended later does not show.

    Read it in order, forwards or backwards: one block is in memory at a time. An index by itself
    reads its whole block.

    Args:
        archive: holds at least `length` records.
        length: of the sequence.
    """

    def __init__(self, archive: RecordArchive, length: int) -> None:
        self._archive = archive
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Recorded]:
        return self._between(0, self._length)

    def __reversed__(self) -> Iterator[Recorded]:
        for number in reversed(range(-(-self._length // BLOCK_RECORDS))):
            records, _ = self._archive.block(number)
            yield from reversed(records[: self._length - number * BLOCK_RECORDS])

    @overload
    def __getitem__(self, index: int) -> Recorded: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Recorded]: ...

    def __getitem__(self, index: int | slice) -> Recorded | Sequence[Recorded]:
        if isinstance(index, slice):
            wanted = range(self._length)[index]
            if not wanted:
                return []
            first = min(wanted[0], wanted[-1])
            span = list(self._between(first, max(wanted[0], wanted[-1]) + 1))
            return [span[at - first] for at in wanted]
        at = range(self._length)[index]
        records, _ = self._archive.block(at // BLOCK_RECORDS)
        return records[at % BLOCK_RECORDS]

    def _between(self, start: int, end: int) -> Iterator[Recorded]:
        while start < end:
            number, skip = divmod(start, BLOCK_RECORDS)
            records, _ = self._archive.block(number)
            part = records[skip : skip + end - start]
            yield from part
            start += len(part)


def _pack(records: Sequence[Recorded]) -> bytes:
    # A hash does not compress, and follows from the record before: it is left out where it does.
    lines: list[str] = []
    before: Recorded | None = None
    for record in records:
        if before is not None and record.prev_hash == record_hash(before):
            lines.append(_CHAINED + encode_record(replace(record, prev_hash="")))
        else:
            lines.append(_WHOLE + encode_record(record))
        before = record
    return zlib.compress("\n".join(lines).encode())


def _unpack(block: bytes) -> list[Recorded]:
    records: list[Recorded] = []
    for line in zlib.decompress(block).decode().split("\n"):
        record = decode_record(line[1:])
        if line.startswith(_CHAINED):
            record = replace(record, prev_hash=record_hash(records[-1]))
        records.append(record)
    return records
