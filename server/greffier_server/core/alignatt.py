"""AlignAtt after the fact: one decode a hop, commit every word aligned well before the audio's end.

AlignAtt (Papi et al., "AlignAtt: Using Attention-based Audio-Translation Alignments as a Guide for
Simultaneous Speech Translation", Interspeech 2023) stops a decoder when its attention reaches the
newest frames. CTranslate2 does not show attention while decoding, so the rule is applied to
`align()` of the finished hypothesis: words that end a guard before the end of the audio are
committed, the others are the tail. The last seconds of committed text are kept in the window with
their audio and forced as a prefix: left context is worth more than anything else.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from greffier.protocol import QualityLevel
from greffier_models.types import Hypothesis, Word
from greffier_server.core.alignatt_settings import AlignAttSettings
from greffier_server.core.defence import confidence, judge
from greffier_server.core.language_choice import LanguageChoice
from greffier_server.core.policy import (
    DecodeRequest,
    IdentifyRequest,
    Outcome,
    Suspicion,
)
from greffier_server.core.speech import SpeechSettings, SpeechTracker
from greffier_server.core.word_times import MendedWords, mend, same_word

__all__ = ["AlignAttPolicy", "AlignAttSettings"]


class AlignAttPolicy:
    """One session's policy; see `StreamingPolicy`.

    Args:
        frame_ms: what one probability stands for.
        language: spoken; None = detected and followed.
        expected: languages likely to be spoken.
        settings: the dials.
        speech: thresholds of voice activity.
        start_ms: where the audio begins on the session's clock.
        decided_ms: up to here everything was decided before a restart; audio before it is context.
        committed: words of before the restart.
    """

    def __init__(
        self,
        *,
        frame_ms: int,
        language: str | None = None,
        expected: Sequence[str] = (),
        settings: AlignAttSettings | None = None,
        speech: SpeechSettings | None = None,
        start_ms: int = 0,
        decided_ms: int = 0,
        committed: Sequence[Word] = (),
    ) -> None:
        self.settings = settings or AlignAttSettings()
        self._tracker = SpeechTracker(frame_ms, speech, start_ms=start_ms)
        self._language = LanguageChoice(language, expected)
        self._words: deque[Word] = deque()
        self._first_ms = start_ms
        self._committed_ms = max(start_ms, decided_ms)
        self._decoded_ms = start_ms
        self._heard_ms = start_ms
        self._onset_ms = start_ms
        self._open = False
        self._ended = False
        self._text = ""
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
    def committed_ms(self) -> int:
        """Everything before this is decided."""
        return self._committed_ms if self._open else self._heard_ms

    @property
    def keep_from_ms(self) -> int:
        """Audio before this will not be asked for again."""
        margin = self.settings.context_ms + self.settings.preroll_ms + 2_000
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
        silent = self._heard_ms - self._tracker.last_speech_ms
        pause_ms = self.settings.pause_ms
        if self._language.following:
            pause_ms = self.settings.turn_ms
        closing = self._ended or (
            not self._tracker.speaking
            and silent >= pause_ms
            # What stirs may be a word half heard; periodic clicks must not hold up the end.
            and (not self._tracker.stirring or silent >= pause_ms + _STIR_MS)
        )
        if not closing and self._heard_ms - self._decoded_ms < self._hop_ms:
            return None
        speech_ms = self._heard_ms - self._onset_ms
        if self._evidence_ms < self._heard_ms and self._language.wants_evidence(
            speech_ms, final=closing
        ):
            start = max(0, self._onset_ms - 100, self._heard_ms - self.settings.max_window_ms)
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
            self._forget_context()
        self._tail = ()
        return Outcome(language=self._language.current)

    def quicken(self, level: QualityLevel) -> None:
        """Work at this level of the ladder from now on."""
        hops = {
            "full": self.settings.hop_ms,
            "longer-hops": self.settings.long_hop_ms,
            "finals-only": self.settings.max_hop_ms,
        }
        self._level_hop_ms = hops[level]
        self._hop_ms = max(self._level_hop_ms, self._pace_ms)

    def pace(self, hop_ms: int) -> None:
        """Let at least this much new audio gather between two decodes of running speech."""
        self._pace_ms = hop_ms
        self._hop_ms = max(self._level_hop_ms, self._pace_ms)

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
            speech_ms=lambda a, b: self._tracker.speech_ms(a, b),
            committed=self._text,
            language=request.language or hypothesis.language,
        )
        doubtful = bool(words) and confidence(words[:3]) < self.settings.doubt
        if doubtful and not request.closing and self._language.doubt():
            self._tail = tuple(words)
            return Outcome(tail=self._tail)
        if request.closing:
            unsounded = _unsounded(mended)
            return self._close(request, judged.kept, (*judged.withheld, *unsounded))
        if not words and self._unheard_ms(request.to_ms) >= self.settings.deaf_ms:
            self._forget_context()
        if request.full:
            return self._move_on(request, judged.kept, judged.withheld)
        keep = 0 if judged.withheld else self._stable(judged.kept, request.to_ms)
        self._commit(judged.kept[:keep])
        self._tail = tuple(judged.kept[keep:])
        return Outcome(committed=tuple(judged.kept[:keep]), tail=self._tail)

    def abandon(self, request: DecodeRequest) -> Outcome:
        """The engine cannot answer the last request; what a closing window held is lost."""
        self._retried_ms = request.to_ms
        if request.closing or request.full:
            # A window that reached back over what is lost would hear it behind the forced prefix.
            self._forget_context()
        nothing = Hypothesis((), request.language or "")
        return replace(self.accept(request, nothing), withheld=())

    def _stable(self, words: Sequence[Word], to_ms: int) -> int:
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
            if word.end_ms > to_ms - guard:
                return index
        return len(words)

    # --- windows ------------------------------------------------------------------------------

    def _window(self, *, closing: bool) -> DecodeRequest:
        settings = self.settings
        context = self._context()
        fresh = max(self._committed_ms, self._onset_ms - settings.preroll_ms)
        start = self._before(context[0]) if context else fresh
        last = self._heard_ms
        if closing and not self._ended:  # the last frame may hold the first instant of a word
            last -= self._tracker.frame_ms
        end = last
        if end - start > settings.max_window_ms:  # make room: the new audio matters more
            start, context = fresh, []
            end = min(end, start + settings.max_window_ms)
        closing = closing and end == last
        return DecodeRequest(
            from_ms=start,
            to_ms=end,
            language=self._language.current,
            prefix="".join(word.text for word in context),
            prompt=self._prompt(context),
            beam_size=settings.closing_beam if closing else 1,
            fill_ms=settings.fill_ms,
            closing=closing,
            full=end < last,
        )

    def _before(self, first: Word) -> int:
        """Where a window that begins with `first` starts: in the silence before it, if any."""
        ended = [word.end_ms for word in self._words if word.start_ms < first.start_ms]
        silent = max([first.start_ms - self.settings.preroll_ms, *ended])
        return max(self._first_ms, min(first.start_ms - _CUT_MS, silent))

    def _context(self) -> list[Word]:
        if not self._words:
            return []
        last = self._words[-1]
        if self._onset_ms - last.end_ms > self.settings.context_gap_ms:
            return []
        since = max(self._first_ms, self._committed_ms - self.settings.context_ms)
        return [word for word in self._words if word.start_ms >= since]

    def _prompt(self, context: Sequence[Word]) -> str:
        if not self.settings.prompt_chars:
            return ""
        inside = sum(len(word.text) for word in context)
        before = self._text[: len(self._text) - inside] if inside else self._text
        return before[-self.settings.prompt_chars :].partition(" ")[2]

    # --- commits ------------------------------------------------------------------------------

    def _commit(self, words: Sequence[Word]) -> None:
        if not words:
            return
        self._words.extend(words)
        self._committed_ms = max(self._committed_ms, words[-1].end_ms)
        self._text = (self._text + "".join(word.text for word in words))[-2_000:]
        oldest = self._committed_ms - self.settings.context_ms - 5_000
        while self._words and self._words[0].start_ms < oldest:
            self._words.popleft()

    def _unheard_ms(self, to_ms: int) -> int:
        """Speech after the last committed word, its end left out (the aligner stops early)."""
        return self._tracker.speech_ms(self._committed_ms + 150, to_ms)

    def _forget_context(self) -> None:
        self._words.clear()
        self._text = ""

    def _close(
        self, request: DecodeRequest, words: Sequence[Word], withheld: Sequence[Suspicion]
    ) -> Outcome:
        self._commit(words)
        spoken = self._tracker.speech_end_before(request.to_ms)
        looped = all(doubt.reason in _ASKED_AGAIN for doubt in withheld)
        if looped and self._unheard_ms(request.to_ms) >= self.settings.unheard_ms:
            if self._retried_ms < request.to_ms:
                # Speech without words: context in another language, or a decoder that stopped
                # early. Ask once more for that stretch alone.
                self._retried_ms = request.to_ms
                self._evidence_ms = request.to_ms - 1
                self._onset_ms = self._committed_ms
                self._forget_context()
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
        keep = self._stable(words, request.to_ms)
        if not keep and words and words[0].start_ms <= self._committed_ms:
            keep = 1  # a word as long as the window
        self._commit(words[:keep])
        self._tail = tuple(words[keep:])
        decided_ms = request.to_ms - self.settings.guard_ms
        if self._tail:
            decided_ms = min(decided_ms, self._tail[0].start_ms)
        least_ms = request.from_ms + _LEAST_MOVE_MS
        self._committed_ms = max(self._committed_ms, decided_ms, least_ms)
        return Outcome(tuple(words[:keep]), self._tail, tuple(withheld))


_ASKED_AGAIN = frozenset({"repetition", "no_voice"})
"""Doubts that leave open what was said: the speech under them is asked for once more."""
_STIR_MS = 200
"""Sounds too short for speech put off the end of a turn by this at most."""
_CUT_MS = 60
"""Sound of a word before the aligner's start of it."""
_LEAST_MOVE_MS = 1_000
"""A full window is followed by one that begins at least this much later."""


def _unsounded(mended: MendedWords) -> Sequence[Suspicion]:
    """What the aligner found no sound for, as doubts."""
    doubts: list[Suspicion] = []
    for words, reason in ((mended.looped, "repetition"), (mended.voiceless, "no_voice")):
        if words:
            text = "".join(word.text for word in words).strip()
            doubts.append(Suspicion(words[0].start_ms, words[-1].end_ms, reason, text))
    return doubts
