"""The last check of minutes: every sentence once more against the record as it is now.

Notes are taken while a session runs; speakers, words and translations may be revised afterwards.
What the record no longer bears out loses its tick; what it contradicts goes to the annex.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from greffier.protocol import Chapter, Minutes, MinutesItem
from greffier_server.core.claims import evidence_of, judge
from greffier_server.core.numerals import fold
from greffier_server.core.second_reading import is_quotation
from greffier_server.core.state import Segment, SessionState

__all__ = ["verified_minutes"]


def verified_minutes(minutes: Minutes, state: SessionState) -> Minutes:
    """Return `minutes` with no tick that the record does not bear out.

    A sentence is verified if it quotes what it cites, or if its numbers, dates, names, polarity and
    words are there; a sentence that was not verified before never becomes so here.
    """
    check = _Check(state.segments, minutes.language)
    checked = replace(
        minutes,
        summary=check.keep(minutes.summary),
        topics=check.keep(minutes.topics),
        decisions=check.keep(minutes.decisions),
        actions=check.keep(minutes.actions),
        questions=check.keep(minutes.questions),
        figures=check.keep(minutes.figures),
        chapters=tuple(
            Chapter(each.title, each.from_ms, each.to_ms, check.keep(each.summary))
            for each in minutes.chapters
        ),
    )
    return replace(checked, annex=(*minutes.annex, *dict.fromkeys(check.contradicted)))


class _Check:
    def __init__(self, segments: Mapping[int, Segment], language: str) -> None:
        self._segments = segments
        self._language = language
        self._people = frozenset(
            fold(name)
            for segment in segments.values()
            for name in re.findall(r"[^\W\d_]+", segment.speaker or "")
        )
        self.contradicted: list[MinutesItem] = []

    def keep(self, items: Sequence[MinutesItem]) -> tuple[MinutesItem, ...]:
        """Return the items that stand, with the tick only where it is due."""
        kept: list[MinutesItem] = []
        for item in items:
            cites = tuple(cite for cite in item.cites if cite in self._segments)
            item = replace(item, cites=cites, verified=item.verified and bool(cites))
            if cites and is_quotation(item, self._segments, self._language):
                kept.append(item)
                continue
            outcome = self._outcome(item)
            if outcome == "invented":
                self.contradicted.append(replace(item, verified=False))
            else:
                kept.append(replace(item, verified=item.verified and outcome == "verified"))
        return tuple(kept)

    def _outcome(self, item: MinutesItem) -> str:
        evidence = {cite: evidence_of(self._segments[cite], self._language) for cite in item.cites}
        return judge(
            item.text,
            language=self._language,
            cites=item.cites,
            evidence=evidence,
            people=self._people,
        ).outcome
