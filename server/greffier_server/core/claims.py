"""Holds a written sentence against the segments it claims to rest on.

A claim passes when its numbers, dates, names and polarity are in the cited speech and most of its
content words are, too. Words are compared without accents and endings. Citations are mended on the
way: models often point at a neighbour of the right sentence.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from greffier_server.core.figures import readable_text
from greffier_server.core.invariant_words import MONTHS, WEAK_NEGATION, WEEKDAYS
from greffier_server.core.invariants import Facts, facts, missing_facts
from greffier_server.core.languages import word_set
from greffier_server.core.numerals import find_numerals, fold
from greffier_server.core.state import Segment

__all__ = [
    "MAX_CITES",
    "Evidence",
    "Gist",
    "Verdict",
    "content_stems",
    "evidence_of",
    "gist",
    "judge",
    "overlap",
]

MAX_CITES = 3
SUPPORTED = 0.8
"""Share of content words found in the cited speech from which a claim counts as verified."""
DOUBTFUL = 0.5
"""Up to this share a claim is not kept."""

Outcome = Literal["verified", "unverified", "unsupported", "invented"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A segment as claims are held against it."""

    segment: int
    stems: frozenset[str]
    words: frozenset[str]
    """Every word of the text, folded."""
    names: frozenset[str]
    """Folded words of the text that begin with a capital."""
    speaker: frozenset[str]
    """Folded words of the speaker's name."""
    facts: Facts
    readable: bool
    """It is in the claim's language, by itself or through its translation."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a claim, and the segments it does rest on."""

    outcome: Outcome
    cites: tuple[int, ...]
    reason: str = ""
    """A kind only (``number``, ``name``, ``negation``, ``words``), never text."""


def evidence_of(segment: Segment, language: str) -> Evidence:
    """Read a segment, for claims in `language`."""
    readable, spoken = readable_text(segment, language)
    other = readable if spoken != segment.language else ""
    text = f"{segment.text} {other}"
    return Evidence(
        segment=segment.id,
        stems=content_stems(segment.text, segment.language) | content_stems(other, language),
        words=frozenset(re.findall(r"[^\W\d_]+", fold(text))),
        names=frozenset(fold(word) for word in _NAME.findall(text)),
        speaker=frozenset(re.findall(r"[^\W\d_]+", fold(segment.speaker or ""))),
        facts=_both(facts(segment.text, segment.language), facts(other, language)),
        readable=segment.language == language or bool(other),
    )


def judge(
    text: str,
    *,
    language: str,
    cites: Sequence[int],
    evidence: Mapping[int, Evidence],
    people: frozenset[str] = frozenset(),
) -> Verdict:
    """Decide whether `text` rests on what was said, and on which segments.

    Args:
        text: one sentence.
        language: of `text`.
        cites: the segments it is said to rest on.
        evidence: those it may rest on, by id.
        people: folded names known in the session, which a sentence may use for *I* and *you*.
    """
    stems = content_stems(text, language)
    claimed = facts(text, language)
    chosen = _mend(stems, claimed, [cite for cite in cites if cite in evidence], evidence)
    if not chosen:
        return Verdict("unsupported", (), "citation")
    cited = [evidence[cite] for cite in chosen]
    spoken = cited[0].facts
    for item in cited[1:]:
        spoken = _both(spoken, item.facts)
    missing = missing_facts(claimed, spoken)
    if missing:
        return Verdict("invented", chosen, missing[0].kind)
    words = frozenset(re.findall(r"[^\W\d_]+", fold(text)))
    known = frozenset[str]().union(*(item.words for item in cited))
    names = {fold(name) for name in _names(text)} - people
    if names - known:
        return Verdict("unsupported", chosen, "name")
    if not _same_polarity(text, claimed, cited):
        return Verdict("unsupported", chosen, "negation")
    if not all(item.readable for item in cited):
        return Verdict("unverified", chosen, "language")
    share = _share(stems, cited, people)
    if share <= DOUBTFUL:
        return Verdict("unsupported", chosen, "words")
    spoken_for = people & words - known
    if words & _ABSOLUTES - known or any(spoken_for & item.speaker for item in cited):
        return Verdict("unverified", chosen, "words")
    return Verdict("verified" if share >= SUPPORTED else "unverified", chosen, "words")


def content_stems(text: str, language: str) -> frozenset[str]:
    """Return the beginnings of the words that carry meaning; numbers are left out."""
    spans = [(numeral.start, numeral.end) for numeral in find_numerals(text, language)]
    stems: set[str] = set()
    for match in re.finditer(r"[^\W\d_]+", text):
        word = fold(match.group()).replace("y", "i")  # French: envoyer, j'envoie
        if len(word) < 3 or fold(match.group()) in _STOP_WORDS:
            continue
        if any(start <= match.start() < end for start, end in spans):
            continue
        stems.add(word[:5] if len(word) > 5 else word.rstrip("s") if len(word) > 3 else word)
    return frozenset(stems)


@dataclass(frozen=True, slots=True)
class Gist:
    """What two sentences are compared by."""

    stems: frozenset[str]
    numbers: frozenset[Decimal]


def gist(text: str, language: str) -> Gist:
    """Read what `overlap` compares."""
    return Gist(content_stems(text, language), frozenset(facts(text, language).numbers))


