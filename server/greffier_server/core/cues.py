"""Timed text cut into cues that people can read: two lines, a readable pace, no overlap.

Only cues of separate channels overlap, and only where their speech does: players show them one
above the other.

The limits follow the usual subtitling rules (EBU and BBC subtitle guidelines, Netflix timed text):
42 columns, two lines, one to seven seconds, at most about 20 characters a second.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from greffier_models.types import Word

__all__ = ["COLUMNS", "MAX_MS", "MIN_MS", "Cue", "Piece", "cut", "pieces_of", "schedule", "spread"]

COLUMNS = 42
LINES = 2
MIN_MS = 1000
MAX_MS = 7000
CHARS_PER_S = 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is never broken over lines, and when it is said."""

    text: str
    start_ms: int
    end_ms: int
    space: bool
    """A space stands before it where it does not begin a line."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at one time."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None
    channel: int = 0


def pieces_of(words: Sequence[Word]) -> list[Piece]:
    """Join words written together (no space between, Latin and the like) into pieces."""
    pieces: list[Piece] = []
    for word in words:
        text = re.sub(r"\s+", " ", word.text)
        if not text.strip():
            continue
        spaced = text.startswith(" ")
        last = pieces[-1] if pieces else None
        if last is not None and not spaced and not _may_break(last.text, text):
            joined = replace(last, text=last.text + text.strip(), end_ms=word.end_ms)
            pieces[-1] = joined
        else:
            pieces.append(Piece(text.strip(), word.start_ms, word.end_ms, spaced))
    return [part for piece in pieces for part in _fit(piece)]


def spread(text: str, start_ms: int, end_ms: int) -> list[Piece]:
    """Cut text without word times into pieces, spread evenly over its time."""
    tokens = re.findall(
        r"\s*[^\s\u2e80-\u9fff\uff00-\uffef]+|\s*[\u2e80-\u9fff\uff00-\uffef]", text
    )
    total = sum(_width(token) for token in tokens) or 1
    words: list[Word] = []
    done = 0
    for token in tokens:
        begin = start_ms + (end_ms - start_ms) * done // total
        done += _width(token)
        words.append(Word(token, begin, start_ms + (end_ms - start_ms) * done // total, 1.0))
    return pieces_of(words)


def cut(pieces: Sequence[Piece], *, speaker: str | None = None, channel: int = 0) -> list[Cue]:
    """Cut the pieces of one segment into cues, in order, with nothing left out."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        if groups and _fits([*groups[-1], piece]):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    _even_out(groups)
    return [
        Cue(group[0].start_ms, max(piece.end_ms for piece in group), _wrap(group), speaker, channel)
        for group in groups
    ]


def schedule(cues: Iterable[Cue]) -> list[Cue]:
    """Give cues times that are in order, do not overlap, and leave time to read.

    A cue lasts at least a second, and longer up to the next one where its text needs it; one that
    comes too early is pushed back behind the one before of its channel.
    """
    ordered = sorted(cues, key=lambda cue: cue.start_ms)
    timed: list[Cue] = []
    clock: dict[int, int] = {}
    for index, cue in enumerate(ordered):
        start = max(cue.start_ms, clock.get(cue.channel, 0))
        wanted = start + sum(len(line) for line in cue.lines) * 1000 // CHARS_PER_S
        following = ordered[index + 1].start_ms if index + 1 < len(ordered) else wanted
        end = max(cue.end_ms, min(wanted, following), start + MIN_MS)
        end = min(end, start + MAX_MS)
        timed.append(replace(cue, start_ms=start, end_ms=end))
        clock[cue.channel] = end
    return sorted(timed, key=lambda cue: cue.start_ms)


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between two words that no space divides: beside ideographs."""
    if unicodedata.category(after[0]).startswith("P"):
        return False
    return _is_wide(before[-1]) or _is_wide(after[0])


def _fit(piece: Piece) -> list[Piece]:
    """Break a piece wider than a line."""
    parts = [""]
    for char in piece.text:
        if _width(parts[-1] + char) > COLUMNS:
            parts.append("")
        parts[-1] += char
    length, done = len(piece.text), 0
    fitted: list[Piece] = []
    for part in parts:
        begin = piece.start_ms + (piece.end_ms - piece.start_ms) * done // length
        done += len(part)
        end = piece.start_ms + (piece.end_ms - piece.start_ms) * done // length
        fitted.append(Piece(part, begin, end, piece.space and not fitted))
    return fitted


def _fits(group: Sequence[Piece]) -> bool:
    if group[-1].end_ms - group[0].start_ms > MAX_MS:
        return False
    return len(_wrap(group)) <= LINES


def _even_out(groups: list[list[Piece]]) -> None:
    """Move words into a short last cue, so that no word stands alone."""
    if len(groups) < 2:
        return
    before, last = groups[-2], groups[-1]
    while len(before) > 1 and _width(_join(last)) * 2 < _width(_join(before)):
        if not _fits([before[-1], *last]):
            return
        last.insert(0, before.pop())


def _wrap(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """Lay pieces out in lines: one where it fits, else two of about the same length."""
    whole = _join(pieces)
    if _width(whole) <= COLUMNS:
        return (whole,)
    best: tuple[int, tuple[str, str]] | None = None
    for index in range(1, len(pieces)):
        first, second = _join(pieces[:index]), _join(pieces[index:])
        longest = max(_width(first), _width(second))
        if longest > COLUMNS:
            continue
        cost = longest - (6 if first[-1] in ",;:.?!…、。" else 0)
        if best is None or cost < best[0]:
            best = (cost, (first, second))
    if best is not None:
        return best[1]
    lines: list[list[Piece]] = []
    for piece in pieces:
        if lines and _width(_join([*lines[-1], piece])) <= COLUMNS:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return tuple(_join(line) for line in lines)


def _join(pieces: Sequence[Piece]) -> str:
    return "".join((" " if piece.space else "") + piece.text for piece in pieces).strip()


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"


def _width(text: str) -> int:
    """Columns of `text`; ideographs take two."""
    return sum(2 if _is_wide(char) else 1 for char in text)
