"""Turns a model's raw notes into notes that hold: checked, sorted by what was said, complete.

Each item is held against the speech (`claims`); what invents a number or a date is dropped, what
the speech does not bear out goes to the annex. The wording of the cited sentences (`speech_acts`)
then decides whether an item may stand as a decision, an action or an open question. Sentences that
plainly decide, commit or leave open and that the model passed over are added in their own words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from greffier.protocol import MinutesItem
from greffier_server.core.claims import (
    Evidence,
    Gist,
    content_stems,
    evidence_of,
    gist,
    judge,
    overlap,
)
from greffier_server.core.due_dates import find_due
from greffier_server.core.figures import in_digits, readable_text
from greffier_server.core.invariants import facts, missing_facts
from greffier_server.core.languages import written_in
from greffier_server.core.notes import RawNote
from greffier_server.core.numerals import fold
from greffier_server.core.speech_acts import SPEECH_LANGUAGES, SpeechAct, speech_act
from greffier_server.core.spoken_orders import orders_the_clerk
from greffier_server.core.state import Segment

__all__ = ["Notes", "check_notes", "complete_notes", "merge_notes"]

SAME = 0.75
"""Overlap of content words from which two items are one."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Checked notes over a stretch, in the shape of minutes."""

    language: str = ""
    topics: tuple[MinutesItem, ...] = ()
    decisions: tuple[MinutesItem, ...] = ()
    actions: tuple[MinutesItem, ...] = ()
    questions: tuple[MinutesItem, ...] = ()
    unsupported: tuple[MinutesItem, ...] = ()
    """Decisions and actions that the speech does not bear out."""


def check_notes(raw: Sequence[RawNote], segments: Sequence[Segment], language: str) -> Notes:
    """Check `raw`, written in `language` over `segments`, and add what it misses."""
    reading = _Reading(segments, language)
    for note in raw:
        reading.take(note)
    reading.add_decisions()
    reading.add_actions()
    reading.add_questions()
    return merge_notes([reading.notes()], language)


def complete_notes(notes: Notes, segments: Sequence[Segment]) -> Notes:
    """Let quotations stand in for decisions and actions of `notes` that are not verified.

    Where nothing cited plainly decides or promises, the sentence stays, and stays unverified.
    """
    language = notes.language
    doubtful = [item for item in (*notes.decisions, *notes.actions) if not item.verified]
    reading = _Reading(segments, language)
    reading.topics += notes.topics
    reading.decisions += [item for item in notes.decisions if item.verified]
    reading.actions += [item for item in notes.actions if item.verified]
    reading.questions += notes.questions
    reading.unsupported += notes.unsupported
    reading.add_decisions()
    reading.add_actions()
    told = {cite for item in (*reading.decisions, *reading.actions) for cite in item.cites}
    lost = [item for item in doubtful if not told & set(item.cites)]
    reading.decisions += [item for item in lost if item in notes.decisions]
    reading.actions += [item for item in lost if item in notes.actions]
    return merge_notes([reading.notes()], language)


def merge_notes(parts: Sequence[Notes], language: str) -> Notes:
    """Join the notes of several stretches; an item said twice is kept once, with both citations."""
    decisions = _distinct([item for part in parts for item in part.decisions], language)
    actions = _distinct([item for part in parts for item in part.actions], language)
    questions = _distinct([item for part in parts for item in part.questions], language)
    stronger = [*decisions, *actions, *questions]
    topics = _distinct([item for part in parts for item in part.topics], language)
    unsupported = _distinct([item for part in parts for item in part.unsupported], language)
    return Notes(
        language=language,
        topics=_uncovered(topics, stronger, language),
        decisions=tuple(decisions),
        actions=tuple(actions),
        questions=tuple(questions),
        unsupported=_uncovered(unsupported, stronger, language),
    )


