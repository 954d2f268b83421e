"""Where each point of an agenda was talked of, from the words of both (pure).

A point is found where the talk uses its words, those that it shares with no other point counting
most, or calls it by its number (*point 2*, *item three*). The talk stays with a point until another
one is plainly taken up; what is said before the first belongs to none.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from greffier.protocol import AgendaPoint
from greffier_server.core.claims import content_stems
from greffier_server.core.document_events import AgendaItem, DocumentAttached
from greffier_server.core.numerals import find_numerals, fold
from greffier_server.core.state import Segment

__all__ = ["agenda_points", "point_of"]

_NEAR = (1.0, 0.6, 0.3)
"""Weight of a segment's own words, of those next to it, and of the next but one."""
_TAKEN_UP = 1.0
"""Score of the words of a segment and its neighbours from which a point is being talked of."""
_NAMED = 3.0
"""Score of a point that is called by its number."""
_PLAINLY = 1.4
"""Another point must score so many times what the present one does."""


def agenda_points(
    documents: Sequence[DocumentAttached], segments: Sequence[Segment], language: str
) -> tuple[AgendaPoint, ...]:
    """Return the points of the agendas, with the segments that talk of each.

    Args:
        documents: attached to the session.
        segments: closed ones with text, in order of time.
        language: of the minutes.
    """
    listed = [(document, item) for document in documents for item in document.agenda]
    if not listed:
        return ()
    points = _points(listed)
    talked = _talked(points, segments, language)
    return tuple(
        AgendaPoint(
            number=item.number,
            title=item.title,
            document=document.number,
            name=document.name,
            page=item.page,
            paragraph=item.paragraph,
            segments=tuple(talked.get(place, ())),
        )
        for place, (document, item) in enumerate(listed)
    )


def point_of(cites: Sequence[int], points: Sequence[AgendaPoint]) -> int | None:
    """Return the place of the point that a sentence with these citations belongs to."""
    best, most = None, 0
    for place, point in enumerate(points):
        shared = len(set(cites) & set(point.segments))
        if shared > most:
            best, most = place, shared
    return best


@dataclass(frozen=True, slots=True)
class _Point:
    title: frozenset[str]
    weights: dict[str, float]
    number: int | None


def _points(listed: Sequence[tuple[DocumentAttached, AgendaItem]]) -> list[_Point]:
    titles = [
        _stems(item.title, document.language) or content_stems(item.title, document.language)
        for document, item in listed
    ]
    whole = [
        title | _stems(item.detail, document.language)
        for title, (document, item) in zip(titles, listed, strict=True)
    ]
    shared = Counter(stem for stems in whole for stem in stems)
    several = len({document.number for document, _ in listed}) > 1
    return [
        _Point(
            title,
            {
                stem: (1.0 if stem in title else 0.4) / shared[stem] ** 2
                for stem in stems
                if shared[stem] == 1 or shared[stem] * 2 <= len(listed)
            },
            None if several else _ordinal(item.number),
        )
        for title, stems, (_, item) in zip(titles, whole, listed, strict=True)
    ]


def _talked(
    points: Sequence[_Point], segments: Sequence[Segment], language: str
) -> dict[int, list[int]]:
    own = [[_score(point, segment, language) for point in points] for segment in segments]
    found: dict[int, list[int]] = {}
    now: int | None = None
    for at, segment in enumerate(segments):
        scores = [_around(own, at, place) for place in range(len(points))]
        best = max(range(len(points)), key=lambda place: (scores[place], -place))
        # The segment itself must speak of what is taken up, not only what is around it.
        taken_up = scores[best] >= _TAKEN_UP and own[at][best] > 0
        if taken_up and (now is None or scores[best] >= _PLAINLY * scores[now]):
            now = best
        if now is not None:
            found.setdefault(now, []).append(segment.id)
    return found


def _around(own: Sequence[Sequence[float]], at: int, place: int) -> float:
    """A segment's score with that of the ones behind it: a point is announced, then talked of."""
    total = 0.0
    for distance, weight in enumerate(_NEAR):
        if at + distance < len(own):
            total += weight * own[at + distance][place]
    return total


def _score(point: _Point, segment: Segment, language: str) -> float:
    texts = [(segment.text, segment.language)]
    texts += [(one.text, code) for code, one in segment.translations.items() if one.closed]
    if point.number is not None and any(point.number in _named(t, c) for t, c in texts):
        return _NAMED
    stems = frozenset[str]().union(*(_stems(text, code or language) for text, code in texts))
    said = stems & point.weights.keys()
    score = sum(point.weights[stem] for stem in said)
    # One word of a longer title proves little, two of them or all of it much.
    if len(said & point.title) >= min(2, len(point.title)) and point.title:
        return max(score, _TAKEN_UP if score >= 0.5 else score)
    return 0.5 * score


def _stems(text: str, language: str) -> frozenset[str]:
    return frozenset(stem for stem in content_stems(text, language) if stem not in _PAPER)


def _named(text: str, language: str) -> frozenset[int]:
    """Numbers of the points that a sentence calls by them."""
    folded = fold(text)
    if not re.search(r"\b(?:point|item|sujet|dossier)s?\b", folded):
        return frozenset()
    found: set[int] = set()
    for numeral in find_numerals(text, language):
        if numeral.value != numeral.value.to_integral_value():
            continue
        before, after = folded[: numeral.start], folded[numeral.end :]
        if numeral.ordinal:
            near = re.match(r"\s*(?:point|item|sujet|dossier)\b", after)
        else:
            near = re.search(
                r"\b(?:point|item|sujet|dossier)(?: numero| number| n[o°])?\s*$", before
            )
        if near:
            found.add(int(numeral.value))
    return frozenset(found)


def _ordinal(number: str) -> int | None:
    if number.isdecimal():
        return int(number)
    return _ROMAN.get(number)


_NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_ROMAN = {roman: value for value, roman in enumerate(_NUMERALS, start=1)}
_PAPER = content_stems(
    "point points item items sujet question questions divers presentation examen approbation "
    "bilan avis discussion debat information informations situation update review report rapport "
    "approval introduction conclusion prochaine prochaines next other business etapes steps",
    "",
)
"""Words of any agenda, that tell nothing of a point."""
