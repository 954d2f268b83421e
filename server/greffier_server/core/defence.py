"""Defence against invention: words that the audio does not bear out are withheld, with a reason."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greffier_models.types import Hypothesis, Word
from greffier_server.core.policy import Suspicion

__all__ = ["Judgement", "confidence", "judge", "repetition_start"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Words to believe, and those not to."""

    kept: tuple[Word, ...]
    withheld: tuple[Suspicion, ...] = ()


_PHRASES: dict[str, tuple[str, ...]] = {
    "fr": (
        "sous-titres réalisés",
        "sous-titrage",
        "amara.org",
        "merci d'avoir regardé",
        "abonnez-vous",
        "à la prochaine vidéo",
    ),
    "en": (
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "subtitles by",
        "amara.org",
        "see you in the next video",
    ),
}
"""What Whisper says over nothing (its training subtitles); counts only with weak evidence."""

_MARKS = ".,!?;:…"
_NO_SPEECH = 0.6
_LOW_LOGPROB = -1.0
_LOW_WORD = 0.35
_ECHO_CONFIDENCE = 0.6
_ECHO_WORDS = 4


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
    start, end = words[0].start_ms, max(words[-1].end_ms, words[0].start_ms + 1)
    text = "".join(word.text for word in words)
    spoken = speech_ms(start - 200, end + 200)
    silent = hypothesis.no_speech_probability > _NO_SPEECH
    if silent and hypothesis.mean_logprob < _LOW_LOGPROB:
        return _withhold(words, "no_speech", text)
    weak = silent or hypothesis.mean_logprob < -0.7 or spoken < 200
    lowered = text.casefold()
    if weak and any(phrase in lowered for phrase in _PHRASES.get(language, ())):
        return _withhold(words, "stock_phrase", text)
    if spoken == 0:
        return _withhold(words, "no_voice", text)
    if confidence(words[:3]) < _ECHO_CONFIDENCE and _echoes(words, committed):
        return _withhold(words, "echo", text)
    loop = repetition_start([word.text for word in words])
    if loop is not None and (hypothesis.truncated or len(words) - loop >= 6):
        kept, rest = words[:loop], words[loop:]
        return Judgement(tuple(kept), _withhold(rest, "repetition", "").withheld)
    mean = sum(word.probability for word in words) / len(words)
    if mean < _LOW_WORD and hypothesis.no_speech_probability > 0.3:
        return _withhold(words, "low_confidence", text)
    return Judgement(tuple(words))


def confidence(words: Sequence[Word]) -> float:
    """Geometric mean of the words' probabilities, 1 for none.

    The decoder's own mean log-probability counts the forced prefix too, and so hides bad words.
    """
    if not words:
        return 1.0
    logs = (math.log(max(word.probability, 1e-6)) for word in words)
    return math.exp(sum(logs) / len(words))


def _echoes(words: Sequence[Word], committed: str) -> bool:
    """Whether a weak decode only says again what was said just before (its own prompt)."""
    said = [word.text.strip().casefold().strip(_MARKS) for word in words]
    if len(said) < _ECHO_WORDS:
        return False
    before = [word.casefold().strip(_MARKS) for word in committed.split()[-40:]]
    starts = range(len(before) - len(said) + 1)
    return any(before[start : start + len(said)] == said for start in starts)


def _withhold(words: Sequence[Word], reason: str, text: str) -> Judgement:
    start, end = words[0].start_ms, max(word.end_ms for word in words)
    return Judgement((), (Suspicion(start, end, reason, text.strip()),))


def repetition_start(texts: Sequence[str]) -> int | None:
    """Index from which a run of words repeats itself three times or more to the end, else None.

    The first occurrence is kept: the index is that of the second.
    """
    folded = [text.strip().casefold().strip(_MARKS) for text in texts]
    count = len(folded)
    for size in range(1, count // 3 + 1):
        block = folded[count - size :]
        repeats = 1
        while (
            count - (repeats + 1) * size >= 0
            and folded[count - (repeats + 1) * size : count - repeats * size] == block
        ):
            repeats += 1
        if repeats >= 3:
            return count - (repeats - 1) * size
    return None