@dataclass(slots=True)
class _Reading:
    """The segments of a stretch as they are read, and the notes that stand so far."""

    segments: Sequence[Segment]
    language: str
    topics: list[MinutesItem] = field(default_factory=list[MinutesItem])
    decisions: list[MinutesItem] = field(default_factory=list[MinutesItem])
    actions: list[MinutesItem] = field(default_factory=list[MinutesItem])
    questions: list[MinutesItem] = field(default_factory=list[MinutesItem])
    unsupported: list[MinutesItem] = field(default_factory=list[MinutesItem])
    _evidence: dict[int, Evidence] = field(init=False)
    _acts: dict[int, SpeechAct] = field(init=False)
    _place: dict[int, int] = field(init=False)
    _people: frozenset[str] = field(init=False)
    _orders: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self._evidence = {s.id: evidence_of(s, self.language) for s in self.segments}
        self._orders = {s.id for s in self.segments if orders_the_clerk(s.text)}
        self._acts = {
            s.id: SpeechAct() if s.id in self._orders else speech_act(s.text, s.language)
            for s in self.segments
        }
        self._place = {segment.id: index for index, segment in enumerate(self.segments)}
        self._people = frozenset(
            fold(name)
            for segment in self.segments
            for name in re.findall(r"[^\W\d_]+", segment.speaker or "")
        )

    def notes(self) -> Notes:
        """Return what stands."""
        return Notes(
            self.language,
            tuple(self.topics),
            tuple(self.decisions),
            tuple(self.actions),
            tuple(self.questions),
            tuple(self.unsupported),
        )

    def take(self, note: RawNote) -> None:
        """Check one item and put it where it belongs."""
        if len(content_stems(note.text, self.language)) < 2:
            return
        if not written_in(note.text, self.language):
            return  # what matters of it comes back as a quotation
        verdict = judge(
            note.text,
            language=self.language,
            cites=note.cites,
            evidence=self._evidence,
            people=self._people,
        )
        item = MinutesItem(
            in_digits(note.text, self.language), verdict.cites, verdict.outcome == "verified"
        )
        if verdict.outcome == "invented" or not verdict.cites:
            return
        if self._orders & {*verdict.cites, *note.cites}:
            return  # whoever said so wanted it to stand here
        if verdict.outcome == "unsupported":
            if note.kind in ("decision", "action"):
                self.unsupported.append(item)
            return
        acts = [self._acts[cite] for cite in verdict.cites]
        unread = any(
            self.segments[self._place[cite]].language not in SPEECH_LANGUAGES
            for cite in verdict.cites
        )
        if all(act.courtesy for act in acts):
            return
        if note.kind == "question":
            if unread or (any(act.asks for act in acts) and self._is_open(verdict.cites)):
                self.questions.append(item)
        elif note.kind == "decision" and (unread or any(act.decides for act in acts)):
            self.decisions.append(item)
        elif note.kind == "action":
            self._take_action(item, note, unread=unread)
        elif not all(act.asks for act in acts):
            self._take_topic(item)

    def _take_topic(self, item: MinutesItem) -> None:
        """Keep a point; one that is not borne out word for word gives way to what was said."""
        told = [self.segments[self._place[cite]] for cite in item.cites]
        if not item.verified and len(told) == 1 and self._evidence[told[0].id].readable:
            self.topics.append(self._quote(told[0]))
        else:
            self.topics.append(item)

    def _take_action(self, item: MinutesItem, note: RawNote, *, unread: bool) -> None:
        cites = item.cites
        who = self._who(note.who, cites)
        commits = any(self._acts[cite].commits for cite in cites)
        asked = who is not None and any(self._acts[cite].requests for cite in cites)
        if not (unread or commits or asked):
            if not all(self._acts[cite].asks for cite in cites):
                self._take_topic(item)
            return
        due, cites = self._due(note, cites)
        self.actions.append(replace(item, who=who, due=due, cites=cites))

    def _who(self, given: str, cites: Sequence[int]) -> str | None:
        """Return who acts: the one who says *I will*, or a name that is said there."""
        cited = [self.segments[self._place[cite]] for cite in cites]
        committed = [s.speaker for s in cited if s.speaker and self._acts[s.id].commits]
        if committed:
            return given if given in committed else committed[0]
        names = frozenset(re.findall(r"[^\W\d_]+", fold(given)))
        named = frozenset[str]().union(*(self._evidence[cite].names for cite in cites))
        if names and names <= named:
            return given
        for key in self._around(cites, 0, 1)[len(cites) :]:  # "Karim, can you …?" "I will."
            if self._acts[key].commits and names and names <= self._evidence[key].speaker:
                return given
        return None

    def _due(self, note: RawNote, cites: tuple[int, ...]) -> tuple[str | None, tuple[int, ...]]:
        """Return when the action is due, as far as it was said, and the citations with that."""
        for cite in cites:
            clause, language = self._clause(note.text, cite)
            if (due := find_due(clause, language)) and language == self.language:
                return due, cites
        if not any(char.isalnum() for char in note.due):
            return None, cites
        claimed, stems = facts(note.due, self.language), content_stems(note.due, self.language)
        given = [cite for cite in note.cites if cite in self._evidence and cite not in cites]
        for key in (*cites, *given):
            clause, language = self._clause(note.text, key)
            said = facts(clause, language)
            known = len(stems & content_stems(clause, language)) * 2 >= len(stems)
            if known and not missing_facts(claimed, said) and (stems or claimed.numbers):
                return in_digits(note.due, self.language), tuple(sorted({*cites, key}))
        return None, cites

    def _clause(self, text: str, cite: int) -> tuple[str, str]:
        """Return the clause of a segment that `text` is about, and its language."""
        readable, language = readable_text(self.segments[self._place[cite]], self.language)
        clauses, told = _CLAUSE.split(readable), gist(text, self.language)
        return max(clauses, key=lambda clause: overlap(gist(clause, language), told)), language

    def _is_open(self, cites: Sequence[int]) -> bool:
        """Whether something nearby says that the question has no answer yet."""
        return any(self._acts[key].open for key in self._around(cites, 1, 3))

    def _around(self, cites: Sequence[int], before: int, after: int) -> list[int]:
        places = [self._place[cite] for cite in cites]
        first, last = max(0, min(places) - before), max(places) + after
        return [segment.id for segment in self.segments[first : last + 1]]

    def add_decisions(self) -> None:
        """Quote sentences that decide and that no item cites."""
        cited = {cite for item in (*self.decisions, *self.actions) for cite in item.cites}
        for segment in self.segments:
            if self._acts[segment.id].decides and segment.id not in cited:
                self.decisions.append(self._quote(segment))

    def add_actions(self) -> None:
        """Quote the tasks that people promise and no action has."""
        for index, segment in enumerate(self.segments):
            if not self._acts[segment.id].promises:
                continue
            text, language = readable_text(segment, self.language)
            # Clauses can be told apart in the speaker's own words only, not in a translation's.
            clauses = _CLAUSE.split(text) if language == segment.language else [text]
            for clause in clauses:
                if len(clauses) > 1 and not speech_act(clause, language).promises:
                    continue
                if any(
                    segment.id in item.cites
                    and (
                        len(clauses) == 1
                        or overlap(gist(clause, language), gist(item.text, self.language)) >= 0.5
                    )
                    for item in self.actions
                ):
                    continue
                self.actions.append(self._commitment(clause, segment, index))

    def _commitment(self, clause: str, segment: Segment, index: int) -> MinutesItem:
        who = segment.speaker
        if index and len(content_stems(clause, self.language)) < 2:
            before = self.segments[index - 1]  # "I take care of it": of what was said before
            quote = self._quote(before)
            return replace(quote, cites=(before.id, segment.id), who=who)
        due = find_due(clause, readable_text(segment, self.language)[1])
        return replace(self._quote(segment, clause.strip(" ,;")), who=who, due=due)

    def add_questions(self) -> None:
        """Quote questions that somebody says are open, or the saying itself where none was put."""
        for index, segment in enumerate(self.segments):
            act = self._acts[segment.id]
            if not act.open:
                continue
            # "I don't know" answers what was asked just before, if it means anything.
            reach = 3 if act.undecided else 1
            near = self.segments[max(0, index - reach) : index + (2 if act.undecided else 0)]
            asked = [other for other in near if self._acts[other.id].asks]
            if not (asked or act.undecided):
                continue
            chosen = asked[-1] if asked else segment
            cites = {chosen.id, segment.id}
            if any(cites & set(item.cites) for item in self.questions):
                continue
            if len(content_stems(chosen.text, chosen.language)) < 2:
                continue
            quote = self._quote(chosen)
            self.questions.append(replace(quote, cites=tuple(sorted(cites))))

    def _quote(self, segment: Segment, text: str | None = None) -> MinutesItem:
        """Take a segment's own words (or its translation's) as an item."""
        readable, language = readable_text(segment, self.language)
        words = in_digits(text or readable, language)
        return MinutesItem(words[:1].upper() + words[1:], (segment.id,), verified=True)


