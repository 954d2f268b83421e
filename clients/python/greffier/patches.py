"""Corrections of words as patches over the words that were recognised (pure).

A patch replaces the words from `first` to before `end`, counted in the words as recognised, so that
those stay as they are and a later patch can be told apart from an earlier one. Patches of a segment
never overlap: one that covers others takes their place, one that would cut another is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Patch", "Piece", "TimedWord", "patched", "pieces", "shown_text"]


class TimedWord(Protocol):
    """A word of a segment, of whichever side of the wire."""

    @property
    def text(self) -> str:
        """With its leading space."""
        ...

    @property
    def start_ms(self) -> int:
        """On the session's clock."""
        ...

    @property
    def end_ms(self) -> int:
        """On the session's clock."""
        ...

    @property
    def probability(self) -> float:
        """0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Patch:
    """Text in the place of some words."""

    first: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What is shown of a segment: a word as recognised, or the text of a patch."""

    first: int
    end: int
    text: str
    """With its leading space; empty where words were struck out."""
    start_ms: int
    end_ms: int
    probability: float
    corrected: bool = False


def patched(patches: Sequence[Patch], patch: Patch) -> tuple[Patch, ...]:
    """Return `patches` with `patch`, which takes the place of those it covers, in order."""
    kept = [old for old in patches if old.end <= patch.first or old.first >= patch.end]
    return tuple(sorted([*kept, patch], key=lambda one: one.first))


def pieces(words: Sequence[TimedWord], patches: Sequence[Patch]) -> Iterator[Piece]:
    """Yield what is shown, in order; patches beyond the words are left out."""
    at = 0
    for patch in [*patches, Patch(len(words), len(words), "")]:
        for index in range(at, min(patch.first, len(words))):
            word = words[index]
            yield Piece(index, index + 1, word.text, word.start_ms, word.end_ms, word.probability)
        if patch.first < patch.end <= len(words):
            spread = words[patch.first : patch.end]
            text = patch.text.strip()
            glued = not words[patch.first].text[:1].isspace() and patch.first > 0
            yield Piece(
                patch.first,
                patch.end,
                text if glued or not text else f" {text}",
                spread[0].start_ms,
                spread[-1].end_ms,
                1.0,
                corrected=True,
            )
        at = max(at, patch.end)


def shown_text(
    words: Sequence[TimedWord], patches: Sequence[Patch], first: int, end: int
) -> str | None:
    """Return what is shown in the place of the words from `first` to before `end`.

    None where there is no such place: beyond the words, empty, or through the middle of a patch.
    """
    if not 0 <= first < end <= len(words):
        return None
    if any(patch.first < edge < patch.end for patch in patches for edge in (first, end)):
        return None
    inside = [piece.text for piece in pieces(words, patches) if first <= piece.first < end]
    return "".join(inside).strip()
