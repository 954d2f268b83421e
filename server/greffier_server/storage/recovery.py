"""What a segment that was found on the disk still says: which blocks count, and where it ends."""

from collections.abc import Sequence

from greffier_server.storage.segments import SEALED, Block, Segment

__all__ = ["end_of", "header_size", "kept_blocks", "seals"]


def kept_blocks(
    segment: Segment, first_byte: int, *, limit: int | None, is_last: bool
) -> Sequence[Block]:
    """Return the blocks that count.

    Not those that a later segment overrides; and in the last segment none behind a hole that
    nobody was told is kept.
    """
    attested = max([first_byte, *(block.synced for block in segment.blocks)])
    kept: list[Block] = []
    expected = first_byte
    for block in segment.blocks:
        if block.offset < expected or (limit is not None and block.end > limit):
            continue
        if block.offset > expected and is_last and block.offset > attested:
            break
        kept.append(block)
        expected = block.end
    return kept


def end_of(segment: Segment, kept: Sequence[Block]) -> int:
    """Where a segment's audio ends; a packed one was whole once, whatever has become of it."""
    end = kept[-1].end if kept else 0
    if segment.header is not None:
        return max(end, segment.header.end_byte)
    return max([end, *(block.synced for block in segment.blocks)])


def seals(segment: Segment, kept: Sequence[Block]) -> bool:
    """Whether the segment is the last one of a complete session."""
    flagged = segment.header is not None and bool(segment.header.flags & SEALED)
    return flagged or bool(kept and kept[-1].seals)


def header_size(segment: Segment) -> int:
    """Where a segment's blocks begin; 0 where its header is damaged."""
    return 0 if segment.header is None else segment.header.size
