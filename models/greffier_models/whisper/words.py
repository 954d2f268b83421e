"""Tokens and their alignment to words with times."""

from collections.abc import Sequence

from greffier_models.types import Word

__all__ = ["group_tokens", "timed_words"]

_OPENING = "\"'“¿([{-«"
_CLOSING = "\"'.。,，!！?？:：”)]}、»…;"
_FRAME_MS = 20
"""One encoder frame, the resolution of `Whisper.align()`."""


def group_tokens(pieces: Sequence[str], *, spaced: bool) -> list[list[int]]:
    """Group decoded token texts into words; return the token indices of each word.

    Args:
        pieces: text of each token in order; an incomplete UTF-8 sequence ends in U+FFFD and is
            joined with what completes it.
        spaced: the language separates words by spaces; otherwise each complete piece is a word.
    """
    groups: list[list[int]] = []
    open_bytes = False
    for index, piece in enumerate(pieces):
        text = piece.strip()
        starts = (
            not groups
            or (not open_bytes and (piece.startswith(" ") or not spaced))
            or (not open_bytes and _is_opening_only(text) and piece.startswith(" "))
        )
        if text and all(ch in _CLOSING for ch in text) and groups and not piece.startswith(" "):
            starts = False
        if groups and not open_bytes and _word_is_opening(groups[-1], pieces):
            starts = False
        if starts:
            groups.append([index])
        else:
            groups[-1].append(index)
        open_bytes = piece.endswith("\ufffd")
    return _attach_closing(groups, pieces)


def _is_opening_only(text: str) -> bool:
    return bool(text) and all(ch in _OPENING for ch in text)


def _word_is_opening(group: Sequence[int], pieces: Sequence[str]) -> bool:
    text = "".join(pieces[i] for i in group).strip()
    return _is_opening_only(text)


def _attach_closing(groups: list[list[int]], pieces: Sequence[str]) -> list[list[int]]:
    """French sets a space before « ? ! : ; » »: those belong to the word before."""
    merged: list[list[int]] = []
    for group in groups:
        text = "".join(pieces[i] for i in group).strip()
        if merged and text and all(ch in _CLOSING for ch in text):
            merged[-1].extend(group)
        else:
            merged.append(group)
    return merged


def timed_words(
    texts: Sequence[str],
    groups: Sequence[Sequence[int]],
    *,
    token_frames: Sequence[int],
    probabilities: Sequence[float],
    start_ms: int,
    end_ms: int,
) -> list[Word]:
    """Give each word its times.

    Args:
        texts: the words, leading spaces kept.
        groups: token indices of each word.
        token_frames: encoder frame at which each token begins, then one more for the end.
        probabilities: of each token.
        start_ms: of the window on the session's clock.
        end_ms: of the audio in the window; no word reaches beyond it.
    """
    words: list[Word] = []
    last = start_ms
    for text, group in zip(texts, groups, strict=True):
        begin = start_ms + token_frames[group[0]] * _FRAME_MS
        finish = start_ms + token_frames[group[-1] + 1] * _FRAME_MS
        begin = min(max(begin, last), end_ms)
        finish = min(max(finish, begin), end_ms)
        probability = sum(probabilities[i] for i in group) / len(group)
        words.append(Word(text, begin, finish, round(probability, 4)))
        last = begin
    return words
