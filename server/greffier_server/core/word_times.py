"""Mends what the aligner says of words: loops, ends drawn over silence, words drawn over speech."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from greffier_models.types import Word
from greffier_server.core.speech import SpeechTracker

__all__ = ["MendedWords", "ended_before", "fold_word", "mend", "same_word", "without_loops"]

_STRETCHED_MS = 2_500
_STRETCHED_PROBABILITY = 0.8
_WORD_MS = 1_000
_INSTANT_MS = 40
"""No word is shorter."""
_LOOP_WORDS = 3
"""So many instant words in a row are a loop: the aligner found no audio for them."""
_SILENT_MS = 300
"""A silence this long inside a word was before it: the aligner draws starts back over it."""
_NEAR_MS = 700
"""Two decodes that mean the same word place it no further apart."""
_SLACK_MS = 120
"""How far the aligner and voice activity may differ about where a word ends."""


@dataclass(frozen=True, slots=True)
class MendedWords:
    """Words with times that can be believed, and those for which there is no sound."""

    kept: tuple[Word, ...]
    voiceless: tuple[Word, ...] = ()
    """Words at the end for which no voice was heard."""
    looped: tuple[Word, ...] = ()
    """Words that took no time."""


def mend(
    words: Sequence[Word], tracker: SpeechTracker, *, after_ms: int, to_ms: int
) -> MendedWords:
    """Clip words to speech and to the window, in order.

    Args:
        words: of one hypothesis.
        tracker: voice activity of the stream.
        after_ms: end of what is committed.
        to_ms: end of the window.
    """
    spoken = tracker.speech_end_before(to_ms)
    kept: list[Word] = []
    last = after_ms
    timed, looped = without_loops(words)
    for index, word in enumerate(timed):
        if spoken and word.start_ms >= spoken and word.end_ms - word.start_ms < _INSTANT_MS:
            looped += timed[index:]
            break
        start = min(max(word.start_ms, last), to_ms)
        end = min(word.end_ms, to_ms)
        if end - start > _STRETCHED_MS and word.probability < _STRETCHED_PROBABILITY:
            # Drawn over words that were not heard: those are asked for again at the pause.
            start = tracker.speech_start_after(start, end)
            end = min(end, start + _WORD_MS)
        if spoken and start < spoken < end:
            end = spoken
        end = max(end, start)
        start = tracker.start_after_silence(start, end, silence_ms=_SILENT_MS)
        kept.append(replace(word, start_ms=start, end_ms=end))
        last = end
    count = len(kept)
    while count and spoken and _unvoiced(kept[count - 1], tracker):
        count -= 1
    return MendedWords(tuple(kept[:count]), tuple(kept[count:]), tuple(looped))


def _unvoiced(word: Word, tracker: SpeechTracker) -> bool:
    return tracker.speech_ms(word.start_ms - _SLACK_MS, word.end_ms + _SLACK_MS) == 0


def without_loops(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """Part words into those that take time and runs of those that take none.

    What comes behind such a run, and only says again what stood before it, is the loop's end: the
    aligner gives the last word of a loop all the time that is left.
    """
    kept: list[Word] = []
    looped: list[Word] = []
    run: list[Word] = []
    for index, word in enumerate([*words, None]):
        if word is not None and word.end_ms - word.start_ms < _INSTANT_MS:
            run.append(word)
            continue
        loop = len(run) >= _LOOP_WORDS
        (looped if loop else kept).extend(run)
        run = []
        if loop and _says_again(words[index:], kept):
            looped += words[index:]
            break
        if word is not None:
            kept.append(word)
    return kept, looped


def _says_again(words: Sequence[Word], before: Sequence[Word]) -> bool:
    said = [fold_word(word.text) for word in words]
    return bool(said) and said == [fold_word(word.text) for word in before[-len(said) :]]


def ended_before(words: Sequence[Word], ms: int) -> int:
    """Number of leading words that end at `ms` or before."""
    return next((index for index, word in enumerate(words) if word.end_ms > ms), len(words))


def same_word(word: Word, other: Word) -> bool:
    """Whether two decodes mean the same: equal when folded, and heard at about the same time."""
    near = abs(word.start_ms - other.start_ms) < _NEAR_MS
    return near and fold_word(word.text) == fold_word(other.text)


def fold_word(text: str) -> str:
    """A word without case and punctuation."""
    return text.strip().casefold().strip('.,!?;:…"«»()-')
