"""Defence against invention: words that the audio does not bear out are withheld, with a reason.

No single signal tells an invented word from a real one: Whisper's no-speech probability is high
over quiet speech and low over music, its log-probability is high in a loop, and "thank you" is said
in every meeting. So each rule needs two signals that fail in different ways, one of the audio
(voiced time under the words, no-speech probability) and one of the text (probability of the words,
repetition, speaking rate, phrase lists).

Everything withheld keeps its text and its place: it is recorded as an event and can be listened to.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greffier_models.types import Hypothesis, Word
from greffier_server.core.phrases import folded, is_closing, is_credit, is_murmur
from greffier_server.core.policy import Suspicion

__all__ = ["Judgement", "confidence", "judge", "repetition_start"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Words to believe, and those not to."""

    kept: tuple[Word, ...]
    withheld: tuple[Suspicion, ...] = ()


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the audio says for a run of words."""

    no_speech: float
    mean_logprob: float
    confidence: float
    voiced_ms: int
    """Frames of speech from a little before the words to a little after."""
    letters: int
    truncated: bool
    dense: bool
    """Written without spaces: a sign is a syllable."""

    @property
    def silent(self) -> bool:
        return self.no_speech > _NO_SPEECH

    @property
    def strong(self) -> bool:
        """No doubt that somebody spoke, and hardly any about what."""
        return self.no_speech < 0.2 and self.confidence > 0.8 and self.voiced_ms >= 800

    @property
    def weak(self) -> bool:
        return (
            self.silent
            or self.mean_logprob < _WEAK_LOGPROB
            or self.confidence < _WEAK_CONFIDENCE
            or self.voiced_ms < _WEAK_VOICED_MS
        )

    @property
    def faint(self) -> bool:
        """Hardly a voice, and no word for certain."""
        if self.silent or self.voiced_ms < _FAINT_VOICED_MS:
            return self.confidence < _FAINT_CONFIDENCE
        return self.confidence < _LOW_WORD

    @property
    def too_fast(self) -> bool:
        """More letters than a tongue can fit into the voiced time."""
        rate = _DENSE_LETTERS_PER_S if self.dense else _LETTERS_PER_S
        return self.letters > rate * (self.voiced_ms + _UNVOICED_MS) / 1000


_MARKS = ".,!?;:…"
_NO_SPEECH = 0.6
_LOW_LOGPROB = -1.0
_WEAK_LOGPROB = -0.7
_WEAK_CONFIDENCE = 0.5
_WEAK_VOICED_MS = 200
_FAINT_VOICED_MS = 250
"""A "merci" said for real takes longer."""
_FAINT_CONFIDENCE = 0.8
_LOW_WORD = 0.35
_ECHO_CONFIDENCE = 0.6
_ECHO_WORDS = 4
_MARGIN_MS = 200
"""Words are aligned to 20 ms at best, and often a little early or late."""
_LETTERS_PER_S = 28.0
"""Fast reading aloud is under 20."""
_DENSE_LETTERS_PER_S = 13.0
_UNVOICED_MS = 300
"""Consonants at either end that a detector of voice does not see."""
_FAST_CONFIDENCE = 0.75
_COMPRESSION = 2.4
"""As Whisper's own decoder: text that shrinks more than this repeats itself."""
_COMPRESSED_LETTERS = 80
_STRAY_CONFIDENCE = 0.6
_DENSE = frozenset({"zh", "ja", "ko", "yue", "th", "lo", "my"})


def judge(
    hypothesis: Hypothesis,
    words: Sequence[Word],
    *,
    speech_ms: Callable[[int, int], int],
    committed: str,
    language: str,
) -> Judgement:
    """Split `words` into those to believe and those to withhold.

    Args:
        hypothesis: the decode they came from, with its confidence.
        words: its words after clean-up.
        speech_ms: milliseconds of detected speech between two times.
        committed: text committed so far, to see the decoder start over.
        language: of the words.
    """
    if not words:
        return Judgement(())
    evidence = _weigh(hypothesis, words, speech_ms, language)
    reason = _reason(evidence, words, committed, language)
    if reason:
        return Judgement((), (_suspicion(words, reason),))
    loop = repetition_start([word.text for word in words])
    if loop is not None and (hypothesis.truncated or len(words) - loop >= 6):
        return _split(words, loop, "repetition")
    mean = sum(word.probability for word in words) / len(words)
    if mean < _LOW_WORD and hypothesis.no_speech_probability > 0.3:
        return Judgement((), (_suspicion(words, "low_confidence"),))
    return _split(words, _stray_start(words, speech_ms), "no_voice")


