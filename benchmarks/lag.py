"""From timed messages to lags (pure): when a word was sent, committed, and on screen for good.

*Commit lag* of a word: from the moment the sample at its end was sent (playing at real time, the
moment it was spoken) to the arrival of the caption that commits it. *On screen for good*: from the
same moment to the first caption since which its place in its segment, committed or tail, has always
read that word. Times are milliseconds of the sender's clock.
"""

import bisect
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greffier.protocol import Caption, CaptionWord

__all__ = [
    "Arrival",
    "Playback",
    "commit_lags",
    "erased_words",
    "percentile",
    "screen_lags",
    "shown_words",
]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A caption and when it came."""

    at_ms: float
    caption: Caption


class Playback:
    """Which audio was sent when."""

    def __init__(self) -> None:
        self._audio_ms: list[int] = []
        self._sent_ms: list[float] = []

    def sent(self, audio_ms: int, *, at_ms: float) -> None:
        """All audio before `audio_ms` had been sent at `at_ms`; both only grow."""
        if self._audio_ms and audio_ms <= self._audio_ms[-1]:
            raise ValueError("audio is sent in order")
        self._audio_ms.append(audio_ms)
        self._sent_ms.append(at_ms)

    def sent_at(self, audio_ms: int) -> float:
        """When the audio just before `audio_ms` was sent; its end's moment for later times."""
        if not self._audio_ms:
            raise ValueError("nothing was sent")
        index = bisect.bisect_left(self._audio_ms, audio_ms)
        return self._sent_ms[min(index, len(self._sent_ms) - 1)]


def commit_lags(arrivals: Iterable[Arrival], playback: Playback) -> list[float]:
    """Commit lag of every committed word, in order of arrival."""
    return [
        arrival.at_ms - playback.sent_at(word.end_ms)
        for arrival in arrivals
        for word in arrival.caption.words
    ]


def screen_lags(arrivals: Sequence[Arrival], playback: Playback) -> list[float]:
    """Lag to being on screen for good of every committed word.

    Words are what stands between spaces; their case and punctuation may change on the screen.
    """
    final: dict[int, list[CaptionWord]] = {}
    for arrival in arrivals:
        final.setdefault(arrival.caption.segment, []).extend(arrival.caption.words)
    placed = {segment: _placed(words) for segment, words in final.items()}
    since: dict[tuple[int, int], float] = {}
    committed: dict[int, str] = {}
    for arrival in arrivals:
        segment = arrival.caption.segment
        so_far = "".join(word.text for word in arrival.caption.words)
        committed[segment] = committed.get(segment, "") + so_far
        screen = shown_words(committed[segment] + arrival.caption.tail)
        for index, (word, _end_ms) in enumerate(placed[segment]):
            if index < len(screen) and screen[index] == word:
                since.setdefault((segment, index), arrival.at_ms)
            else:
                since.pop((segment, index), None)
    return [
        since[segment, index] - playback.sent_at(end_ms)
        for segment, words in placed.items()
        for index, (_word, end_ms) in enumerate(words)
    ]


def erased_words(live: Iterable[Caption], record: Iterable[Caption]) -> int:
    """Words committed live that the record does not hold at the same place."""
    kept = _committed(record)
    erased = 0
    for segment, words in _committed(live).items():
        held = kept.get(segment, [])
        erased += sum(index >= len(held) or held[index] != word for index, word in enumerate(words))
    return erased


def shown_words(text: str) -> list[str]:
    """The words of a text as they are compared: letters and digits, case folded."""
    return [plain for word in text.split() if (plain := _plain(word))]


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile; NaN for no values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[max(rank, 1) - 1]


def _committed(captions: Iterable[Caption]) -> dict[int, list[str]]:
    segments: dict[int, list[str]] = {}
    for caption in captions:
        segments.setdefault(caption.segment, []).extend(w.text for w in caption.words)
    return segments


def _placed(words: Iterable[CaptionWord]) -> list[tuple[str, int]]:
    """The shown words of committed text, each with the end of the part it ends in."""
    placed: list[tuple[str, int]] = []
    text = ""
    end_ms = 0
    for word in words:
        if word.text[:1].isspace():
            placed.extend((shown, end_ms) for shown in shown_words(text))
            text = ""
        text += word.text
        end_ms = word.end_ms
    placed.extend((shown, end_ms) for shown in shown_words(text))
    return placed


def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", word).casefold() if c.isalnum())
