"""Whole utterances: nothing is for good until a pause, what is heard meanwhile is the tail.

What most servers do that put a voice activity detector before Whisper. The decode at the pause has
the whole utterance, so that the text is as good as the model gives; the lag of a word is the time
to the end of its utterance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greffier_models.types import Word
from greffier_server.core.growing_window import GrowingWindowPolicy
from greffier_server.core.policy import DecodeRequest
from greffier_server.core.window_settings import WindowSettings
from greffier_server.core.word_times import ended_before

__all__ = ["UtterancePolicy", "UtteranceSettings"]


@dataclass(frozen=True, slots=True)
class UtteranceSettings(WindowSettings):
    """Dials of whole utterances; all times in milliseconds of audio."""

    full_guard_ms: int = 1_500
    """Words of a full window that end so long before its end are committed."""


class UtterancePolicy(GrowingWindowPolicy[UtteranceSettings]):
    """One session's policy; see `StreamingPolicy` and, for the arguments, `GrowingWindowPolicy`."""

    @staticmethod
    def _served() -> UtteranceSettings:
        return UtteranceSettings()

    def _stable(self, words: Sequence[Word], heard: DecodeRequest) -> int:
        """Nothing: a pause or a full window decides."""
        del words, heard
        return 0

    def _decided(self, words: Sequence[Word], heard: DecodeRequest) -> tuple[int, int]:
        safe_ms = heard.to_ms - self.settings.full_guard_ms
        return ended_before(words, safe_ms), safe_ms
