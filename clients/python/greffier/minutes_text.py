"""Minutes as they are read: lines for a terminal and a Markdown document (no I/O).

Every sentence ends with the places in the recording it rests on, as ``[m:ss]``.
"""

from collections.abc import Mapping
from typing import Final

from greffier.messages import LANGUAGES, Messages
from greffier.palette import Palette, Span
from greffier.protocol import Minutes, MinutesItem
from greffier.width import printable

__all__ = ["minutes_lines", "minutes_markdown", "stamp"]

_SECTIONS: Final = (
    "summary",
    "topics",
    "decisions",
    "actions",
    "questions",
    "figures",
    "annex",
)


def stamp(ms: int) -> str:
    """Return a place in the recording as ``m:ss`` or ``h:mm:ss``."""
    minutes, seconds = divmod(max(ms, 0) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def minutes_lines(
    minutes: Minutes,
    starts_ms: Mapping[int, int],
    *,
    palette: Palette,
    columns: int,
    say: Messages,
) -> list[str]:
    """Return the minutes for a terminal.

    Args:
        minutes: what to show.
        starts_ms: where each segment starts.
        palette: styles.
        columns: width to wrap at.
        say: interface texts, used where Greffier has none in the minutes' own language.
    """
    own = _in_language_of(minutes, say)
    title = printable(minutes.title) or own("minutes.minutes")
    lines = [palette.paint(title, Palette.HEADING), palette.paint("─" * min(columns, 60), "2"), ""]
    for section in _SECTIONS:
        items: tuple[MinutesItem, ...] = getattr(minutes, section)
        if not items:
            continue
        lines.append(palette.paint(own(f"minutes.{section}"), Palette.HEADING))
        for item in items:
            spans = _item_spans(item, starts_ms, own, annex=section == "annex")
            wrapped = palette.wrap(spans, columns - 4)
            lines += [f"  {'•' if i == 0 else ' '} {line}" for i, line in enumerate(wrapped)]
        lines.append("")
    return lines[:-1]


def minutes_markdown(minutes: Minutes, starts_ms: Mapping[int, int], *, say: Messages) -> str:
    """Return the minutes as a Markdown document; arguments as in `minutes_lines`."""
    own = _in_language_of(minutes, say)
    lines = [f"# {_escape(minutes.title or own('minutes.minutes'))}", ""]
    for section in _SECTIONS:
        items: tuple[MinutesItem, ...] = getattr(minutes, section)
        if not items:
            continue
        lines += [f"## {own(f'minutes.{section}')}", ""]
        for item in items:
            spans = _item_spans(item, starts_ms, own, annex=section == "annex")
            text = "".join(
                f"**{_escape(span.text)}**" if span.style == Palette.HEADING else _escape(span.text)
                for span in spans
            )
            lines.append(f"- {text}")
        lines.append("")
    return "\n".join(lines)


def _item_spans(
    item: MinutesItem, starts_ms: Mapping[int, int], say: Messages, *, annex: bool
) -> list[Span]:
    spans: list[Span] = []
    if item.who:
        spans += [Span(printable(item.who), Palette.HEADING), Span(" – ")]
    spans.append(Span(printable(item.text)))
    if item.due:
        spans.append(Span(f" ({say('minutes.due', due=printable(item.due))})"))
    if not item.verified and not annex:
        spans.append(Span(f" ({say('minutes.unverified')})", Palette.WARNING))
    for segment in item.cites:
        place = stamp(starts_ms[segment]) if segment in starts_ms else f"#{segment}"
        spans.append(Span(f" [{place}]", Palette.CITE))
    return spans


def _in_language_of(minutes: Minutes, say: Messages) -> Messages:
    return Messages(minutes.language) if minutes.language in LANGUAGES else say


def _escape(text: str) -> str:
    for sign in "\\`*_<":
        text = text.replace(sign, f"\\{sign}")
    return text
