"""What a reader saw and when (pure), measured alike for every server.

A *screen* is all text a server has shown so far: *final*, which it marks as done, and a *tail*,
which it may change. Words are what stands between spaces; case and punctuation do not count. Two
screens are compared by their longest common runs of words, so that a word inserted early does not
count as a change of everything behind it.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from benchmarks.lag import Playback, shown_words

__all__ = [
    "Screen",
    "TimedWord",
    "erased_after",
    "final_text",
    "shown_since",
    "spoken_times",
    "word_lags",
]


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything shown at one moment of the sender's clock."""

    at_ms: float
    final: str
    tail: str

    @property
    def everything(self) -> str:
        """Final text and tail as a reader sees them."""
        return f"{self.final} {self.tail}".strip()


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word that was said and the end of it on the recording's clock."""

    text: str
    end_ms: int


def final_text(screens: Sequence[Screen]) -> str:
    """All that stands at the end, the last tail included: nobody is blamed for not marking it."""
    return screens[-1].everything if screens else ""


def shown_since(screens: Sequence[Screen], *, marked: bool) -> list[tuple[str, float | None]]:
    """Each word of the last screen and since when it has stood there without change.

    Args:
        screens: in order of time.
        marked: look only at what was marked final; a word that never was has no time.
    """
    words = shown_words(final_text(screens))
    since: dict[int, float] = {}
    before: list[str] | None = None
    for screen in screens:
        now = shown_words(screen.final if marked else screen.everything)
        if now == before:
            continue
        before = now
        standing = set(_matches(now, words))
        since = {index: at_ms for index, at_ms in since.items() if index in standing}
        for index in standing:
            since.setdefault(index, screen.at_ms)
    return [(word, since.get(index)) for index, word in enumerate(words)]


def erased_after(screens: Sequence[Screen], *, marked: bool) -> int:
    """Words that were shown (or marked final) and did not stay, each loss counted."""
    erased = 0
    before: list[str] = []
    for screen in screens:
        now = shown_words(screen.final if marked else screen.everything)
        if now != before:
            erased += len(before) - len(_matches(before, now))
        before = now
    return erased


def spoken_times(reference: str, heard: Sequence[TimedWord]) -> dict[int, int]:
    """Ends (ms) of the reference's words, by index, where `heard` has the same word there."""
    words = shown_words(reference)
    plain = [(word, timed.end_ms) for timed in heard for word in shown_words(timed.text)]
    pairs = _pairs(words, [word for word, _ in plain])
    return {index: plain[other][1] for index, other in pairs}


def word_lags(
    reference: str,
    times: Mapping[int, int],
    since: Sequence[tuple[str, float | None]],
    playback: Playback,
) -> list[float]:
    """Milliseconds from the moment each reference word's end was sent to its time in `since`.

    Reference words that the text does not have, or whose time is not known, have no lag.
    """
    pairs = _pairs(shown_words(reference), [word for word, _ in since])
    lags: list[float] = []
    for index, other in pairs:
        at_ms = since[other][1]
        if index in times and at_ms is not None:
            lags.append(at_ms - playback.sent_at(times[index]))
    return lags


def _matches(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """Indices in `new` of the words that both have."""
    return [other for _, other in _pairs(old, new)]


def _pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Index pairs of the words that both have, in order."""
    head = _common(old, new)
    # What comes before the first difference matches itself: only the rest is worth a search.
    pairs = [(index, index) for index in range(head)]
    matcher = SequenceMatcher(None, old[head:], new[head:], autojunk=False)
    for block in matcher.get_matching_blocks():
        pairs.extend((head + block.a + step, head + block.b + step) for step in range(block.size))
    return pairs


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Length of the common beginning."""
    length = min(len(old), len(new))
    return bisect.bisect_left(range(length), True, key=lambda at: old[: at + 1] != new[: at + 1])
