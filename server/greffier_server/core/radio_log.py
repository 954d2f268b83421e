"""The radio log (*main courante*) of a session, for documents: who called whom, and what was said.

A transmission is what one station says without a pause of note; `radio_calls` reads who calls whom.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greffier_server.core.radio_calls import (
    begins_a_call,
    ends_with_a_proword,
    known_stations,
    read_call,
    receivers,
)
from greffier_server.core.state import Segment, SessionState

__all__ = ["Transmission", "radio_log"]

_PAUSE_MS = 2_500
"""A longer silence ends a transmission."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """One line of the log."""

    number: int
    start_ms: int
    end_ms: int
    sender: str
    receiver: str
    message: str
    segments: tuple[int, ...]


def radio_log(state: SessionState) -> tuple[Transmission, ...]:
    """Return the transmissions of the session, in order of time."""
    spoken = [s for s in state.in_order() if s.closed and s.text]
    known = known_stations(segment.text for segment in spoken)
    groups = list(_groups(spoken))
    calls = [read_call(" ".join(segment.text for segment in group), known) for group in groups]
    senders = [call.by or group[0].speaker or "" for call, group in zip(calls, groups, strict=True)]
    named = receivers(list(zip(calls, senders, strict=True)))
    return tuple(
        Transmission(
            number=number,
            start_ms=group[0].start_ms,
            end_ms=max(segment.end_ms for segment in group),
            sender=sender,
            receiver=receiver,
            message=_without_proword(call.message),
            segments=tuple(segment.id for segment in group),
        )
        for number, (group, call, sender, receiver) in enumerate(
            zip(groups, calls, senders, named, strict=True), start=1
        )
    )


def _groups(spoken: Sequence[Segment]) -> Iterable[list[Segment]]:
    group: list[Segment] = []
    for segment in spoken:
        if group and _begins(segment, group[-1]):
            yield group
            group = []
        group.append(segment)
    if group:
        yield group


def _begins(segment: Segment, before: Segment) -> bool:
    """Whether a new transmission begins with `segment`."""
    return (
        segment.speaker != before.speaker
        or segment.channel != before.channel
        or segment.start_ms - before.end_ms > _PAUSE_MS
        or ends_with_a_proword(before.text)
        or begins_a_call(segment.text)
    )


_PROWORD = re.compile(r"[\s,.;]*\b(?:over|out|parlez|à vous|terminé)\s*[.!]?\s*$", re.IGNORECASE)


def _without_proword(message: str) -> str:
    """Drop the procedure word that ends the transmission, where something is left."""
    rest = _PROWORD.sub("", message).strip() or message.strip()
    return rest[:1].upper() + rest[1:] + ("" if rest[-1:] in ".!?…" else ".") if rest else ""
