"""Whole utterances: nothing is for good until a pause, what is heard meanwhile is the tail.

What most servers do that put a voice activity detector before Whisper. The decode at the pause has
the whole utterance, so that the text is as good as the model gives; the lag of a word is the time
to the end of its utterance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greffier_models.types import Word
from greffier_server.core.growing_window import GrowingWindowPolicy, WindowSettings
from greffier_server.core.speech import SpeechSettings

__all__ = ["UtterancePolicy", "UtteranceSettings"]


@dataclass(frozen=True, slots=True)
class UtteranceSettings(WindowSettings):
    """Dials of whole utterances; all times in milliseconds of audio."""


class UtterancePolicy(GrowingWindowPolicy):
    """One session's policy; see `StreamingPolicy` and, for the arguments, `GrowingWindowPolicy`."""

    def __init__(
        self,
        *,
        frame_ms: int,
        language: str | None = None,
        expected: Sequence[str] = (),
        settings: UtteranceSettings | None = None,
        speech: SpeechSettings | None = None,
        start_ms: int = 0,
        decided_ms: int = 0,
        committed: Sequence[Word] = (),
    ) -> None:
        super().__init__(
            frame_ms=frame_ms,
            settings=settings or UtteranceSettings(),
            language=language,
            expected=expected,
            speech=speech,
            start_ms=start_ms,
            decided_ms=decided_ms,
            committed=committed,
        )

    def _stable(self, words: Sequence[Word], to_ms: int) -> int:
        """Nothing: a pause or a full window decides."""
        del words, to_ms
        return 0
