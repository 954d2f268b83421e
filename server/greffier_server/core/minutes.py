"""The minutes of a session: notes merged by rule, a summary by the model, an annex of what lacks.

Only the title and the summary are written at the end; all else was written and checked while the
session ran, or is read from the speech itself (figures), so that minutes come soon after the end
and a weak model cannot spoil them.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from greffier.protocol import Chapter, Minutes, MinutesItem
from greffier_models.types import ChatMessage, Prompt
from greffier_server.core.action_status import with_status
from greffier_server.core.agenda_minutes import agenda_points
from greffier_server.core.annex_facts import fact
from greffier_server.core.attached import withheld as given_orders
from greffier_server.core.channels import speaker_names
from greffier_server.core.claims import content_stems, evidence_of, judge
from greffier_server.core.document_events import Paragraph
from greffier_server.core.figures import holds_figure, in_digits, readable_text
from greffier_server.core.invariants import facts
from greffier_server.core.languages import name
from greffier_server.core.losses import losses
from greffier_server.core.note_checks import Notes
from greffier_server.core.notes import wording
from greffier_server.core.spoken_orders import orders_the_clerk
from greffier_server.core.state import Segment, SessionState
from greffier_server.core.verification import verified_minutes

__all__ = [
    "SUMMARY_ITEMS",
    "SUMMARY_TOKENS",
    "Summary",
    "check_summary",
    "main_language",
    "spoken_segments",
    "summary_items",
    "summary_prompt",
    "summary_schema",
    "write_minutes",
]

SUMMARY_TOKENS = 320
_SUMMARY_SENTENCES = 3
SUMMARY_ITEMS = 14
"""A summary is made from so many items at most; of more, summaries of parts are made first."""
_FIGURES = 60
_ORDERS = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """The part of the minutes that a model writes at the end."""

    title: str = ""
    sentences: tuple[MinutesItem, ...] = ()


def main_language(state: SessionState) -> str:
    """Return the language most of the speech is in, or the session's when nothing was said."""
    spoken: Counter[str] = Counter()
    for segment in spoken_segments(state):
        spoken[segment.language] += segment.end_ms - segment.start_ms
    if spoken:
        return spoken.most_common(1)[0][0]
    return state.language or "en"


def spoken_segments(state: SessionState) -> list[Segment]:
    """Return the closed segments that have text, in order of time."""
    segments = [s for s in state.segments.values() if s.closed and s.text]
    return sorted(segments, key=lambda segment: (segment.start_ms, segment.id))


def summary_items(notes: Notes) -> list[MinutesItem]:
    """Return what the summary is made from, in order of time; actions have their own list."""
    chosen = [*notes.decisions, *notes.questions, *notes.topics][:SUMMARY_ITEMS]
    return sorted(chosen or notes.actions[:SUMMARY_ITEMS], key=lambda item: item.cites[:1])


def summary_prompt(notes: Notes, language: str) -> Prompt:
    """Ask for a title and a short summary of `notes`."""
    words = wording(language)
    lines = [
        f"[{number}] {_spoken_item(item)}" for number, item in enumerate(summary_items(notes), 1)
    ]
    said, answer = words.summary_example
    return Prompt(
        (
            ChatMessage("system", words.summary.replace("LANGUAGE", name(language))),
            ChatMessage("user", said),
            ChatMessage("assistant", answer),
            ChatMessage("user", "\n".join(lines)),
        )
    )


def summary_schema(notes: Notes) -> dict[str, Any]:
    """Return the JSON Schema of the answer: only the items' numbers can be cited."""
    numbers = list(range(1, len(summary_items(notes)) + 1))
    sentence = {
        "type": "object",
        "properties": {
            "cites": {
                "type": "array",
                "items": {"type": "integer", "enum": numbers},
                "minItems": 1,
                "maxItems": 3,
            },
            "text": {"type": "string", "minLength": 1, "maxLength": 280},
        },
        "required": ["cites", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": 80},
            "summary": {
                "type": "array",
                "items": sentence,
                "minItems": 1,
                "maxItems": _SUMMARY_SENTENCES,
            },
        },
        "required": ["title", "summary"],
        "additionalProperties": False,
    }


def check_summary(answer: str, notes: Notes, state: SessionState, language: str) -> Summary:
    """Read the model's answer and keep of it what the speech bears out."""
    try:
        plain: object = json.loads(answer)
    except ValueError:
        return Summary()
    if not isinstance(plain, dict):
        return Summary()
    fields = cast("dict[str, object]", plain)
    items = summary_items(notes)
    listed = fields.get("summary")
    sentences = [
        sentence
        for given in (cast("list[object]", listed) if isinstance(listed, list) else [])
        if (sentence := _sentence(given, items, state, language)) is not None
    ]
    return Summary(_title(fields.get("title"), items, language), tuple(sentences))


def write_minutes(
    state: SessionState,
    notes: Notes,
    summary: Summary,
    *,
    language: str,
    unread: Sequence[Segment] = (),
    chapters: Sequence[Chapter] = (),
) -> Minutes:
    """Put the minutes together.

    Args:
        state: the whole session, recognition finished.
        notes: of all stretches, merged.
        summary: checked; decisions that it passes over are added, topics where it is empty.
        language: of the minutes.
        unread: segments that no notes could be taken of.
        chapters: of a long session.
    """
    french = language == "fr"
    given = state.started.title.strip() if state.started is not None else ""
    sentences = _summary(summary, notes)
    figures = _figures(state, language)
    actions = with_status(notes.actions, spoken_segments(state), language)
    listed = [*sentences, *notes.topics, *notes.decisions, *actions, *notes.questions]
    written = Minutes(
        seq=0,
        language=language,
        title=given or summary.title or ("Compte rendu" if french else "Minutes"),
        summary=tuple(sentences),
        topics=notes.topics,
        decisions=notes.decisions,
        actions=actions,
        questions=notes.questions,
        figures=figures,
        annex=_annex(state, notes, [*listed, *figures], unread, language=language),
        chapters=tuple(chapters) if len(chapters) > 1 else (),
        agenda=agenda_points(state.documents, spoken_segments(state), language),
    )
    return verified_minutes(written, state)


