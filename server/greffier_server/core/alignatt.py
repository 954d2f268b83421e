"""AlignAtt after the fact: one decode a hop, commit every word aligned well before the audio's end.

AlignAtt (Papi et al., "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide for
Simultaneous Speech Translation", Interspeech 2023) stops a decoder when its attention reaches the
newest frames. CTranslate2 does not show attention while decoding, so the rule is applied to
`align()` of the finished hypothesis: words that end a guard before the end of the audio are
committed, the others are the tail. The last seconds of committed text are kept in the window with
their audio and forced as a prefix: left context is worth more than anything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from greffier_models.types import Word
from greffier_server.core.growing_window import GrowingWindowPolicy
from greffier_server.core.policy import DecodeRequest, Suspicion
from greffier_server.core.window_settings import WindowSettings
from greffier_server.core.word_times import MendedWords, same_word

__all__ = ["FAST", "AlignAttPolicy", "AlignAttSettings"]


@dataclass(frozen=True, slots=True)
class AlignAttSettings(WindowSettings):
    """Dials of AlignAtt, chosen by ``benchmarks/policy.py``; times in milliseconds of audio."""

    guard_agreed_ms: int = 500
    """A word that the decode before also gave is committed when it ends this long before the end
    of the audio (agreement of two decodes, as in LocalAgreement, makes a short guard safe)."""
    guard_sure_ms: int = 1_000
    """The same for a word seen for the first time with a probability of `sure`."""
    guard_ms: int = 1_500
    """The same for any other word."""
    guard_unsure_ms: int = 2_500
    """The same for a word less probable than `unsure`; agreed, it waits as a sure one does."""
    sure: float = 0.9
    unsure: float = 0.5
    patience: float = 1.33
    """The guards are so many times longer while the device has room (see `room`): decodes
    are then a short hop apart, so that waiting for one more costs little."""
    closing_beam: int = 5
    beam: int = 5
    context_ms: int = 10_000
    context_more_ms: int = field(default=5_000, metadata={"before": 0})
    """Context reaches back by up to so much more, to where a sentence or a turn begins: the decoder
    goes on badly from half a sentence."""
    tight_context_ms: int = 6_000
    """Context while the device has no room (see `room`), wherever it begins: each word of it costs
    a step of the decoder."""

    @property
    def reach_ms(self) -> int:
        """Committed audio that a window may reach back over."""
        return max(self.context_ms + self.context_more_ms, self.tight_context_ms)


FAST = AlignAttSettings(
    hop_ms=600,
    guard_agreed_ms=200,
    guard_sure_ms=500,
    guard_ms=900,
    guard_unsure_ms=1_100,
    context_ms=6_000,
    context_more_ms=0,
)
"""Half a second sooner, and less accurate: words are committed with less sound behind them."""


class AlignAttPolicy(GrowingWindowPolicy[AlignAttSettings]):
    """One session's policy; see `StreamingPolicy` and, for the arguments, `GrowingWindowPolicy`."""

    _spare_context_ms = 5_000
    _asked_again = frozenset({"repetition", "no_voice"})

    @staticmethod
    def _served() -> AlignAttSettings:
        return AlignAttSettings()

    def _stable(self, words: Sequence[Word], heard: DecodeRequest) -> int:
        """Number of leading words that may be committed."""
        settings = self.settings
        for index, word in enumerate(words):
            unsure = word.probability < settings.unsure
            if index < len(self._tail) and same_word(word, self._tail[index]):
                guard = settings.guard_sure_ms if unsure else settings.guard_agreed_ms
            elif unsure:
                guard = settings.guard_unsure_ms
            elif word.probability >= settings.sure:
                guard = settings.guard_sure_ms
            else:
                guard = settings.guard_ms
            if heard.patient:
                guard = round(guard * settings.patience)
            if word.end_ms > heard.to_ms - guard:
                return index
        return len(words)

    def _decided(self, words: Sequence[Word], heard: DecodeRequest) -> tuple[int, int]:
        return self._stable(words, heard), heard.to_ms - self.settings.guard_ms

    def _context_from_ms(self) -> int:
        if not self._has_room():
            return self._committed_ms - self.settings.tight_context_ms
        latest_ms = super()._context_from_ms()
        earliest_ms = latest_ms - self.settings.context_more_ms
        return self._left.opening_ms(latest_ms, earliest_ms=earliest_ms)

    def _start_before(self, first: Word) -> int:
        """In the silence before the word, if there is any."""
        ended = [word.end_ms for word in self._left.words if word.start_ms < first.start_ms]
        silent = max([first.start_ms - self.settings.preroll_ms, *ended])
        return min(super()._start_before(first), silent)

    def _unsounded(self, mended: MendedWords) -> Sequence[Suspicion]:
        """Loops, and words at the end without a voice."""
        doubts: list[Suspicion] = []
        for words, reason in ((mended.looped, "repetition"), (mended.voiceless, "no_voice")):
            if words:
                text = "".join(word.text for word in words).strip()
                doubts.append(Suspicion(words[0].start_ms, words[-1].end_ms, reason, text))
        return doubts
