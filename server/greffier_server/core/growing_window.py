"""What policies over a growing window share: when to decode, which window, the end of a stretch.

A stretch begins where speech does and ends at a pause. In between the window grows and is decoded
once a hop; which words of a running window are for good is left to the policy
(`GrowingWindowPolicy._stable`), together with how much committed audio it keeps in front, and what
it asks for once more.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from greffier.protocol import QualityLevel
from greffier_models.types import Hypothesis, Word
from greffier_server.core.defence import confidence, judge
from greffier_server.core.language_choice import LanguageChoice
from greffier_server.core.left_context import LeftContext
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome, Suspicion
from greffier_server.core.speech import SpeechSettings, SpeechTracker
from greffier_server.core.window_settings import WindowSettings
from greffier_server.core.word_times import MendedWords, mend

__all__ = ["GrowingWindowPolicy"]

SettingsT = TypeVar("SettingsT", bound=WindowSettings)

_LEAST_MOVE_MS = 1_000
"""A full window is followed by one that begins at least this much later."""
_STIR_MS = 200
"""Sounds too short for speech put off the end of a stretch by this at most."""
_BEFORE_WORD_MS = 60
"""Sound of a word before the aligner's start of it."""
_KEPT_MS = 2_000
"""Audio kept beyond what the next window can ask for."""


