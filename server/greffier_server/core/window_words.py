"""Judging what a packed window was decoded to: words set right, holes and loops found."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from greffier_models.types import Hypothesis, Word
from greffier_server.core.defence import repetition_start
from greffier_server.core.packing import PackedWindow
from greffier_server.core.word_times import without_loops

__all__ = ["hole_end_ms", "is_poor", "placed_words", "weight"]

_LOW_LOGPROB = -1.0
"""Under this Whisper itself decodes again (OpenAI's `logprob_threshold`)."""
_HOLE_MS = 2_000
"""Speech without a word, or with one word alone: the decoder skipped a sentence."""


def placed_words(window: PackedWindow, words: Sequence[Word]) -> list[Word]:
    """The words of a decode of `window` on the recording's clock, in order, without loops."""
    placed: list[Word] = []
    last_ms = window.from_ms
    for word in map(window.place, without_loops(words)[0]):
        start_ms = min(max(word.start_ms, last_ms), window.to_ms)
        end_ms = min(max(word.end_ms, start_ms), window.to_ms)
        placed.append(replace(word, start_ms=start_ms, end_ms=end_ms))
        last_ms = start_ms
    return _clipped(window, placed)


def is_poor(window: PackedWindow, hypothesis: Hypothesis, words: Sequence[Word]) -> bool:
    """Whether the window should be decoded again in other bounds."""
    if hypothesis.truncated or hypothesis.mean_logprob < _LOW_LOGPROB:
        return True
    if len(words) < len(hypothesis.words):
        return True
    if repetition_start([word.text for word in words]) is not None:
        return True
    return hole_end_ms(window, words) is not None


def weight(words: Sequence[Word]) -> float:
    """How much is said with confidence: what one reading of a window is preferred by."""
    loop = repetition_start([word.text for word in words])
    return sum(word.probability for word in words[:loop])


def hole_end_ms(window: PackedWindow, words: Sequence[Word]) -> int | None:
    """Where words begin again after the longest stretch of speech without; None of a small one."""
    edges = [window.from_ms, *(word.start_ms for word in words), window.to_ms]
    holes = [(window.speech_ms(edge, following), following) for edge, following in pairwise(edges)]
    longest_ms, end_ms = max(holes)
    return end_ms if longest_ms >= _HOLE_MS else None


def _clipped(window: PackedWindow, words: Sequence[Word]) -> list[Word]:
    """End the last word where speech ends: the aligner draws it over the silence behind."""
    if not words:
        return []
    *others, last = words
    spoken_ms = window.stretches[-1].to_ms
    if last.start_ms < spoken_ms < last.end_ms:
        last = replace(last, end_ms=spoken_ms)
    return [*others, last]
