"""Which language is spoken: detected over seconds of speech, switched only on strong evidence."""

from typing import Literal

__all__ = ["LanguageChoice"]

_FIRST_MS = 1_000
"""Least speech worth asking about."""
_ENOUGH_MS = 3_000
"""With this much, the best guess is taken."""
_SURE = 0.8
_LIKELY = 0.5


class LanguageChoice:
    """Follows the language of one stream, asked once a stretch of speech until it is sure.

    Args:
        forced: the language the client named; nothing is detected then.
    """

    def __init__(self, forced: str | None) -> None:
        self._forced = forced
        self.current = forced
        self._settled = forced is not None

    def new_utterance(self, onset_ms: int) -> None:
        """Speech begins after a pause: another person may speak another language."""
        del onset_ms
        self._settled = self._forced is not None

    def wants_evidence(self, speech_ms: int, *, final: bool) -> bool:
        """Whether the next decode should also detect the language."""
        return not self._settled and (final or speech_ms >= _FIRST_MS)

    def weigh(
        self, scores: dict[str, float], speech_ms: int, *, final: bool
    ) -> Literal["keep", "switch", "wait"]:
        """Take evidence over `speech_ms` of speech.

        Returns:
            ``keep``: go on in `current`; ``switch``: `current` is now another one; ``wait``: not
            sure yet, commit nothing.
        """
        best = max(scores, key=scores.__getitem__)
        sure = scores[best]
        enough = final or speech_ms >= _ENOUGH_MS
        if self.current is None:
            if sure >= _LIKELY or enough:
                self.current = best
                self._settled = sure >= _LIKELY
                return "switch"
            return "wait"
        if best == self.current:
            self._settled = sure >= _LIKELY or enough
            return "keep"
        needed = _SURE if speech_ms >= 1_500 else 0.9
        if sure >= needed and scores.get(self.current, 0.0) < 0.15:
            self.current = best
            self._settled = True
            return "switch"
        if enough:
            self._settled = True
            return "keep"
        return "wait" if sure >= _LIKELY else "keep"
