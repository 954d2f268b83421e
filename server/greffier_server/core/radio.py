"""The radio log (*main courante*): transmissions made of segments, and who calls whom (pure)."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from greffier_server.core.alerts import Alert, find_alerts
from greffier_server.core.corrections import edited, shown
from greffier_server.core.state import Segment, SessionState

__all__ = ["Transmission", "call_signs", "defused", "to_csv", "transmissions"]

_PAUSE_MS = 1_500
"""Within this, the same voice has not let go of the key."""
_LONGEST_MS = 60_000
_SIGN = r"[^\W_][^,.;:!?]{0,38}?"
_ADDRESSED = re.compile(
    rf"^\W*(?P<to>{_SIGN})[\s,]+(?:ici|this\s+is)[\s,]+"
    rf"(?P<by>{_SIGN})\s*(?:[,.;:!?]|$|\b(?:over|à\s+vous|parlez|terminé|message)\b)",
    re.IGNORECASE,
)
_ALPHABET = frozenset(
    """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliett juliet kilo lima mike
    november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee
    zulu""".split()  # noqa: SIM905 - a list in quotes would take five times the room
)
_MOST_WORDS = 5
"""Of a call sign: « Papa Charlie Vert Un Deux »."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """One line of the log."""

    number: int
    """From 1, in the net."""
    segments: tuple[int, ...]
    start_ms: int
    end_ms: int
    sent_by: str
    """Call sign or voice; empty = not known."""
    addressed_to: str
    message: str
    confidence: float
    """Of its least certain tenth of words, 0 to 1."""
    alerts: tuple[Alert, ...]
    action: str
    """What was done upon it."""
    acknowledged: str
    """What became of its alerts; empty = nobody has answered."""
    closed: bool
    """Nothing will be added to it."""


def transmissions(state: SessionState, words: Sequence[str] = ()) -> list[Transmission]:
    """Return the transmissions of a net, in order, with corrections applied.

    Segments of one voice without a pause are one transmission; a new call begins a new one.

    Args:
        state: of the session's log.
        words: watchwords besides the distress calls.
    """
    seen = shown(state)
    sums = edited(state)
    lines: list[Transmission] = []
    for run in _runs([segment for segment in seen.in_order() if segment.text]):
        message = " ".join(segment.text for segment in run)
        to, by = call_signs(message)
        last = max(run, key=lambda segment: segment.end_ms)
        lines.append(
            Transmission(
                number=len(lines) + 1,
                segments=tuple(segment.id for segment in run),
                start_ms=run[0].start_ms,
                end_ms=last.end_ms,
                sent_by=by or run[0].speaker or "",
                addressed_to=to,
                message=message,
                confidence=_confidence(run),
                alerts=find_alerts(message, words),
                action=_first(sums.actions, run),
                acknowledged=_first(sums.alerts, run),
                closed=last.closed or state.finished is not None,
            )
        )
    return lines


def call_signs(message: str) -> tuple[str, str]:
    """Return who is called and who calls (« Bravo ici Alpha, … »); empty where it is not said."""
    found = _ADDRESSED.match(message)
    if found is None:
        return "", ""
    to, by = (" ".join(found[name].split()) for name in ("to", "by"))
    call = find_alerts(to)
    if call and not "".join(to[alert.end :] for alert in call[-1:]).strip():
        to = ""  # « Mayday mayday, ici … » calls everybody
    if len(to.split()) > _MOST_WORDS or len(by.split()) > _MOST_WORDS or not _is_sign(by):
        return "", ""
    return to, by


def to_csv(nets: Sequence[tuple[str, int, Sequence[Transmission]]]) -> str:
    """Return the lines of several nets in order of time, as CSV for spreadsheets (RFC 4180).

    Args:
        nets: title, when it began (milliseconds since the epoch) and transmissions of each.
    """
    rows = [
        (begun_ms + line.start_ms, title, line) for title, begun_ms, lines in nets for line in lines
    ]
    rows.sort(key=lambda row: (row[0], row[1], row[2].number))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        ["net", "number", "received", "from", "to", "message", "confidence", "alert", "action"]
    )
    for at_ms, title, line in rows:
        received = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
        alerts = ", ".join(f"{alert.level}: {alert.word}" for alert in line.alerts)
        cells = [title, str(line.number), received, line.sent_by, line.addressed_to]
        cells += [line.message, f"{line.confidence:.2f}", alerts, line.action]
        writer.writerow([defused(cell) for cell in cells])
    return "\ufeff" + text.getvalue()


def defused(cell: str) -> str:
    """Return `cell` so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.lstrip()[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _is_sign(text: str) -> bool:
    """« Venez ici tout de suite » calls nobody: a sign is a name, a number or is spelt."""
    return text[0].isupper() or text[0].isdigit() or text.split()[0].casefold() in _ALPHABET


def _runs(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    run: list[Segment] = []
    for segment in segments:
        if run and (
            segment.speaker != run[-1].speaker
            or segment.channel != run[-1].channel
            or segment.start_ms - run[-1].end_ms > _PAUSE_MS
            or segment.end_ms - run[0].start_ms > _LONGEST_MS
            or call_signs(segment.text)[0]
        ):
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


def _confidence(run: Sequence[Segment]) -> float:
    sure = sorted(word.probability for segment in run for word in segment.words)
    least = sure[: max(1, len(sure) // 10)]
    return round(sum(least) / len(least), 3) if least else 0.0


def _first(notes: dict[int, str], run: Sequence[Segment]) -> str:
    return next((notes[segment.id] for segment in run if notes.get(segment.id)), "")