class GrowingWindowPolicy(ABC, Generic[SettingsT]):
    """One session's policy over a growing window; see `StreamingPolicy`.

    Args:
        frame_ms: what one probability stands for.
        language: spoken; None = detected and followed.
        expected: languages likely to be spoken.
        settings: the dials; as served when absent.
        speech: thresholds of voice activity.
        start_ms: where the audio begins on the session's clock.
        decided_ms: up to here everything was decided before a restart; audio before it is context.
        committed: words of before the restart.
    """

    _spare_context_ms: ClassVar[int] = 0
    """Committed words are remembered for so much longer than they are context."""
    _asked_again: ClassVar[frozenset[str]] = frozenset()
    """Doubts at a pause that leave open what was said: speech under them is asked for once more."""

    def __init__(
        self,
        *,
        frame_ms: int,
        language: str | None = None,
        expected: Sequence[str] = (),
        settings: SettingsT | None = None,
        speech: SpeechSettings | None = None,
        start_ms: int = 0,
        decided_ms: int = 0,
        committed: Sequence[Word] = (),
    ) -> None:
        self.settings: SettingsT = settings or self._served()
        self._tracker = SpeechTracker(frame_ms, speech, start_ms=start_ms)
        self._language = LanguageChoice(language, expected)
        self._left = LeftContext(self.settings.reach_ms + self._spare_context_ms)
        self._first_ms = start_ms
        self._committed_ms = max(start_ms, decided_ms)
        self._decoded_ms = start_ms
        self._heard_ms = start_ms
        self._onset_ms = start_ms
        self._open = False
        self._ended = False
        self._tail: tuple[Word, ...] = ()
        self._hop_ms = self._level_hop_ms = self.settings.hop_ms
        self._pace_ms = 0
        self._evidence_ms = start_ms - 1
        self._retried_ms = start_ms - 1
        self._commit([word for word in committed if word.end_ms <= decided_ms])

    @property
    def done(self) -> bool:
        """`end` was called and everything is decided."""
        return self._ended and not self._open

    @property
    def language(self) -> str | None:
        """The language decoded in now; None before any is known."""
        return self._language.current

    @property
    def paused(self) -> bool:
        """No speech is waiting to be decided."""
        return not self._open and self._heard_ms >= self._committed_ms

    @property
    def heard_ms(self) -> int:
        """Audio known to the policy."""
        return self._heard_ms

    @property
    def keep_from_ms(self) -> int:
        """Audio before this will not be asked for again."""
        margin = self.settings.reach_ms + self.settings.preroll_ms + _KEPT_MS
        if not self._open:  # after a long silence the context is dropped
            decided = max(self._committed_ms, self._heard_ms - self.settings.context_gap_ms)
            return max(0, min(decided, self._heard_ms) - margin)
        return max(0, min(self._committed_ms, self._onset_ms) - margin)

    def hear(self, to_ms: int, probabilities: Sequence[float]) -> None:
        """Audio has arrived up to `to_ms`; `probabilities` are of the frames since last time."""
        self._heard_ms = to_ms
        for probability in probabilities:
            self._tracker.push((probability,))
            undecided = self._tracker.last_speech_ms > self._committed_ms
            if self._tracker.speaking and undecided and not self._open:
                self._open = True
                self._onset_ms = max(self._tracker.onset_ms, self._committed_ms)
                self._decoded_ms = self._onset_ms
                self._language.new_utterance()

    def end(self, to_ms: int) -> None:
        """No more audio will come."""
        self._heard_ms = to_ms
        self._ended = True

    def request(self) -> DecodeRequest | IdentifyRequest | None:
        """What the engine should do now, if anything is due."""
        if not self._open:
            return None
        closing = self._ended or self._paused_long_enough()
        if not closing and self._heard_ms - self._decoded_ms < self._hop_ms:
            return None
        speech_ms = self._heard_ms - self._onset_ms
        if self._evidence_ms < self._heard_ms and self._language.wants_evidence(
            speech_ms, final=closing
        ):
            earliest = self._heard_ms - self.settings.max_window_ms
            start = max(0, self._onset_ms - 100, earliest)
            return IdentifyRequest(start, self._heard_ms, closing, self._language.candidates)
        return self._window(closing=closing)

    def identified(self, request: IdentifyRequest, scores: dict[str, float]) -> Outcome:
        """Take the probabilities of the languages; the outcome may name a new one."""
        self._evidence_ms = request.to_ms
        before = self._language.current
        speech_ms = request.to_ms - request.from_ms
        verdict = self._language.weigh(scores, speech_ms, final=request.closing)
        if verdict == "wait":
            self._decoded_ms = request.to_ms
        if verdict != "switch":
            return Outcome()
        if before is not None:  # context in another language misleads the decoder
            self._left.forget()
        self._tail = ()
        return Outcome(language=self._language.current)

    def quicken(self, level: QualityLevel) -> None:
        """Work at this level of the ladder from now on."""
        hops = {
            "full": self.settings.hop_ms,
            "longer-hops": max(self.settings.hop_ms, self.settings.long_hop_ms),
            "finals-only": max(self.settings.hop_ms, self.settings.max_hop_ms),
        }
        self._level_hop_ms = hops[level]
        self._hop_ms = max(self._level_hop_ms, self._pace_ms)

    def pace(self, hop_ms: int) -> None:
        """Let at least this much new audio gather between two decodes of running speech."""
        self._pace_ms = hop_ms
        self._hop_ms = max(self._level_hop_ms, self._pace_ms)

    def _has_room(self) -> bool:
        """The device bears more than the plainest decode."""
        at_best = self._level_hop_ms == self.settings.hop_ms
        return at_best and self._pace_ms <= self.settings.hop_ms * self.settings.room

    def accept(self, request: DecodeRequest, hypothesis: Hypothesis) -> Outcome:
        """Judge the answer to the last request."""
        self._decoded_ms = request.to_ms
        mended = mend(
            hypothesis.words, self._tracker, after_ms=self._committed_ms, to_ms=request.to_ms
        )
        words = mended.kept
        judged = judge(
            hypothesis,
            words,
            speech_ms=self._tracker.speech_ms,
            committed=self._left.text,
            language=request.language or hypothesis.language,
        )
        doubtful = bool(words) and confidence(words[:3]) < self.settings.doubt
        if doubtful and not request.closing and self._language.doubt():
            self._tail = tuple(words)
            return Outcome(tail=self._tail)
        if request.closing:
            doubts = (*judged.withheld, *self._unsounded(mended))
            return self._close(request, judged.kept, doubts)
        if not words and self._unheard_ms(request.to_ms) >= self.settings.deaf_ms:
            self._left.forget()
        if request.full:
            return self._move_on(request, judged.kept, judged.withheld)
        keep = 0 if judged.withheld else self._stable(judged.kept, request)
        self._commit(judged.kept[:keep])
        self._tail = tuple(judged.kept[keep:])
        return Outcome(committed=tuple(judged.kept[:keep]), tail=self._tail)

    def abandon(self, request: DecodeRequest) -> Outcome:
        """The engine cannot answer the last request; what a closing window held is lost."""
        self._retried_ms = request.to_ms
        if request.closing or request.full:
            # A window that reached back over what is lost would hear it behind the forced prefix,
            # and date it to where the loss ends.
            self._left.forget()
        nothing = Hypothesis((), request.language or "")
        return replace(self.accept(request, nothing), withheld=())

    # --- left to each policy ------------------------------------------------------------------

    @staticmethod
    @abstractmethod
    def _served() -> SettingsT:
        """The dials of this policy as it is served."""

    @abstractmethod
    def _stable(self, words: Sequence[Word], heard: DecodeRequest) -> int:
        """Number of leading words of a running window that may be committed.

        Args:
            words: behind what is committed; `_tail` still holds those of the decode before.
            heard: the window they were heard in.
        """

    @abstractmethod
    def _decided(self, words: Sequence[Word], heard: DecodeRequest) -> tuple[int, int]:
        """Of a full window: the number of leading words to commit, and until when it is decided."""

    def _context_from_ms(self) -> int:
        """Committed words that begin before this are left out of the next window."""
        return self._committed_ms - self.settings.context_ms

    def _start_before(self, first: Word) -> int:
        """Where a window that begins with the committed word `first` starts."""
        return first.start_ms - _BEFORE_WORD_MS

    def _unsounded(self, mended: MendedWords) -> Sequence[Suspicion]:
        """What of the words at a pause is doubted because the aligner found no sound for it."""
        del mended
        return ()

    # --- windows ------------------------------------------------------------------------------

    def _paused_long_enough(self) -> bool:
        if self._tracker.speaking:
            return False
        silent = self._heard_ms - self._tracker.last_speech_ms
        settings = self.settings
        pause_ms = settings.turn_ms if self._language.following else settings.pause_ms
        # What stirs may be a word half heard; periodic clicks must not hold up the end.
        return silent >= pause_ms + (_STIR_MS if self._tracker.stirring else 0)

    def _window(self, *, closing: bool) -> DecodeRequest:
        settings = self.settings
        context = self._context()
        fresh = max(self._committed_ms, self._onset_ms - settings.preroll_ms)
        start = fresh
        if context:
            start = max(self._first_ms, self._start_before(context[0]))
        last = self._heard_ms
        if closing and not self._ended:  # the last frame may hold the first instant of a word
            last -= self._tracker.frame_ms
        end = last
        if end - start > settings.max_window_ms:  # make room: the new audio matters more
            start, context = fresh, []
            end = min(end, start + settings.max_window_ms)
        closing = closing and end == last
        beam = settings.closing_beam if closing else settings.beam
        return DecodeRequest(
            from_ms=start,
            to_ms=end,
            language=self._language.current,
            prefix="".join(word.text for word in context),
            prompt=self._left.prompt(context, chars=settings.prompt_chars),
            beam_size=beam if self._has_room() else 1,
            patient=self._has_room(),
            fill_ms=settings.fill_ms,
            closing=closing,
            full=end < last,
        )

    def _context(self) -> list[Word]:
        words = self._left.words
        if not words or self._onset_ms - words[-1].end_ms > self.settings.context_gap_ms:
            return []
        return self._left.since(max(self._first_ms, self._context_from_ms()))

    # --- commits ------------------------------------------------------------------------------

    def _commit(self, words: Sequence[Word]) -> None:
        if not words:
            return
        self._committed_ms = max(self._committed_ms, words[-1].end_ms)
        self._left.add(words, decided_ms=self._committed_ms)

    def _unheard_ms(self, to_ms: int) -> int:
        """Speech after the last committed word, its end left out (the aligner stops early)."""
        return self._tracker.speech_ms(self._committed_ms + 150, to_ms)

    def _close(
        self, request: DecodeRequest, words: Sequence[Word], withheld: Sequence[Suspicion]
    ) -> Outcome:
        """Decide everything up to the end of a stretch of speech."""
        self._commit(words)
        spoken = self._tracker.speech_end_before(request.to_ms)
        open_ended = all(doubt.reason in self._asked_again for doubt in withheld)
        if open_ended and self._unheard_ms(request.to_ms) >= self.settings.unheard_ms:
            if self._retried_ms < request.to_ms:
                # Speech without words: context in another language, or a decoder that stopped
                # early. Ask once more for that stretch alone.
                self._retried_ms = request.to_ms
                self._evidence_ms = request.to_ms - 1
                self._onset_ms = self._committed_ms
                self._left.forget()
                self._language.new_utterance()
                self._tail = ()
                return Outcome(committed=tuple(words))
            if not withheld:
                withheld = (Suspicion(self._committed_ms, spoken, "no_text", ""),)
        self._committed_ms = max(self._committed_ms, min(spoken, request.to_ms))
        self._tail = ()
        self._open = self._tracker.last_speech_ms > request.to_ms
        if self._open:  # speech began again while the decode ran
            self._onset_ms = max(self._tracker.onset_ms, self._committed_ms)
            self._language.new_utterance()
        return Outcome(committed=tuple(words), withheld=tuple(withheld), paused=True)

    def _move_on(
        self, request: DecodeRequest, words: Sequence[Word], withheld: Sequence[Suspicion]
    ) -> Outcome:
        """Decide a window that can grow no more, so that the next one begins later."""
        keep, decided_ms = self._decided(words, request)
        if not keep and words and words[0].start_ms <= self._committed_ms:
            keep = 1  # a word as long as the window
        self._commit(words[:keep])
        self._tail = tuple(words[keep:])
        if self._tail:
            decided_ms = min(decided_ms, self._tail[0].start_ms)
        least_ms = request.from_ms + _LEAST_MOVE_MS
        self._committed_ms = max(self._committed_ms, decided_ms, least_ms)
        return Outcome(tuple(words[:keep]), self._tail, tuple(withheld))