_CLAUSE = re.compile(r",?\s+(?:et|and)\s+(?=(?:je|I)\s|j['’])|,\s+(?=(?:je|I)\s|j['’])")


def _distinct(items: Sequence[MinutesItem], language: str) -> list[MinutesItem]:
    kept: list[MinutesItem] = []
    gists: list[Gist] = []
    for item in items:
        told = gist(item.text, language)
        for index, other in enumerate(kept):
            if overlap(told, gists[index]) >= SAME and item.who == other.who:
                kept[index] = _joined(other, item)
                gists[index] = gist(kept[index].text, language)
                break
        else:
            kept.append(item)
            gists.append(told)
    return kept


def _joined(first: MinutesItem, second: MinutesItem) -> MinutesItem:
    """Keep the better of two items that say the same, with the due date of either."""
    better = second if second.verified and not first.verified else first
    cites = better.cites if better.verified else first.cites + second.cites
    return replace(better, cites=tuple(sorted({*cites})), due=better.due or first.due or second.due)


def _uncovered(
    items: Sequence[MinutesItem], others: Sequence[MinutesItem], language: str
) -> tuple[MinutesItem, ...]:
    """Return the items that say, and cite, something the others do not."""
    gists = [(set(other.cites), gist(other.text, language)) for other in others]
    return tuple(
        item
        for item in items
        for told in (gist(item.text, language),)
        if not any(
            set(item.cites) <= cites or overlap(told, other) >= SAME for cites, other in gists
        )
    )
