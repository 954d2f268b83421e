"""Which language each turn of a recording is in: asked where it may have changed, then smoothed.

A turn is speech without a pause that another speaker could have used. While the recording has
shown one language alone for long enough, only a turn now and then is asked about; one that
disagrees makes every turn asked about again. Live sessions follow the language by
`core/language_choice.py`, which must decide before it knows what comes next; here the neighbours
on both sides are known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greffier_server.core.packing import Span, Stretch

__all__ = ["LabelledTurn", "Turn", "TurnFinder", "TurnLanguages"]

_TURN_PAUSE_MS = 288
_LONGEST_TURN_MS = 8_000
_WORTH_ASKING_MS = 1_000
"""Whisper names the language of less speech too badly."""
_SETTLED_MS = 30_000
"""So much speech in one language alone, and the recording is taken to be in it …"""
_CHECK_MS = 12_000
"""… and is asked about again after so much more, in a turn of at least …"""
_CHECKED_TURN_MS = 2_000
_LONG_WAIT_MS = 30_000
"""Where only short turns come for so long, they are asked about all the same …"""
_LONGEST_WAIT_MS = 60_000
"""… and go on without an answer in the end: the audio of waiting turns is held in memory."""
_UNEXPECTED = 0.1
"""Weight of a language that is not expected."""
_STICKY = 1.3
"""Weight of the language of the turn before."""
_LIKELY = 0.7
_ENOUGH_MS = 2_000
"""With so much speech the best language is taken; with less only a likely one."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Stretches of speech that one person says in one language."""

    stretches: tuple[Stretch, ...]

    @property
    def span(self) -> Span:
        """From the first sound to the last."""
        return Span(self.stretches[0].from_ms, self.stretches[-1].to_ms)


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """A turn and its language."""

    turn: Turn
    language: str


class TurnFinder:
    """Joins stretches to turns, in order."""

    def __init__(self) -> None:
        self._open: list[Stretch] = []

    @property
    def open_from_ms(self) -> int | None:
        """Start of the turn that may still grow."""
        return self._open[0].from_ms if self._open else None

    def push(self, stretch: Stretch) -> list[Turn]:
        """Take the next stretch; return the turn it ended, if any."""
        ended: list[Turn] = []
        if self._open and (
            stretch.from_ms - self._open[-1].to_ms >= _TURN_PAUSE_MS
            or stretch.to_ms - self._open[0].from_ms > _LONGEST_TURN_MS
        ):
            ended = self.finish()
        self._open.append(stretch)
        return ended

    def finish(self) -> list[Turn]:
        """No more stretches."""
        ended = [Turn(tuple(self._open))] if self._open else []
        self._open = []
        return ended


class TurnLanguages:
    """Decides which turns to ask about, and labels them.

    Args:
        expected: languages spoken here; others need ten times the evidence.
        fallback: the language where none can be named.
    """

    def __init__(self, expected: Sequence[str] = (), *, fallback: str = "en") -> None:
        self._fallback = fallback
        self._expected = frozenset(expected)
        self._current: str | None = None
        self._unanimous_ms = 0
        self._unasked_ms = 0
        self._labelled_to_ms = 0
        self._waiting: list[Turn] = []

    @property
    def waiting_from_ms(self) -> int | None:
        """Start of the first turn that has no label yet."""
        return self._waiting[0].span.from_ms if self._waiting else None

    def asks(self, turn: Turn) -> bool:
        """Whether the recogniser should name the language of `turn`; call once for each turn."""
        length_ms = turn.span.duration_ms
        self._unasked_ms += length_ms
        if self._unanimous_ms < _SETTLED_MS:
            wanted = length_ms >= _WORTH_ASKING_MS
        else:
            wanted = length_ms >= _CHECKED_TURN_MS and self._unasked_ms >= _CHECK_MS
        wanted = wanted or self._waited_ms(turn) >= _LONG_WAIT_MS
        if wanted:
            self._unasked_ms = 0
        return wanted

    def label(self, turn: Turn, scores: Mapping[str, float] | None) -> list[LabelledTurn]:
        """Take the answer for the next turn, None where it was not asked; return what is decided.

        A turn that was not asked about waits for the next one that was: it goes with the nearer.
        """
        if not scores:
            if self._unanimous_ms >= _SETTLED_MS and self._current is not None:
                self._labelled_to_ms = turn.span.to_ms
                return [LabelledTurn(turn, self._current)]
            self._waiting.append(turn)
            return self.finish() if self._waited_ms(turn) >= _LONGEST_WAIT_MS else []
        before, now = self._current, self._weigh(scores, turn.span.duration_ms)
        if before is None or now == before:
            self._unanimous_ms += turn.span.duration_ms
        else:
            self._unanimous_ms = 0
        labelled = [
            LabelledTurn(held, language)
            for held, language in zip(
                self._waiting, self._between(before or now, now, turn), strict=True
            )
        ]
        self._waiting = []
        self._current = now
        self._labelled_to_ms = turn.span.to_ms
        return [*labelled, LabelledTurn(turn, now)]

    def finish(self) -> list[LabelledTurn]:
        """No more turns."""
        language = self._current or self._fallback
        labelled = [LabelledTurn(turn, language) for turn in self._waiting]
        self._waiting = []
        return labelled

    def _waited_ms(self, turn: Turn) -> int:
        return turn.span.to_ms - self._waiting[0].span.from_ms if self._waiting else 0

    def _between(self, before: str, after: str, following: Turn) -> list[str]:
        """Languages of the waiting turns: those behind the longest pause go with what follows."""
        if before == after or not self._waiting:
            return [after] * len(self._waiting)
        starts = [*(turn.span.from_ms for turn in self._waiting), following.span.from_ms]
        ends = [self._labelled_to_ms, *(turn.span.to_ms for turn in self._waiting)]
        cut = max(range(len(starts)), key=lambda place: starts[place] - ends[place])
        return [before] * cut + [after] * (len(self._waiting) - cut)

    def _weigh(self, scores: Mapping[str, float], speech_ms: int) -> str:
        weighted = {
            language: score
            * (_UNEXPECTED if self._expected and language not in self._expected else 1.0)
            * (_STICKY if language == self._current else 1.0)
            for language, score in scores.items()
        }
        best = max(weighted, key=weighted.__getitem__)
        share = weighted[best] / (sum(weighted.values()) or 1.0)
        if self._current is not None and speech_ms < _ENOUGH_MS and share < _LIKELY:
            return self._current
        return best