def overlap(first: Gist, second: Gist) -> float:
    """Return how much of the shorter of two sentences is in the other, 0 to 1.

    Sentences with different numbers have nothing in common, however alike their words are.
    """
    if first.numbers != second.numbers and first.numbers and second.numbers:
        return 0.0
    smaller = min(len(first.stems), len(second.stems))
    return len(first.stems & second.stems) / smaller if smaller else 0.0


def _mend(
    stems: frozenset[str],
    claimed: Facts,
    cites: Sequence[int],
    evidence: Mapping[int, Evidence],
) -> tuple[int, ...]:
    """Choose the fewest segments that carry the claim; the given ones win where equally good."""
    wanted = {("word", stem) for stem in stems}
    wanted |= {("number", str(number)) for number in claimed.numbers}
    wanted |= {("month", str(month)) for month in claimed.months}
    wanted |= {("weekday", str(day)) for day in claimed.weekdays}
    chosen: list[int] = []
    while wanted and len(chosen) < MAX_CITES:
        best, gain = -1, 0.0
        for key, item in evidence.items():
            if key in chosen:
                continue
            score = len(wanted & _content(item)) + (0.5 if key in cites else 0.0)
            near = min((abs(key - cite) for cite in cites), default=0)
            score -= min(near, 40) * 0.01
            if score > gain:
                best, gain = key, score
        # A further segment must add a number, or two words: one shared word proves little.
        found = wanted & _content(evidence[best]) if best >= 0 else set[tuple[str, str]]()
        new_fact = any(kind != "word" for kind, _ in found)
        if not found or (chosen and len(found) < 2 and not new_fact):
            break
        chosen.append(best)
        wanted -= found
    if not chosen:
        return tuple(sorted(cites))[:MAX_CITES]
    return tuple(sorted(chosen))


def _content(item: Evidence) -> set[tuple[str, str]]:
    return (
        {("word", stem) for stem in item.stems}
        | {("number", str(number)) for number in item.facts.numbers}
        | {("month", str(month)) for month in item.facts.months}
        | {("weekday", str(day)) for day in item.facts.weekdays}
    )


def _share(stems: frozenset[str], cited: Sequence[Evidence], people: frozenset[str]) -> float:
    """Return how many of the content words are said, people's names left out of the count."""
    said = frozenset[str]().union(*(item.stems for item in cited))
    counted = stems - content_stems(" ".join(people), "")
    return len(counted & said) / len(counted) if counted else 0.0


def _same_polarity(text: str, claimed: Facts, cited: Sequence[Evidence]) -> bool:
    doubts = {fold(word) for word in re.findall(r"[^\W\d_]+", text)} & _DENIALS
    said = [item.facts for item in cited]
    if claimed.negated or doubts:
        return any(item.negated or item.weakly_negated for item in said)
    weak = claimed.weakly_negated
    return weak or not all(item.negated for item in said)


_ABSOLUTES = word_set(
    "tous toutes toujours chaque jamais uniquement all every each everyone always never nobody"
)
"""Words that widen a statement and are no content words; they must have been said."""

_DENIALS = WEAK_NEGATION & word_set(
    "impossible unable unavailable indisponible forbidden prohibited interdit interdite refuse "
    "refused inutile useless unnecessary absent absente"
)


def _names(text: str) -> list[str]:
    """Return capitalised words that do not begin the sentence, months and weekdays aside."""
    common = {word for table in (*MONTHS.values(), *WEEKDAYS.values()) for word in table}
    return [name for name in _NAME.findall(text)[_leads(text) :] if fold(name) not in common]


def _leads(text: str) -> int:
    return 1 if re.match(r"\W*[^\W\d_a-zà-ÿ]", text) else 0


_NAME = re.compile(r"\b(?:(?<=['’])|(?<!['’]))[A-ZÀ-ÖØ-Þ][^\W\d_]{2,}")


def _both(one: Facts, two: Facts) -> Facts:
    return Facts(
        numbers=one.numbers + two.numbers,
        soft_numbers=one.soft_numbers | two.soft_numbers,
        months=one.months | two.months,
        weekdays=one.weekdays | two.weekdays,
        negated=one.negated or two.negated,
        weakly_negated=one.weakly_negated or two.weakly_negated,
        units=one.units | two.units,
        call_signs=one.call_signs | two.call_signs,
    )


_STOP_WORDS = word_set(
    "les des une aux est sont ete etait suis sommes etes sera seront serait avoir avons avez ont "
    "ai fait faire faut que qui quoi dont ces ses mes tes son mon ton sur sous pour par avec sans "
    "dans entre vers chez donc mais ou et car nous vous ils elles elle lui leur leurs notre votre "
    "nos vos cela ceci cette cet pas plus tres aussi comme tout tous toute toutes bien peut "
    "peuvent pouvons pouvez etre autre autres encore deja alors ainsi afin lors apres avant depuis "
    "pendant jusque quand comment combien aucun aucune jamais rien non oui "
    "the and are was were been being has have had will would shall should can could may might must "
    "not for from with without into onto about than then that this these those there their they "
    "them our your his her its you she who what which when where how why all any some also very "
    "just let does did done only but out off over under after before during until per please yes "
    "one deux two"
)