def _spoken_item(item: MinutesItem) -> str:
    due = f" ({item.due})" if item.due else ""
    return f"{item.who}: {item.text}{due}" if item.who else item.text + due


def _summary(summary: Summary, notes: Notes) -> tuple[MinutesItem, ...]:
    told = {cite for sentence in summary.sentences for cite in sentence.cites}
    missing = [item for item in notes.decisions if not told & set(item.cites)]
    sentences = [*summary.sentences, *missing] or list(notes.topics)
    return tuple(sentences[: _SUMMARY_SENTENCES + 1])


def _sentence(
    given: object, items: Sequence[MinutesItem], state: SessionState, language: str
) -> MinutesItem | None:
    if not isinstance(given, dict):
        return None
    fields = cast("dict[str, object]", given)
    text, numbers = fields.get("text"), fields.get("cites")
    if not isinstance(text, str) or not isinstance(numbers, list):
        return None
    cited = [
        items[number - 1]
        for number in cast("list[object]", numbers)
        if isinstance(number, int) and 0 < number <= len(items)
    ]
    cites = sorted({cite for item in cited for cite in item.cites if cite in state.segments})
    evidence = {cite: evidence_of(state.segments[cite], language) for cite in cites}
    people = frozenset(item.who.lower() for item in cited if item.who)
    text = re.sub(r"\s+", " ", text).strip()
    verdict = judge(text, language=language, cites=cites, evidence=evidence, people=people)
    if verdict.outcome in ("invented", "unsupported") or not verdict.cites:
        return None
    return MinutesItem(in_digits(text, language), verdict.cites, verdict.outcome == "verified")


def _title(given: object, items: Sequence[MinutesItem], language: str) -> str:
    if not isinstance(given, str):
        return ""
    title = re.sub(r"\s+", " ", given).strip(' ."«»')
    known = content_stems(" ".join(_spoken_item(item) for item in items), language)
    stems = content_stems(title, language)
    found = facts(title, language)
    if (
        found.numbers or found.months or found.weekdays
    ):  # a date is the date of what is talked about
        return ""
    return title if stems and len(stems & known) * 2 >= len(stems) else ""


def _figures(state: SessionState, language: str) -> tuple[MinutesItem, ...]:
    """Return every sentence that tells a figure or a date, number words as digits."""
    figures: list[MinutesItem] = []
    for segment in spoken_segments(state):
        text, spoken = readable_text(segment, language)
        if orders_the_clerk(segment.text):
            continue
        if holds_figure(text, spoken) and not text.rstrip().endswith("?"):
            figures.append(MinutesItem(in_digits(text, spoken), (segment.id,), verified=True))
    return tuple(figures[:_FIGURES])


def _annex(
    state: SessionState,
    notes: Notes,
    listed: Sequence[MinutesItem],
    unread: Sequence[Segment],
    *,
    language: str,
) -> tuple[MinutesItem, ...]:
    lines: list[MinutesItem] = []

    def state_fact(form: str, **values: object) -> None:
        lines.append(MinutesItem(fact(form, language, **values), verified=True))

    segments = spoken_segments(state)
    names = () if state.started is None else speaker_names(state.started)
    if not segments:
        state_fact("no_speech")
    for loss in losses(state):
        whose = f"{names[loss.whose - 1]}, " if loss.whose and names else ""
        span = f"{whose}{_clock(loss.from_ms)}–{_clock(loss.to_ms)} ({loss.cause})"
        if loss.whole:
            state_fact("gap", span=span)
            continue
        state_fact("gaps", span=span, lost=f"{loss.lost_ms / 1000:.1f} s")
    withheld: Counter[str] = Counter()
    for passage in state.withheld:
        withheld[passage.reason] += 1
    for reason, count in withheld.items():
        state_fact("withheld", reason=reason, count=count)
    failures = Counter((failure.stage, failure.code) for failure in state.failures)
    for (stage, code), count in failures.items():
        state_fact("failure", stage=stage, code=code, count=count)
    if orders := [segment for segment in segments if orders_the_clerk(segment.text)]:
        places = ", ".join(_clock(segment.start_ms) for segment in orders[:_ORDERS])
        state_fact("orders", places=places)
    for document in state.documents:
        if told := given_orders(document.paragraphs):
            places = ", ".join(_place(one) for one in told[:_ORDERS])
            state_fact("document_orders", name=document.name, places=places)
    if unread:
        span = f"{_clock(unread[0].start_ms)}–{_clock(unread[-1].end_ms)}"
        state_fact("unread", count=len(unread), span=span)
    lines += notes.unsupported
    spoken_ms = sum(segment.end_ms - segment.start_ms for segment in segments)
    if spoken_ms:
        cited = {cite for item in listed for cite in item.cites}
        cited_ms = sum(s.end_ms - s.start_ms for s in segments if s.id in cited)
        share = 100 * cited_ms // spoken_ms
        state_fact("share", share=share)
    return tuple(lines)


def _place(paragraph: Paragraph) -> str:
    page = f"p. {paragraph.page}, " if paragraph.page else ""
    return f"{page}§ {paragraph.number}"


def _clock(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"
