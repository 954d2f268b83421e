"""What the aligner says of words, made credible (pure): loops left out, ends clipped to speech.

Whisper's alignment stretches a last word over the silence behind it and gives no time at all to
words that it repeats; both are corrected here for every policy alike.
"""

from collections.abc import Sequence
from dataclasses import replace

from greffier_models.types import Word
from greffier_server.core.speech import SpeechTracker

__all__ = ["clipped", "fold_word", "same_word", "without_loops"]

_STRETCHED_MS = 2_500
_STRETCHED_PROBABILITY = 0.8
_WORD_MS = 1_000
_INSTANT_MS = 40
"""No word is shorter."""
_LOOP_WORDS = 3
"""So many instant words in a row are a loop: the aligner found no audio for them."""
_NEAR_MS = 700
"""Two decodes that mean the same word place it no further apart."""


def clipped(
    words: Sequence[Word], tracker: SpeechTracker, *, from_ms: int, to_ms: int
) -> list[Word]:
    """Clip words to detected speech, in order, between two times.

    Args:
        words: of one hypothesis, behind its prefix.
        tracker: knows where speech is.
        from_ms: end of what is committed; no word begins before it.
        to_ms: end of the window; no word ends behind it.
    """
    spoken = tracker.speech_end_before(to_ms)
    kept: list[Word] = []
    last = from_ms
    for word in without_loops(words):
        if spoken and word.start_ms >= spoken and word.end_ms - word.start_ms < _INSTANT_MS:
            break  # a loop: the aligner finds no audio for its words
        start = min(max(word.start_ms, last), to_ms)
        end = min(word.end_ms, to_ms)
        if end - start > _STRETCHED_MS and word.probability < _STRETCHED_PROBABILITY:
            # Drawn over words that were not heard: those are asked for again at the pause.
            start = tracker.speech_start_after(start, end)
            end = min(end, start + _WORD_MS)
        if spoken and start < spoken < end:
            end = spoken
        end = max(end, start)
        kept.append(replace(word, start_ms=start, end_ms=end))
        last = end
    return kept


def without_loops(words: Sequence[Word]) -> list[Word]:
    """Leave out runs of three and more words that take no time."""
    kept: list[Word] = []
    run: list[Word] = []
    for word in words:
        if word.end_ms - word.start_ms < _INSTANT_MS:
            run.append(word)
            continue
        if len(run) < _LOOP_WORDS:
            kept.extend(run)
        run = []
        kept.append(word)
    if len(run) < _LOOP_WORDS:
        kept.extend(run)
    return kept


def same_word(word: Word, other: Word) -> bool:
    """Whether two decodes mean the same: equal when folded, and heard at about the same time."""
    near = abs(word.start_ms - other.start_ms) < _NEAR_MS
    return near and fold_word(word.text) == fold_word(other.text)


def fold_word(text: str) -> str:
    """A word without case and punctuation."""
    return text.strip().casefold().strip('.,!?;:…"«»()-')
