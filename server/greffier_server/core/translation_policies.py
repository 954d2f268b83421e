"""When a growing sentence is translated, and what of its translation is shown for good.

Every policy is append-only: what it commits is never taken back. What follows is a tail, which the
next one replaces. Policies see words that the recogniser has committed, and know no clock.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import Literal, Protocol

from greffier_models.types import Word
from greffier_server.core.sentences import clause_end

__all__ = [
    "TRANSLATION_POLICIES",
    "Agreement",
    "ClauseCommit",
    "MaskK",
    "PolicyName",
    "Progress",
    "SentenceCommit",
    "Step",
    "TranslationPolicy",
    "continuation",
]

PolicyName = Literal["sentence", "clause", "mask-k", "agreement"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a segment and its translation into one language are."""

    words: Sequence[Word]
    """Committed by the recogniser."""
    language: str
    """Of the words."""
    covered: int = 0
    """Leading words whose translation is committed as a whole."""
    tried: int = 0
    """Words there were at the last attempt."""
    closed: bool = False
    """No word will come."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be translated now: the words behind those covered, up to `upto`."""

    upto: int
    whole: bool
    """A clause or sentence: checked, repaired and committed. Else a draft of the beginning."""


class TranslationPolicy(Protocol):
    """Decides for one segment at a time; has no state of its own."""

    def step(self, progress: Progress) -> Step | None:
        """Say what to translate now; None = wait for more words."""
        ...

    def settled(self, drafts: Sequence[str]) -> str:
        """Return the beginning of the newest draft that may be committed.

        `drafts` are oldest first, and of the same words, each time with more behind them.
        """
        ...

    def shown(self, draft: str) -> str:
        """Return the beginning of a draft that is worth showing."""
        ...


@dataclass(frozen=True, slots=True)
class SentenceCommit:
    """Each segment once it is closed, as a whole: the most context, and one generation."""

    def step(self, progress: Progress) -> Step | None:
        """Wait for the end."""
        return Step(len(progress.words), whole=True) if progress.closed else None

    def settled(self, drafts: Sequence[str]) -> str:
        """There are no drafts."""
        del drafts
        return ""

    def shown(self, draft: str) -> str:
        """All of it."""
        return draft


@dataclass(frozen=True, slots=True)
class ClauseCommit(SentenceCommit):
    """Each clause of a long segment by itself, as soon as the next one has begun."""

    least_words: int = 12
    """Shorter clauses wait for the next: alone they are often translated wrongly."""

    def step(self, progress: Progress) -> Step | None:
        """Translate up to the last end of a clause, when that is long enough."""
        if progress.closed:
            return Step(len(progress.words), whole=True)
        rest = progress.words[progress.covered :]
        count = clause_end(rest, progress.language)
        if self.least_words <= count < len(rest):
            return Step(progress.covered + count, whole=True)
        return None


@dataclass(frozen=True, slots=True)
class MaskK(SentenceCommit):
    """The beginning is translated anew as it grows; the last `mask` words are kept back.

    After Arivazhagan et al., "Re-translation versus Streaming for Simultaneous Translation"
    (IWSLT 2020). Nothing is committed before the end: drafts may change.
    """

    every: int = 5
    """New words from which another draft is made."""
    mask: int = 3

    def step(self, progress: Progress) -> Step | None:
        """Make a draft every so many words."""
        if progress.closed:
            return Step(len(progress.words), whole=True)
        if len(progress.words) - max(progress.tried, progress.covered) >= self.every:
            return Step(len(progress.words), whole=False)
        return None

    def shown(self, draft: str) -> str:
        """All but the last words."""
        return " ".join(draft.split()[: -self.mask])


@dataclass(frozen=True, slots=True)
class Agreement(MaskK):
    """As `MaskK`, and what two drafts one after the other begin with alike is committed.

    After Polák et al., "CUNI-KIT System for Simultaneous Speech Translation" (IWSLT 2022).
    """

    mask: int = 1

    def settled(self, drafts: Sequence[str]) -> str:
        """Commit the longest beginning that the last two have in common, in whole words."""
        if len(drafts) < 2:
            return ""
        pairs = zip(drafts[-2].split(), drafts[-1].split(), strict=False)
        return " ".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


TRANSLATION_POLICIES: Mapping[PolicyName, Callable[[], TranslationPolicy]] = MappingProxyType(
    {
        "sentence": SentenceCommit,
        "clause": ClauseCommit,
        "mask-k": MaskK,
        "agreement": Agreement,
    }
)
"""Every policy by its name, with its own dials."""


def continuation(committed: str, answer: str) -> str:
    """Return what is added to `committed` so that the whole says what `answer` says.

    Where the answer begins otherwise than what is committed, its words from as many on as are
    committed follow, aligned at the last committed word when the answer has it nearby.
    """
    given, words = committed.split(), answer.split()
    if not given:
        return answer
    common = sum(1 for _ in takewhile(lambda p: p[0] == p[1], zip(given, words, strict=False)))
    at = len(given)
    if common < len(given):
        near = [
            index + 1
            for index, word in enumerate(words)
            if word == given[-1] and abs(index + 1 - len(given)) <= 3
        ]
        at = min(near, key=lambda place: abs(place - len(given)), default=len(given))
    rest = words[at:]
    return " " + " ".join(rest) if rest else ""
