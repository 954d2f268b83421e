"""What templates are given of a session: plain values, each sentence with its citations and mark.

The mark of an unverified sentence is part of its text, so that no template can leave it out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from greffier.plain import PlainError, from_plain
from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.agenda_minutes import point_of
from greffier_server.core.channels import speaker_names
from greffier_server.core.coverage import coverage
from greffier_server.core.figures import readable_text
from greffier_server.core.losses import losses
from greffier_server.core.minutes import spoken_segments
from greffier_server.core.minutes_translation import MinutesTranslation
from greffier_server.core.note_checks import Notes
from greffier_server.core.radio_log import Transmission, radio_log
from greffier_server.core.state import SessionState
from greffier_server.documents.cleaning import clean_line
from greffier_server.documents.dates import written_date
from greffier_server.documents.kinds import Kind
from greffier_server.documents.words import Words

__all__ = ["Material", "clock", "log_rows", "values_for"]

_UNCITED = 40
"""Passages that no sentence cites are listed one by one up to so many, the longest ones."""
_LATEST = 8


@dataclass(frozen=True, slots=True)
class Material:
    """One session, as it is in the store."""

    state: SessionState
    title: str
    began_at_ms: int
    """Wall clock, milliseconds since the epoch."""
    zone: ZoneInfo | None = None
    """Of dates and times; the machine's when absent."""
    translation: MinutesTranslation | None = None
    """Of the minutes, where they are wanted in another language than theirs."""

    @property
    def minutes(self) -> Minutes:
        """The minutes, empty ones where there are none."""
        return self.state.minutes or Minutes(seq=0, language="", title="")

    def at(self, ms: int) -> datetime:
        """Return the wall-clock time at `ms` of the session."""
        return datetime.fromtimestamp((self.began_at_ms + ms) / 1000, UTC).astimezone(self.zone)


def clock(ms: int) -> str:
    """Return a place in the recording as ``m:ss`` or ``h:mm:ss``."""
    seconds = max(0, ms) // 1000
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def values_for(
    kind: Kind,
    material: Material,
    words: Words,
    *,
    language: str,
    every_minutes: int,
    sources: bool,
) -> dict[str, Any]:
    """Return what the template of `kind` is given; parts that it never shows are not computed."""
    state, minutes = material.state, material.minutes
    teller = _Teller(state, words, material.translation)
    duration_ms = _duration_ms(state)
    values: dict[str, Any] = {
        "w": words,
        "language": language,
        "title": clean_line(teller.plain(minutes.title)) or material.title,
        "date": written_date(material.at(0), language),
        "began": material.at(0).strftime("%H:%M"),
        "ended": material.at(duration_ms).strftime("%H:%M"),
        "duration": clock(duration_ms),
        "participants": teller.participants(),
        "summary": teller.items(minutes.summary),
        "topics": teller.items(minutes.topics),
        "decisions": teller.items(minutes.decisions),
        "actions": teller.items(minutes.actions),
        "questions": teller.items(minutes.questions),
        "figures": teller.items(minutes.figures),
        "annex": teller.items(minutes.annex, facts=True),
        "chapters": [
            {
                "title": clean_line(teller.plain(chapter.title)),
                "clock": clock(chapter.from_ms),
                "summary": teller.items(chapter.summary),
            }
            for chapter in minutes.chapters
        ],
        "agenda": [],
        "other_topics": teller.items(minutes.topics),
    }
    if minutes.agenda:
        values |= _by_agenda(minutes, teller, words)
    if kind is Kind.DIGEST:
        values["stretches"] = _stretches(material, teller, every_minutes)
        values["every_minutes"] = every_minutes
    if kind in (Kind.MAIN_COURANTE, Kind.SITREP):
        rows = log_rows(material)
        values["log"] = rows if kind is Kind.MAIN_COURANTE else rows[-_LATEST:]
    if kind in (Kind.TRANSCRIPT, Kind.PROCES_VERBAL):
        values["lines"] = _lines(material, words, language)
    if state.minutes is not None:
        values["coverage"] = _coverage(minutes, state)
        values["sources"] = teller.sources(minutes, language) if sources else []
    return values


