"""Terms of the glossary held against the audio: only what it bears out replaces what was heard.

A recogniser writes a name it does not know as words it does ("Sintra", "Sinatra"). Words that
sound like a term are scored twice on the same encoder output, as they were heard and with the term
in their place: the probability of each text given the audio, no prompt and no bias in between
(`align()` gives it in one parallel pass). A term that was said costs what its rarity costs, some
nats a token, or gains; one that was not costs several times that (`benchmarks/hotwords.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from greffier_models.hotwords.spotting import LEAST_LIKENESS, Spotted, TermIndex
from greffier_models.types import Word

__all__ = ["Forced", "index_of", "margin_needed", "with_terms"]

_MAX_SPOTS = 12
"""Places looked at in one decode."""
_MAX_PASSES = 5
"""Passes of `align()` they may take; places far enough apart share one."""
_CONTEXT_WORDS = 2
"""Words behind the place whose probability counts too: a wrong word makes the next unlikely."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A text held against the audio."""

    words: tuple[Word, ...]
    logprobs: tuple[float, ...]
    """Natural logarithm of the probability of each word after those before it."""
    tokens: tuple[int, ...]
    """Tokens of each word."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """A term in one spelling in place of the words that sound like it."""

    spot: Spotted
    form: str

    @property
    def text(self) -> str:
        return f"{self.spot.head}{self.form}{self.spot.tail}"


@lru_cache(maxsize=32)
def index_of(terms: tuple[str, ...]) -> TermIndex:
    """The index of a glossary; every decode of a session asks for the same one."""
    return TermIndex(terms)


def with_terms(
    words: Sequence[Word], index: TermIndex, force: Callable[[Sequence[str]], Forced | None]
) -> list[Word]:
    """Put terms in the place of what sounds like them, where the audio agrees.

    Args:
        words: as decoded.
        index: of the terms.
        force: holds a text, given as words, against the audio of `words`; None where it cannot.

    Returns:
        The words; each replaced run is one word, whose `heard` says what it was.
    """
    words = [_respelt(word, index) for word in words]
    spots = index.near(words, limit=_MAX_SPOTS)
    if not spots:
        return words
    heard = force([word.text for word in words])
    if heard is None:
        return words
    believed: list[tuple[float, Spotted]] = []
    for trials in _passes(spots):
        forced = force(_texts(words, trials))
        if forced is None:
            continue
        for trial, place in zip(trials, _places(trials), strict=True):
            gain = _gain(trial.spot, heard, forced, place)
            least = margin_needed(trial.spot.likeness) * max(forced.tokens[place], 1)
            if gain >= least:
                believed.append((gain - least, trial.spot))
    chosen = _best(believed)
    written = force(_texts(words, chosen)) if chosen else None
    return words if written is None else _marked(written.words, words, chosen)


def margin_needed(likeness: float) -> float:
    """The nats a token that a term may lack: the more it sounds alike, the less it must prove.

    Fitted on read English and French (ADR 0014).
    """
    return -2.0 - 9.0 * (likeness - LEAST_LIKENESS)


def _gain(spot: Spotted, heard: Forced, forced: Forced, place: int) -> float:
    """How much more probable the text is with the term, in nats."""
    end = spot.first + spot.count
    before = sum(heard.logprobs[spot.first : end + _CONTEXT_WORDS])
    return sum(forced.logprobs[place : place + 1 + _CONTEXT_WORDS]) - before


def _best(believed: Sequence[tuple[float, Spotted]]) -> list[_Trial]:
    """Of places that overlap the one best borne out, in the order of the text."""
    chosen: list[Spotted] = []
    for _, spot in sorted(believed, key=lambda item: -item[0]):
        if not any(spot.overlaps(other) for other in chosen):
            chosen.append(spot)
    return [_Trial(spot, spot.term) for spot in sorted(chosen, key=lambda spot: spot.first)]


def _passes(spots: Sequence[Spotted]) -> list[list[_Trial]]:
    """Share out the trials: those of one pass do not touch each other's context."""
    passes: list[list[_Trial]] = []
    for trial in [_Trial(spot, form) for spot in spots for form in _forms(spot)]:
        for others in passes:
            if not any(trial.spot.overlaps(o.spot, margin=_CONTEXT_WORDS) for o in others):
                others.append(trial)
                break
        else:
            if len(passes) < _MAX_PASSES:
                passes.append([trial])
    return [sorted(trials, key=lambda trial: trial.spot.first) for trials in passes]


def _forms(spot: Spotted) -> list[str]:
    """Spellings the model may know the term by: it has seldom seen a name in capitals."""
    return [spot.term.title(), spot.term] if spot.term.isupper() else [spot.term]


def _texts(words: Sequence[Word], trials: Sequence[_Trial]) -> list[str]:
    texts: list[str] = []
    at = 0
    for trial in trials:
        texts += [word.text for word in words[at : trial.spot.first]]
        texts.append(trial.text)
        at = trial.spot.first + trial.spot.count
    return [*texts, *(word.text for word in words[at:])]


def _places(trials: Sequence[_Trial]) -> list[int]:
    """Where each term stands in the text that has them all."""
    places: list[int] = []
    shift = 0
    for trial in trials:
        places.append(trial.spot.first - shift)
        shift += trial.spot.count - 1
    return places


def _marked(timed: Sequence[Word], words: Sequence[Word], chosen: Sequence[_Trial]) -> list[Word]:
    """Say of each term what was heard, and be as sure of it as of that."""
    marked = list(timed)
    for trial, place in zip(chosen, _places(chosen), strict=True):
        run = words[trial.spot.first : trial.spot.first + trial.spot.count]
        sure = sum(word.probability for word in run) / len(run)
        marked[place] = replace(
            marked[place],
            probability=round(max(sure, marked[place].probability), 4),
            heard="".join(word.heard or word.text for word in run),
        )
    return marked


def _respelt(word: Word, index: TermIndex) -> Word:
    """Write a term that was heard as the glossary does, where only capitals differ."""
    text = index.respelt(word.text)
    return word if text == word.text else replace(word, text=text, heard=word.text)
