"""Which language is spoken: detected over seconds of speech, switched only on strong evidence.

Measured with Whisper base on stretches of French and English (read, meeting, radio): detection over
one second is right three times in four, over two seconds nine times in ten, and short stretches are
mistaken for a language nobody speaks in the room far more often than for the other one that is
spoken. Hence the prior for expected languages, the wait of up to three seconds while in doubt (the
words are seen meanwhile as a tail), and the second look.
"""

from collections.abc import Sequence
from typing import Literal

__all__ = ["LanguageChoice", "Verdict"]

Verdict = Literal["keep", "switch", "wait"]

_FIRST_MS = 1_000
"""Least speech worth asking about."""
_ENOUGH_MS = 2_000
"""With this much, a likely guess is taken …"""
_LIKELY = 0.7
_LONG_MS = 3_000
"""… and with this much, the best one."""
_REVIEW_MS = 4_000
"""A choice made on less is looked at once more here."""
_SURE = 0.9
_MOST_DOUBTS = 2
"""In one stretch of speech; after that, bad decodes are bad audio."""
_UNEXPECTED = 0.1
"""Weight of a language that is not expected."""
_STICKY = 1.3
"""Weight of the language spoken just before."""


class LanguageChoice:
    """Follows the language of one stream; asked after each pause until it is sure.

    Args:
        forced: the language the client named; nothing is detected then.
        expected: languages spoken here; others need ten times the evidence.
    """

    def __init__(self, forced: str | None, expected: Sequence[str] = ()) -> None:
        self._forced = forced is not None
        self._expected = set(expected)
        self.current = forced
        self._settled = self._forced
        self._reviewed = self._forced
        self._doubts = 0

    @property
    def following(self) -> bool:
        """The language is detected, not given."""
        return not self._forced

    @property
    def candidates(self) -> tuple[str, ...]:
        """Languages likely to be spoken."""
        return tuple(sorted({*self._expected, *([self.current] if self.current else [])}))

    def new_utterance(self) -> None:
        """Speech begins after a pause: another person may speak another language."""
        self._settled = self._reviewed = self._forced
        self._doubts = 0

    def doubt(self) -> bool:
        """A decode went badly: look again. False when the language is given, not detected."""
        if self._forced or self._doubts >= _MOST_DOUBTS:
            return False
        self._doubts += 1
        self._settled = self._reviewed = False
        return True

    def wants_evidence(self, speech_ms: int, *, final: bool) -> bool:
        """Whether the language should be detected over the utterance's `speech_ms` so far."""
        if not self._settled:
            return final or speech_ms >= _FIRST_MS
        return not self._reviewed and speech_ms >= _REVIEW_MS

    def weigh(self, scores: dict[str, float], speech_ms: int, *, final: bool) -> Verdict:
        """Take the probabilities of the languages over `speech_ms` of speech.

        Returns:
            ``keep``: go on in `current`; ``switch``: `current` is now another one; ``wait``: not
            sure yet, commit nothing.
        """
        weighted = self._weighted(scores)
        best = max(weighted, key=weighted.__getitem__)
        share = weighted[best]
        enough = speech_ms >= _LONG_MS or (speech_ms >= _ENOUGH_MS and share >= _LIKELY)
        if self._settled:  # the second look
            self._reviewed = True
            return self._take(best) if share >= _SURE else "keep"
        if best == self.current and (share >= _LIKELY or final or enough):
            self._settle(sure=speech_ms >= _REVIEW_MS)
            return "keep"
        if enough or (share >= _SURE and (self.current is None or speech_ms >= 1_400)):
            self._settle(sure=speech_ms >= _REVIEW_MS)
            return self._take(best)
        if final:  # a word or two: not enough to change the language
            self._settle(sure=True)
            return self._take(best) if self.current is None or share >= 0.97 else "keep"
        return "wait"

    def _weighted(self, scores: dict[str, float]) -> dict[str, float]:
        weighted: dict[str, float] = {}
        for language, score in scores.items():
            weight = 1.0
            if self._expected and language not in self._expected:
                weight = _UNEXPECTED
            if language == self.current:
                weight *= _STICKY
            weighted[language] = score * weight
        total = sum(weighted.values()) or 1.0
        return {language: score / total for language, score in weighted.items()}

    def _settle(self, *, sure: bool) -> None:
        self._settled = True
        self._reviewed = sure

    def _take(self, language: str) -> Verdict:
        if language == self.current:
            return "keep"
        self.current = language
        return "switch"
