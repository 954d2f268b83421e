"""The segments of a recording in their places, and how their audio is read back."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from greffier_server.storage.contents import SegmentReader
from greffier_server.storage.filesystem import FileSystem
from greffier_server.storage.places import PACKED, RECORDED, ClosedPart

__all__ = ["Part", "PartReader", "closed_parts", "missing"]


@dataclass(frozen=True, slots=True)
class Part:
    """A segment in its place."""

    number: int
    path: Path
    first_byte: int


class PartReader:
    """Reads segments wherever they are; blocking, and safe in several threads at once.

    Args:
        files: where the segments are.
        segments: reads one.
        longest_header: of any segment of the session, in bytes.
    """

    def __init__(self, files: FileSystem, segments: SegmentReader, longest_header: int) -> None:
        self._files = files
        self._segments = segments
        self._longest_header = longest_header

    def blocks(
        self, parts: Sequence[Part], from_byte: int, to_byte: int, *, durable: int
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the audio between two bytes with its offset; damaged stretches are left out.

        Raises:
            OSError: a segment cannot be read.
        """
        for index, part in enumerate(parts):
            bound = parts[index + 1].first_byte if index + 1 < len(parts) else durable
            if bound <= from_byte or part.first_byte >= to_byte:
                continue
            content = self._content(part)
            segment = self._segments.scan(part.number, content)
            expected = part.first_byte
            for block in segment.blocks:
                if block.offset < expected or block.end > bound or block.seals:
                    continue
                expected = block.end
                begin, stop = max(block.offset, from_byte), min(block.end, to_byte)
                if begin < stop:
                    audio = self._segments.audio(content, block, segment, part.number)
                    if audio is not None:
                        yield begin, audio[begin - block.offset : stop - block.offset]

    def first_known(self, number: int, path: Path) -> int | None:
        """Where a segment's audio begins, by its header or else by its first true block."""
        head = self._segments.scan(number, self._files.read(path, self._longest_header))
        if head.first_byte is not None:
            return head.first_byte
        blocks = self._segments.scan(number, self._files.read(path)).blocks
        return blocks[0].offset if blocks else None

    def _content(self, part: Part) -> bytes:
        """Read a segment; it may be packed at this very moment."""
        try:
            return self._files.read(part.path)
        except FileNotFoundError:
            return self._files.read(part.path.with_suffix(PACKED))


def closed_parts(
    parts: Sequence[Part], plain: Collection[Path], *, durable: int, sealed: bool
) -> list[ClosedPart]:
    """Return those of `parts` that take nothing more and whose recorded file is in `plain`."""
    ends = [*(part.first_byte for part in parts[1:]), durable]
    closed = parts if sealed else parts[:-1]
    return [
        ClosedPart(
            number=part.number,
            path=part.path.with_suffix(RECORDED),
            first_byte=part.first_byte,
            end_byte=end,
            seals=sealed and part is parts[-1],
        )
        for part, end in zip(closed, ends, strict=False)
        if part.path.with_suffix(RECORDED) in plain
    ]


def missing(blocks: Iterable[tuple[int, bytes]], durable: int) -> list[tuple[int, int]]:
    """Return the stretches of `durable` bytes of audio that `blocks` leave out, as (from, to)."""
    lost: list[tuple[int, int]] = []
    expected = 0
    for offset, audio in blocks:
        if offset > expected:
            lost.append((expected, offset))
        expected = offset + len(audio)
    if expected < durable:
        lost.append((expected, durable))
    return lost
