"""Minutes as Markdown or plain text, each sentence with the time of what it rests on."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.state import SessionState

__all__ = ["to_markdown", "to_text"]


def to_markdown(minutes: Minutes, state: SessionState) -> str:
    """Return the minutes as Markdown (CommonMark).

    Citations are time codes linked to ``#t=SECONDS``, the W3C media fragment of the recording. A
    tick marks sentences that passed the check against the speech.
    """
    words = _words(minutes.language)
    lines = [f"# {_markdown(minutes.title)}", "", _markdown(_date_line(state, words)), ""]
    if minutes.agenda:
        lines += [f"## {words.agenda}", ""]
        lines += [f"- {_markdown(one)}" for one in _agenda(minutes, state, words)]
        lines.append("")
    for heading, items in _sections(minutes, words):
        lines += [f"## {heading}", ""]
        lines += [
            f"- {_entry(item, state, words, _link, _markdown, fact=heading == words.annex)}"
            for item in items
        ]
        lines.append("")
    lines += [f"*{words.legend}*", ""]
    return "\n".join(lines)


def to_text(minutes: Minutes, state: SessionState) -> str:
    """Return the minutes as plain text."""
    words = _words(minutes.language)
    lines = [_plain(minutes.title), "=" * len(_plain(minutes.title)), _date_line(state, words), ""]
    if minutes.agenda:
        lines += [words.agenda, "-" * len(words.agenda)]
        lines += [f"* {_plain(one)}" for one in _agenda(minutes, state, words)]
        lines.append("")
    for heading, items in _sections(minutes, words):
        lines += [heading, "-" * len(heading)]
        lines += [
            f"* {_entry(item, state, words, _time, _plain, fact=heading == words.annex)}"
            for item in items
        ]
        lines.append("")
    lines += [words.legend, ""]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Words:
    summary: str
    decisions: str
    actions: str
    questions: str
    figures: str
    topics: str
    annex: str
    due: str
    unverified: str
    duration: str
    legend: str
    agenda: str
    not_addressed: str


_FRENCH = _Words(
    summary="Résumé",
    decisions="Décisions",
    actions="Actions",
    questions="Questions ouvertes",
    figures="Chiffres et dates",
    topics="Points abordés",
    annex="Annexe : ce que ce compte rendu ne contient pas",
    due="échéance : ",
    unverified="non vérifié",
    duration="Durée enregistrée : ",
    legend="✓ vérifié : les nombres, les dates, les noms et les mots de la phrase se retrouvent "
    "dans le passage cité. Les codes horaires renvoient à l'enregistrement.",
    agenda="Ordre du jour",
    not_addressed="non abordé",
)
_ENGLISH = _Words(
    summary="Summary",
    decisions="Decisions",
    actions="Actions",
    questions="Open questions",
    figures="Figures and dates",
    topics="Points discussed",
    annex="Annex: what these minutes do not hold",
    due="due: ",
    unverified="not verified",
    duration="Recorded time: ",
    legend="✓ verified: the numbers, dates, names and words of the sentence are in the passage it "
    "cites. Time codes refer to the recording.",
    agenda="Agenda",
    not_addressed="not addressed",
)


def _words(language: str) -> _Words:
    return _FRENCH if language == "fr" else _ENGLISH


def _sections(minutes: Minutes, words: _Words) -> list[tuple[str, Sequence[MinutesItem]]]:
    sections: list[tuple[str, Sequence[MinutesItem]]] = [
        (words.summary, minutes.summary),
        (words.decisions, minutes.decisions),
        (words.actions, minutes.actions),
        (words.questions, minutes.questions),
        (words.topics, minutes.topics),
        (words.figures, minutes.figures),
        (words.annex, minutes.annex),
    ]
    return [(heading, items) for heading, items in sections if items]


def _agenda(minutes: Minutes, state: SessionState, words: _Words) -> list[str]:
    """The points, each with its place in its document and when it was taken up."""
    lines: list[str] = []
    for point in minutes.agenda:
        page = f"p. {point.page}" if point.page else f"§ {point.paragraph}"
        there = [state.segments[s].start_ms for s in point.segments if s in state.segments]
        when = _clock(min(there)) if there else words.not_addressed
        lines.append(f"{point.number}. {point.title} [{point.name}, {page}]: {when}")
    return lines


def _date_line(state: SessionState, words: _Words) -> str:
    ends = [segment.end_ms for segment in state.segments.values()]
    duration_ms = state.ended.duration_ms if state.ended is not None else max(ends, default=0)
    return f"{words.duration}{_clock(duration_ms)}"


def _entry(
    item: MinutesItem,
    state: SessionState,
    words: _Words,
    cite: Callable[[int], str],
    quote: Callable[[str], str],
    *,
    fact: bool,
) -> str:
    """Return one sentence; only a fact of the record itself needs neither citation nor mark."""
    starts = [state.segments[key].start_ms for key in item.cites if key in state.segments]
    parts = [f"{quote(item.who)} : " if item.who and words is _FRENCH else ""]
    if item.who and words is not _FRENCH:
        parts = [f"{quote(item.who)}: "]
    parts.append(quote(item.text))
    if item.due and item.due.casefold() not in item.text.casefold():
        parts.append(f" ({words.due}{quote(item.due)})")
    if starts:
        parts.append(" " + " ".join(cite(start_ms) for start_ms in starts))
    if item.verified and starts:
        parts.append(" ✓")
    elif not (item.verified and fact):
        parts.append(" " + quote(f"[{words.unverified}]"))
    return "".join(parts)


def _link(ms: int) -> str:
    return f"[\\[{_clock(ms)}\\]](#t={ms // 1000})"


def _time(ms: int) -> str:
    return f"[{_clock(ms)}]"


def _clock(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02}"
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _markdown(text: str) -> str:
    """Escape what Markdown or HTML would read as markup: text was spoken by anybody."""
    escaped = re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", _plain(text))
    escaped = re.sub(r"^(\d*)([-+.)])(?=\s)", r"\1\\\2", escaped)
    return escaped.replace("&", "&amp;")
