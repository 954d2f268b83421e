"""The radio log (*main courante*): transmissions made of segments, and who calls whom (pure)."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from greffier_server.core.alerts import Alert, find_alerts
from greffier_server.core.corrections import edited, shown
from greffier_server.core.radio_calls import (
    begins_a_call,
    known_stations,
    read_call,
    receivers,
)
from greffier_server.core.state import Segment, SessionState

__all__ = ["Transmission", "defused", "to_csv", "transmissions"]

_PAUSE_MS = 1_500
"""Within this, the same voice has not let go of the key."""
_LONGEST_MS = 60_000


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
    spoken = [segment for segment in seen.in_order() if segment.text]
    known = known_stations(segment.text for segment in spoken)
    runs = list(_runs(spoken))
    messages = [" ".join(segment.text for segment in run) for run in runs]
    calls = [read_call(message, known) for message in messages]
    senders = [call.by or run[0].speaker or "" for call, run in zip(calls, runs, strict=True)]
    named = receivers(list(zip(calls, senders, strict=True)))
    lines: list[Transmission] = []
    for run, message, sender, receiver in zip(runs, messages, senders, named, strict=True):
        last = max(run, key=lambda segment: segment.end_ms)
        lines.append(
            Transmission(
                number=len(lines) + 1,
                segments=tuple(segment.id for segment in run),
                start_ms=run[0].start_ms,
                end_ms=last.end_ms,
                sent_by=sender,
                addressed_to=receiver,
                message=message,
                confidence=_confidence(run),
                alerts=find_alerts(message, words),
                action=_first(sums.actions, run),
                acknowledged=_first(sums.alerts, run),
                closed=last.closed or state.finished is not None,
            )
        )
    return lines


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


def _runs(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    run: list[Segment] = []
    for segment in segments:
        if run and (
            segment.speaker != run[-1].speaker
            or segment.channel != run[-1].channel
            or segment.start_ms - run[-1].end_ms > _PAUSE_MS
            or segment.end_ms - run[0].start_ms > _LONGEST_MS
            or begins_a_call(segment.text)
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