def log_rows(material: Material) -> list[dict[str, Any]]:
    """Return the rows of the radio log, with the actions of the minutes that rest on them."""
    minutes = material.minutes
    told = [*minutes.actions, *minutes.decisions]
    if material.translation is not None:
        told = [material.translation.item(item) for item in told]
    return [
        {
            "number": line.number,
            "time": material.at(line.start_ms).strftime("%H:%M:%S"),
            "clock": clock(line.start_ms),
            "s": line.start_ms // 1000,
            "sender": clean_line(line.sender),
            "receiver": clean_line(line.receiver),
            "message": clean_line(line.message),
            "action": clean_line("; ".join(_actions_on(line, told))),
        }
        for line in radio_log(material.state)
    ]


class _Teller:
    """Turns items into values of templates."""

    def __init__(
        self, state: SessionState, words: Words, translation: MinutesTranslation | None = None
    ) -> None:
        self._state = state
        self._words = words
        self._translation = translation

    def plain(self, text: str) -> str:
        """A title in the language of the document."""
        return text if self._translation is None else self._translation.text(text)

    def start_s(self, segments: Sequence[int]) -> int | None:
        """When the first of `segments` begins."""
        starts = [self._state.segments[s].start_ms for s in segments if s in self._state.segments]
        return min(starts) // 1000 if starts else None

    def items(self, items: Sequence[MinutesItem], *, facts: bool = False) -> list[dict[str, Any]]:
        return [self.item(item, fact=facts) for item in items]

    def item(self, item: MinutesItem, *, fact: bool = False) -> dict[str, Any]:
        """A fact of the record itself needs no citation; every other sentence does."""
        cites = sorted({key for key in item.cites if key in self._state.segments})
        starts = sorted({self._state.segments[key].start_ms // 1000 for key in cites})
        source, doubted = item.text, False
        if self._translation is not None:
            doubted = self._translation.doubted(item)
            item = self._translation.item(item)
        verified = item.verified and bool(cites)
        text: Markup = escape(clean_line(item.text))
        if doubted:
            words = self._words
            told = words.doubtful.format(source=clean_line(source))
            text += Markup(" <mark>[{}]</mark>").format(
                told if item.text != source else words.untranslated
            )
        if not verified and not (fact and item.verified):
            text += Markup(" <mark>[{}]</mark>").format(self._words.unverified)
        due = clean_line(item.due or "")
        return {
            "text": text,
            "who": clean_line(item.who or ""),
            "due": due,
            "told_due": bool(due) and due.casefold() in item.text.casefold(),
            "status": {"open": self._words.open, "done": self._words.done}.get(
                item.status or "", ""
            ),
            "verified": verified,
            "times": [{"clock": clock(1000 * start), "s": start} for start in starts],
        }

    def participants(self) -> list[str]:
        """Those who speak, in order of their first words; named channels without words too."""
        heard = [clean_line(s.speaker) for s in spoken_segments(self._state) if s.speaker]
        named = () if self._state.started is None else speaker_names(self._state.started)
        return list(dict.fromkeys(name for name in (*heard, *map(clean_line, named)) if name))

    def sources(self, minutes: Minutes, language: str) -> list[dict[str, Any]]:
        """The passages that sentences cite, each once."""
        sections = (
            *minutes.summary, *minutes.topics, *minutes.decisions, *minutes.actions,
            *minutes.questions, *minutes.figures, *minutes.annex,
            *(item for chapter in minutes.chapters for item in chapter.summary),
        )  # fmt: skip
        cited = {cite for item in sections for cite in item.cites}
        return [
            {
                "s": segment.start_ms // 1000,
                "clock": clock(segment.start_ms),
                "speaker": clean_line(segment.speaker or ""),
                "text": clean_line(segment.text),
                "translation": _translation(segment.text, readable_text(segment, language)[0]),
            }
            for segment in spoken_segments(self._state)
            if segment.id in cited
        ]


def _by_agenda(minutes: Minutes, teller: _Teller, words: Words) -> dict[str, Any]:
    """Sort what the minutes say by the points of the agenda; topics that belong to none are left.

    Decisions, actions and questions stand under their point and in their own lists as well.
    """
    points = minutes.agenda
    under: dict[int | None, list[MinutesItem]] = {}
    for item in (*minutes.decisions, *minutes.actions, *minutes.questions, *minutes.topics):
        under.setdefault(point_of(item.cites, points), []).append(item)
    listed: list[dict[str, Any]] = []
    for place, point in enumerate(points):
        items = sorted(under.get(place, ()), key=lambda item: item.cites)
        start_s = teller.start_s(point.segments)
        page = words.document_page.format(page=point.page) if point.page else f"§ {point.paragraph}"
        listed.append(
            {
                "number": clean_line(point.number),
                "title": clean_line(point.title),
                "document": clean_line(f"{point.name}, {page}"),
                "addressed": start_s is not None,
                "s": start_s or 0,
                "clock": clock(1000 * (start_s or 0)),
                "items": teller.items(items),
            }
        )
    other = [item for item in under.get(None, ()) if item in minutes.topics]
    return {"agenda": listed, "other_topics": teller.items(other)}


def _translation(said: str, readable: str) -> str:
    return clean_line(readable) if readable != said else ""


def _actions_on(line: Transmission, told: Sequence[MinutesItem]) -> list[str]:
    rests = set(line.segments)
    return [
        f"{item.who}: {item.text}" if item.who else item.text
        for item in told
        if item.verified and rests & set(item.cites)
    ]


def _coverage(minutes: Minutes, state: SessionState) -> dict[str, Any]:
    found = coverage(minutes, state)
    longest = sorted(found.uncited, key=lambda passage: passage.from_ms - passage.to_ms)[:_UNCITED]
    return {
        "share": found.share,
        "count": len(found.uncited),
        "passages": [
            {
                "from": clock(passage.from_ms),
                "to": clock(passage.to_ms),
                "s": passage.from_ms // 1000,
                "sentences": len(passage.segments),
            }
            for passage in sorted(longest, key=lambda passage: passage.from_ms)
        ],
    }


def _stretches(material: Material, teller: _Teller, every_minutes: int) -> list[dict[str, Any]]:
    """Sort what is noted so far by stretches of time, without those in which nothing was."""
    state = material.state
    span_ms = every_minutes * 60_000
    noted: list[MinutesItem] = []
    for taken in state.notes:
        try:
            notes = from_plain(Notes, json.loads(taken.notes))
        except (ValueError, PlainError):
            continue
        noted += [*notes.topics, *notes.decisions, *notes.actions, *notes.questions]
    begun = [
        (min(starts), item)
        for item in noted
        if (starts := [state.segments[c].start_ms for c in item.cites if c in state.segments])
    ]
    by_stretch: dict[int, list[MinutesItem]] = {}
    for start_ms, item in sorted(begun, key=lambda pair: pair[0]):
        by_stretch.setdefault(start_ms // span_ms, []).append(item)
    return [
        {
            "from": clock(number * span_ms),
            "to": clock((number + 1) * span_ms),
            "items": teller.items(by_stretch[number]),
        }
        for number in sorted(by_stretch)
    ]


def _lines(material: Material, words: Words, language: str) -> list[dict[str, Any]]:
    """All that was said, one turn of speech a line, with gaps and what is withheld."""
    lines: list[dict[str, Any]] = []
    for segment in spoken_segments(material.state):
        text = segment.text
        if language and language != segment.language:
            translated = segment.translations.get(language)
            text = translated.text if translated is not None and translated.text.strip() else text
        mark = "" if segment.confirmed else f" [{words.unverified}]"
        speaker = clean_line(segment.speaker or "")
        last = lines[-1] if lines else None
        if (
            last is not None
            and last["speaker"] == speaker
            and speaker
            and segment.start_ms - last["end_ms"] < 3_000
        ):
            last["text"] += " " + clean_line(text) + mark
            last["end_ms"] = segment.end_ms
            continue
        lines.append(_line(segment.start_ms, speaker, clean_line(text) + mark, segment.end_ms))
    for loss in losses(material.state):
        seconds, span = f"{loss.lost_ms / 1000:.1f}", f"{(loss.to_ms - loss.from_ms) / 1000:.1f}"
        form = words.gap if loss.whole else words.gaps
        told = f"[{form.format(seconds=seconds, span=span)}: {clean_line(loss.cause)}]"
        lines.append(_line(loss.from_ms, "", told, loss.to_ms))
    for passage in material.state.withheld:
        seconds = f"{(passage.end_ms - passage.start_ms) / 1000:.1f}"
        told = f"[{words.withheld.format(seconds=seconds)}: {clean_line(passage.reason)}]"
        lines.append(_line(passage.start_ms, "", told, passage.end_ms))
    return sorted(lines, key=lambda line: line["s"])


def _line(start_ms: int, speaker: str, text: str, end_ms: int) -> dict[str, Any]:
    return {
        "s": start_ms // 1000,
        "clock": clock(start_ms),
        "speaker": speaker,
        "text": text,
        "end_ms": end_ms,
    }


def _duration_ms(state: SessionState) -> int:
    if state.ended is not None:
        return state.ended.duration_ms
    return max((segment.end_ms for segment in state.segments.values()), default=0)
