"""Whether an action of the minutes is done, as far as somebody says so later in the session.

French and English only; in other languages an action stays open, which is what a promise is.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from greffier.protocol import MinutesItem
from greffier_server.core.claims import content_stems, gist
from greffier_server.core.invariants import facts
from greffier_server.core.numerals import fold
from greffier_server.core.state import Segment

__all__ = ["with_status"]

_SAME = 0.6
"""Overlap of content words from which a later sentence is about the action."""
_DONE = {
    "fr": re.compile(
        r"\b(?:c'est (?:deja )?(?:fait|regle|envoye|termine)|(?:est|sont|a ete|ont ete) (?:deja )?"
        r"(?:\w+ee?s?|fait|faite|remis|remise|mis|mise)\b|j'ai (?:deja |bien |tout )?(?:\w+e|\w+i|"
        r"\w+u|fait|mis|remis|pris)\b|nous avons (?:deja |bien )?(?:\w+e|\w+i|\w+u|fait|mis)\b)"
    ),
    "en": re.compile(
        r"\b(?:(?:it|that|this) (?:is|has been) (?:already )?(?:done|sent|finished)|it's done|"
        r"(?:i|we)(?:'ve| have) (?:already |just )?(?:\w+ed|done|sent|told|made|put|written|bought)"
        r"|(?:i|we) (?:already |just )(?:\w+ed|sent|told|made|did)"
        r"|(?:is|are|has been|have been) (?:already )?(?:\w+ed|done|sent|made))\b"
    ),
}


def with_status(
    actions: Sequence[MinutesItem], segments: Sequence[Segment], language: str
) -> tuple[MinutesItem, ...]:
    """Return `actions` with ``open`` or ``done``; what says that one is done is cited, too.

    Args:
        actions: of the minutes.
        segments: the session's, in order of time.
        language: of the minutes.
    """
    places = {segment.id: place for place, segment in enumerate(segments)}
    reports = [(place, s) for place, s in enumerate(segments) if _reports(s)]
    return tuple(_settled(action, reports, places, language) for action in actions)


def _settled(
    action: MinutesItem,
    reports: Sequence[tuple[int, Segment]],
    places: dict[int, int],
    language: str,
) -> MinutesItem:
    after = max((places[cite] for cite in action.cites if cite in places), default=len(places))
    told = gist(action.text, language)
    for place, segment in reports:
        if place <= after or (action.who and segment.speaker and segment.speaker != action.who):
            continue
        # Words are compared in one language only: of a translated talk nothing is known here.
        if segment.language == language and _about(told.stems, segment, language):
            cites = tuple(sorted({*action.cites, segment.id}))
            return replace(action, status="done", cites=cites)
    return replace(action, status="open")


def _about(stems: frozenset[str], segment: Segment, language: str) -> bool:
    said = content_stems(segment.text, language)
    shared = len(stems & said)
    return shared >= 2 and shared >= _SAME * min(len(stems), len(said))


def _reports(segment: Segment) -> bool:
    pattern = _DONE.get(segment.language)
    if pattern is None or segment.text.rstrip().endswith("?"):
        return False
    folded = fold(segment.text).replace("’", "'")
    return bool(pattern.search(folded)) and not facts(segment.text, segment.language).negated
