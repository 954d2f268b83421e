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

_MAX_SPOTS = 6
"""Places looked at in one decode; each costs an `align()`."""
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


@lru_cache(maxsize=32)
def index_of(terms: tuple[str, ...]) -> TermIndex:
    """The index of a glossary; every decode of a session asks for the same one."""
    return TermIndex(terms)


def with_terms(
    words: Sequence[Word], index: TermIndex, force: Callable[[Sequence[str]], Forced]
) -> list[Word]:
    """Put terms in the place of what sounds like them, where the audio agrees.

    Args:
        words: as decoded.
        index: of the terms.
        force: holds a text, given as words, against the audio of `words`.

    Returns:
        The words; each replaced run is one word, whose `heard` says what it was.
    """
    words = [_respelt(word, index) for word in words]
    spots = index.near(words, limit=_MAX_SPOTS)
    if not spots:
        return words
    heard = force([word.text for word in words])
    accepted: dict[tuple[int, int], tuple[float, Spotted]] = {}
    for spot in spots:
        margin = max(
            _margin(spot, heard, force(_texts(words, [(spot, form)]))) for form in _forms(spot)
        )
        best = accepted.get((spot.first, spot.count))
        if margin >= margin_needed(spot.likeness) and (best is None or margin > best[0]):
            accepted[(spot.first, spot.count)] = (margin, spot)
    if not accepted:
        return words
    chosen = [spot for _, spot in sorted(accepted.values(), key=lambda item: item[1].first)]
    timed = force(_texts(words, [(spot, spot.term) for spot in chosen])).words
    return _marked(timed, words, chosen)


def margin_needed(likeness: float) -> float:
    """The least margin at which a term is believed: the more it sounds alike, the less it needs.

    Fitted on read English and French (ADR 0014).
    """
    return -2.0 - 9.0 * (likeness - LEAST_LIKENESS)


def _margin(spot: Spotted, heard: Forced, forced: Forced) -> float:
    """How much more probable the text is with the term, in nats for each token of the term."""
    end = spot.first + spot.count
    before = sum(heard.logprobs[spot.first : end + _CONTEXT_WORDS])
    after = sum(forced.logprobs[spot.first : spot.first + 1 + _CONTEXT_WORDS])
    return (after - before) / max(forced.tokens[spot.first], 1)


def _forms(spot: Spotted) -> list[str]:
    """Spellings the model may know the term by: it has seldom seen a name in capitals."""
    return [spot.term, spot.term.title()] if spot.term.isupper() else [spot.term]


def _texts(words: Sequence[Word], chosen: Sequence[tuple[Spotted, str]]) -> list[str]:
    texts: list[str] = []
    at = 0
    for spot, form in chosen:
        texts += [word.text for word in words[at : spot.first]]
        texts.append(f"{spot.head}{form}{spot.tail}")
        at = spot.first + spot.count
    return [*texts, *(word.text for word in words[at:])]


def _marked(timed: Sequence[Word], words: Sequence[Word], chosen: Sequence[Spotted]) -> list[Word]:
    """Say of each term what was heard, and be as sure of it as of that."""
    marked = list(timed)
    shift = 0
    for spot in chosen:
        run = words[spot.first : spot.first + spot.count]
        place = spot.first - shift
        sure = sum(word.probability for word in run) / len(run)
        marked[place] = replace(
            marked[place],
            probability=round(max(sure, marked[place].probability), 4),
            heard="".join(word.text for word in run),
        )
        shift += spot.count - 1
    return marked


def _respelt(word: Word, index: TermIndex) -> Word:
    """Write a term that was heard as the glossary does, where only capitals differ."""
    text = index.respelt(word.text)
    return word if text == word.text else replace(word, text=text, heard=word.text)
