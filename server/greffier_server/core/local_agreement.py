"""LocalAgreement-2: what two decodes in a row agree on is for good.

Liu, Spanakis and Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection", Interspeech 2020; for Whisper: Macháček, Dabre and Bojar, "Turning
Whisper into Real-Time Transcription System", IJCNLP-AACL 2023 (whisper_streaming). The longest
common prefix of two hypotheses over the same, growing buffer is committed, and the buffer is
trimmed at the end of a committed sentence once it is longer than 15 s.

Two things differ from whisper_streaming. Committed text that is still in the buffer is forced as
prefix; there it is decoded again and cut off by time and n-grams, which says words twice or not at
all where the two decodes differ. And a pause commits everything, where there the last words wait
for the next speech.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greffier_models.types import Word
from greffier_server.core.growing_window import GrowingWindowPolicy
from greffier_server.core.policy import DecodeRequest
from greffier_server.core.sentences import split_sentences
from greffier_server.core.window_settings import WindowSettings
from greffier_server.core.word_times import ended_before, same_word

__all__ = ["LocalAgreementPolicy", "LocalAgreementSettings"]


@dataclass(frozen=True, slots=True)
class LocalAgreementSettings(WindowSettings):
    """Dials of LocalAgreement-2; all times in milliseconds of audio."""

    context_ms: int = 15_000
    """Longest committed part of the buffer, should no sentence end in it."""
    buffer_ms: int = 15_000
    """A longer buffer is trimmed at the last committed end of a sentence."""
    full_guard_ms: int = 1_500
    """Words of a full window that end so long before its end are committed whatever the rule."""


class LocalAgreementPolicy(GrowingWindowPolicy[LocalAgreementSettings]):
    """One session's policy; see `StreamingPolicy` and, for the arguments, `GrowingWindowPolicy`."""

    _buffer_ms = 0
    """The buffer begins no earlier."""

    @staticmethod
    def _served() -> LocalAgreementSettings:
        return LocalAgreementSettings()

    def _stable(self, words: Sequence[Word], heard: DecodeRequest) -> int:
        """Length of the common prefix with the decode before."""
        del heard
        agreed = 0
        for word, before in zip(words, self._tail, strict=False):
            if not same_word(word, before):
                break
            agreed += 1
        return agreed

    def _decided(self, words: Sequence[Word], heard: DecodeRequest) -> tuple[int, int]:
        safe_ms = heard.to_ms - self.settings.full_guard_ms
        return max(ended_before(words, safe_ms), self._stable(words, heard)), safe_ms

    def _context_from_ms(self) -> int:
        self._trim()
        return max(super()._context_from_ms(), self._buffer_ms)

    def _trim(self) -> None:
        """Begin the buffer behind the last committed sentence once it has grown too long."""
        begins_ms = self._left.words[0].start_ms if self._left.words else self._committed_ms
        begins_ms = max(self._first_ms, self._buffer_ms, begins_ms)
        if self._heard_ms - begins_ms <= self.settings.buffer_ms:
            return
        sentences = split_sentences(tuple(self._left.words), self.language or "")
        if len(sentences) > 1:  # the last one may not have ended yet
            self._buffer_ms = max(self._buffer_ms, sentences[-2][-1].end_ms)
