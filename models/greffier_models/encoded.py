"""Encoded speech: audio that carries its words in its samples.

Every millisecond of a word says which word this is, how long it is and which of its milliseconds
this is. So any window can be read back: a word that is whole in the window exactly, and one that is
cut is known to be cut. The code survives only as 16-bit mono samples at 16 kHz, unchanged.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from greffier_models.types import SAMPLES_PER_MS, Pcm, Word

__all__ = ["HeardWord", "encode_speech", "read_speech", "spoken"]

_BEGIN, _END = 24_001, -24_001
_TEXT_PER_MS = 10
_TEXT_OFFSET = 256  # keeps every sample of a word away from silence
_MAX_WORD_MS = 30_000


def spoken(
    text: str, *, start_ms: int = 0, word_ms: int = 240, gap_ms: int = 60
) -> tuple[Word, ...]:
    """Return the words of `text`, one after the other at an even pace."""
    step_ms = word_ms + gap_ms
    return tuple(
        Word(f" {token}", start_ms + place * step_ms, start_ms + place * step_ms + word_ms, 1.0)
        for place, token in enumerate(text.split())
    )


def encode_speech(words: Iterable[Word], *, duration_ms: int = 0) -> Pcm:
    """Return audio from time 0 in which `words` can be read; what lies between them is silence.

    Args:
        words: in any order, not overlapping, each long enough for its text (10 bytes of UTF-8 a
            millisecond) and at most 30 s.
        duration_ms: least length of the audio; 0 = up to the end of the last word.

    Raises:
        ValueError: words overlap, or one does not fit.
    """
    ordered = sorted(words, key=lambda word: word.start_ms)
    end_ms = max([duration_ms, *(word.end_ms for word in ordered)])
    pcm = np.zeros(end_ms * SAMPLES_PER_MS, np.int16)
    free_from_ms = 0
    for word in ordered:
        if word.start_ms < free_from_ms:
            raise ValueError(f"a word at {word.start_ms} ms overlaps the one before it")
        free_from_ms = word.end_ms
        pcm[word.start_ms * SAMPLES_PER_MS : word.end_ms * SAMPLES_PER_MS] = _encoded(word)
    return pcm


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word found in a window, in milliseconds from the start of the window."""

    text: str
    start_ms: int
    """Of the whole word: negative if it began before the window."""
    end_ms: int
    heard_from_ms: int
    """Of the part that is in the window."""
    heard_to_ms: int

    @property
    def whole(self) -> bool:
        """Nothing of it is cut off."""
        return (self.heard_from_ms, self.heard_to_ms) == (self.start_ms, self.end_ms)


def read_speech(pcm: Pcm) -> list[HeardWord]:
    """Return the words of a window, in order; what is not encoded speech is passed over.

    Of a cut word that is too short for its text nothing is heard.
    """
    starts = np.flatnonzero(pcm == _BEGIN)
    starts = starts[starts + SAMPLES_PER_MS <= len(pcm)]
    blocks = pcm[starts[:, None] + np.arange(SAMPLES_PER_MS)].astype(np.int32)
    valid = (blocks[:, 15] == _END) & (blocks[:, 1] >= 1) & (blocks[:, 1] <= blocks[:, 2])
    starts, blocks = starts[valid], blocks[valid]
    now_ms = starts // SAMPLES_PER_MS
    began_ms = now_ms - (blocks[:, 1] - 1)
    edges = np.flatnonzero(np.diff(began_ms)) + 1
    bounds = [0, *edges.tolist(), len(starts)]
    heard: list[HeardWord] = []
    for first, last in pairwise(bounds):
        text = _decoded(blocks[first:last])
        if text:
            start_ms, length_ms = int(began_ms[first]), int(blocks[first, 2])
            from_ms = int(now_ms[first])
            to_ms = from_ms + int(last - first)  # less than its end, too, where a piece is missing
            heard.append(HeardWord(text, start_ms, start_ms + length_ms, from_ms, to_ms))
    return heard


def _encoded(word: Word) -> Pcm:
    length_ms, text = word.end_ms - word.start_ms, word.text.encode()
    if not text or not -(-len(text) // _TEXT_PER_MS) <= length_ms <= _MAX_WORD_MS:
        raise ValueError(f"a word of {len(text)} bytes does not fit into {length_ms} ms")
    chunks = -(-len(text) // _TEXT_PER_MS)
    letters = np.zeros(chunks * _TEXT_PER_MS, np.int16)
    letters[: len(text)] = np.frombuffer(text, np.uint8)
    blocks = np.empty((length_ms, SAMPLES_PER_MS), np.int16)
    blocks[:, 0], blocks[:, 15] = _BEGIN, _END
    blocks[:, 1] = np.arange(1, length_ms + 1)
    blocks[:, 2] = length_ms
    blocks[:, 3] = _TEXT_OFFSET + len(text)
    blocks[:, 4] = _checksum(text)
    blocks[:, 5:15] = _TEXT_OFFSET + letters.reshape(chunks, -1)[np.arange(length_ms) % chunks]
    return blocks.reshape(-1)


def _checksum(text: bytes) -> int:
    return 1 + zlib.crc32(text) % 32_000


def _decoded(blocks: NDArray[np.int32]) -> str:
    """Return the text of the milliseconds of one word; empty if it cannot be told."""
    if not len(blocks):
        return ""
    size = int(blocks[0, 3]) - _TEXT_OFFSET
    chunks = -(-size // _TEXT_PER_MS)
    if size < 1 or len(blocks) < chunks:
        return ""
    order = np.argsort((blocks[:chunks, 1] - 1) % chunks)
    letters = (blocks[:chunks][order, 5:15] - _TEXT_OFFSET).clip(0, 255).astype(np.uint8)
    text = letters.tobytes()[:size]
    return text.decode(errors="replace") if _checksum(text) == blocks[0, 4] else ""
