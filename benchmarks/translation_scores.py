"""Quality by sacrebleu; lag and flicker by the times at which translated words stood for good."""

import math
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from typing import Any, cast

from benchmarks.translation_clock import Shown, SpokenUtterance

__all__ = ["Delays", "chrf_and_bleu", "laal_s"]


def chrf_and_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[float, float]:
    """Return chrF2 and BLEU of the whole set (sacrebleu's defaults)."""
    sacrebleu = cast("Any", import_module("sacrebleu"))
    given = [list(references)]
    chrf = sacrebleu.corpus_chrf(list(hypotheses), given).score
    return float(chrf), float(sacrebleu.corpus_bleu(list(hypotheses), given).score)


def laal_s(word_times_s: Sequence[float], speech_s: float, *, reference_words: int) -> float:
    """Length-adaptive average lagging: seconds a word is behind an ideal, even interpreter.

    Args:
        word_times_s: when each word of the translation was committed, from the start of speech.
        speech_s: length of the speech.
        reference_words: in the reference; a longer translation is not rewarded for it.
    """
    if not word_times_s:
        return math.nan
    step_s = speech_s / max(reference_words, len(word_times_s))
    lags: list[float] = []
    for index, at_s in enumerate(word_times_s):
        lags.append(at_s - index * step_s)
        if at_s >= speech_s:  # the first word behind the end of the speech is the last that counts
            break
    return sum(lags) / len(lags)


class Delays:
    """Lag and flicker over several utterances."""

    def __init__(self) -> None:
        self._laal: list[float] = []
        self._last: list[float] = []
        self._erased = 0
        self._words = 0

    def add(
        self,
        commits: Sequence[tuple[float, str]],
        shown: Sequence[Shown],
        said: SpokenUtterance,
        *,
        reference: str,
    ) -> None:
        """Take one utterance: what was committed when, and each text that a viewer saw."""
        times = [at_s for at_s, text in commits for _ in text.split()]
        speech_s = said.speech_ms / 1000
        if times:
            words = len(reference.split())
            self._laal.append(laal_s(times, speech_s, reference_words=words))
            self._last.append(commits[-1][0] - said.committed_s)
        before: list[str] = []
        for text in shown:
            words_now = text.split()
            pairs = zip(before, words_now, strict=False)
            same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            self._erased += len(before) - same
            before = words_now
        self._words += len(times)

    @property
    def laal_s(self) -> float:
        """Mean over the utterances."""
        return sum(self._laal) / len(self._laal) if self._laal else math.nan

    @property
    def flicker(self) -> float:
        """Words taken back for each word of the result."""
        return self._erased / max(1, self._words)

    def last_word_s(self, share: float) -> float:
        """Nearest-rank quantile: from the commit of the utterance's last source word to its end."""
        if not self._last:
            return math.nan
        ordered = sorted(self._last)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