def confidence(words: Sequence[Word]) -> float:
    """Geometric mean of the words' probabilities, 1 for none.

    The decoder's own mean log-probability counts the forced prefix too, and so hides bad words.
    """
    if not words:
        return 1.0
    logs = (math.log(max(word.probability, 1e-6)) for word in words)
    return math.exp(sum(logs) / len(words))


def repetition_start(texts: Sequence[str]) -> int | None:
    """Index from which a run of words repeats itself three times or more to the end, else None.

    The first occurrence is kept: the index is that of the second.
    """
    said = [text.strip().casefold().strip(_MARKS) for text in texts]
    count = len(said)
    for size in range(1, count // 3 + 1):
        block = said[count - size :]
        repeats = 1
        while (
            count - (repeats + 1) * size >= 0
            and said[count - (repeats + 1) * size : count - repeats * size] == block
        ):
            repeats += 1
        if repeats >= 3:
            return count - (repeats - 1) * size
    return None


def _weigh(
    hypothesis: Hypothesis,
    words: Sequence[Word],
    speech_ms: Callable[[int, int], int],
    language: str,
) -> _Evidence:
    start, end = words[0].start_ms, max(words[-1].end_ms, words[0].start_ms + 1)
    return _Evidence(
        no_speech=hypothesis.no_speech_probability,
        mean_logprob=hypothesis.mean_logprob,
        confidence=confidence(words),
        voiced_ms=speech_ms(start - _MARGIN_MS, end + _MARGIN_MS),
        letters=sum(character.isalnum() for word in words for character in word.text),
        truncated=hypothesis.truncated,
        dense=language in _DENSE,
    )


def _reason(
    evidence: _Evidence, words: Sequence[Word], committed: str, language: str
) -> str | None:
    """Why none of the words can be believed, or None."""
    text = folded("".join(word.text for word in words))
    if evidence.silent and (
        evidence.mean_logprob < _LOW_LOGPROB or evidence.confidence < _LOW_WORD
    ):
        return "no_speech"
    if _is_stock(text, evidence, language):
        return "stock_phrase"
    if evidence.voiced_ms == 0:
        return "no_voice"
    echoes = _echoes(words, committed)
    if echoes and (confidence(words[:3]) < _ECHO_CONFIDENCE or evidence.too_fast):
        return "echo"
    if evidence.too_fast and evidence.confidence < _FAST_CONFIDENCE:
        return "too_fast"
    if _shrinks(text) and (evidence.truncated or evidence.weak):
        return "repetition"
    return None


def _is_stock(text: str, evidence: _Evidence, language: str) -> bool:
    if is_credit(text):
        return not evidence.strong
    if is_closing(text, language):
        return evidence.weak
    return evidence.faint and is_murmur(text, language)


def _shrinks(text: str) -> bool:
    if len(text) < _COMPRESSED_LETTERS:
        return False
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) > _COMPRESSION


def _stray_start(words: Sequence[Word], speech_ms: Callable[[int, int], int]) -> int:
    """Index from which improbable words lie where nothing is voiced, to the end."""
    start = len(words)
    while start > 0:
        word = words[start - 1]
        if word.probability >= _STRAY_CONFIDENCE:
            break
        if speech_ms(word.start_ms - _MARGIN_MS, word.end_ms + _MARGIN_MS):
            break
        start -= 1
    return start


def _split(words: Sequence[Word], start: int, reason: str) -> Judgement:
    rest = words[start:]
    return Judgement(tuple(words[:start]), (_suspicion(rest, reason),) if rest else ())


def _echoes(words: Sequence[Word], committed: str) -> bool:
    """Whether the words only say again what was said just before (the decoder's own prompt)."""
    said = [word.text.strip().casefold().strip(_MARKS) for word in words]
    if len(said) < _ECHO_WORDS:
        return False
    before = [word.casefold().strip(_MARKS) for word in committed.split()[-40:]]
    starts = range(len(before) - len(said) + 1)
    return any(before[start : start + len(said)] == said for start in starts)


def _suspicion(words: Sequence[Word], reason: str) -> Suspicion:
    text = "".join(word.text for word in words).strip()
    return Suspicion(words[0].start_ms, max(word.end_ms for word in words), reason, text)
