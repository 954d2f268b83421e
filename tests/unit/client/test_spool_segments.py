"""Segments of kept audio: what is written is read, and damage costs only itself."""

from pathlib import Path

import pytest

from greffier.spool_segments import SegmentFile, read_block, scan

pytestmark = pytest.mark.unit

PIECES = [bytes([number]) * 320 for number in range(10)]


def write(folder: Path) -> Path:
    file = SegmentFile(folder, first_sample=100, frame_bytes=2)
    for number, piece in enumerate(PIECES):
        file.append(100 + number * 160, piece)
    file.close()
    return file.path


def readable(path: Path) -> dict[int, bytes]:
    found = {block.first_sample: read_block(block) for block in scan(path, frame_bytes=2)}
    return {first: audio for first, audio in found.items() if audio is not None}


def whole() -> dict[int, bytes]:
    return {100 + number * 160: piece for number, piece in enumerate(PIECES)}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert readable(write(tmp_path)) == whole()


def test_a_torn_end_costs_the_block_it_tore(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = path.read_bytes()
    for cut in range(1, 345):
        path.write_bytes(content[:-cut])
        expected = dict(list(whole().items())[: 9 if cut <= 340 else 8])
        assert readable(path) == expected, cut


def test_any_flipped_bit_costs_at_most_its_block(tmp_path: Path) -> None:
    path = write(tmp_path)
    content = path.read_bytes()
    for at in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        found = readable(path)
        assert len(found) >= len(PIECES) - 1, at
        assert found.items() <= whole().items(), at


def test_a_segment_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(FileExistsError):
        SegmentFile(tmp_path, first_sample=100, frame_bytes=2)
