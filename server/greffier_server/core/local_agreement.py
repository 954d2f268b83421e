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
from greffier_server.core.growing_window import GrowingWindowPolicy, WindowSettings
from greffier_server.core.sentences import split_sentences
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.word_times import same_word

__all__ = ["LocalAgreementPolicy", "LocalAgreementSettings"]


@dataclass(frozen=True, slots=True)
class LocalAgreementSettings(WindowSettings):
    """Dials of LocalAgreement-2; all times in milliseconds of audio."""

    context_ms: int = 15_000
    """Longest committed part of the buffer, should no sentence end in it."""
    buffer_ms: int = 15_000
    """A longer buffer is trimmed at the last committed end of a sentence."""


class LocalAgreementPolicy(GrowingWindowPolicy):
    """One session's policy; see `StreamingPolicy` and, for the arguments, `GrowingWindowPolicy`."""

    def __init__(
        self,
        *,
        frame_ms: int,
        language: str | None = None,
        expected: Sequence[str] = (),
        settings: LocalAgreementSettings | None = None,
        speech: SpeechSettings | None = None,
        start_ms: int = 0,
        decided_ms: int = 0,
        committed: Sequence[Word] = (),
    ) -> None:
        self._agreement = settings or LocalAgreementSettings()
        self._buffer_ms = start_ms
        super().__init__(
            frame_ms=frame_ms,
            settings=self._agreement,
            language=language,
            expected=expected,
            speech=speech,
            start_ms=start_ms,
            decided_ms=decided_ms,
            committed=committed,
        )

    def _stable(self, words: Sequence[Word], to_ms: int) -> int:
        """Length of the common prefix with the decode before."""
        del to_ms
        agreed = 0
        for word, before in zip(words, self._tail, strict=False):
            if not same_word(word, before):
                break
            agreed += 1
        return agreed

    def _context_from_ms(self) -> int:
        self._trim()
        return max(super()._context_from_ms(), self._buffer_ms)

    def _trim(self) -> None:
        """Begin the buffer behind the last committed sentence once it has grown too long."""
        begins_ms = self._words[0].start_ms if self._words else self._committed_ms
        if self._heard_ms - max(self._buffer_ms, begins_ms) <= self._agreement.buffer_ms:
            return
        sentences = split_sentences(tuple(self._words), self.language or "")
        if len(sentences) > 1:  # the last one may not have ended yet
            self._buffer_ms = max(self._buffer_ms, sentences[-2][-1].end_ms)
