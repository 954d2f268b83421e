"""The radio log (*main courante*) of a session: who called whom, when, and what was said.

A transmission is what one station says without a pause of note. Its first words tell who calls whom
in the forms of French and English radio procedure (ACP 125, and the French *règles de procédure
radiotéléphonique*): ``CODIS, ici VSAV Privas``, ``Zulu Control, this is Bravo Two``, and the short
form ``Bravo Two, Zulu Control`` once both stations are known. What is not said stays empty.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from greffier_server.core.numerals import fold
from greffier_server.core.state import Segment, SessionState

__all__ = ["Transmission", "radio_log"]

_PAUSE_MS = 2_500
"""A longer silence ends a transmission."""
_CALL_CHARS = 40


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
    known = _stations(spoken)
    lines: list[Transmission] = []
    for group in _groups(spoken):
        text = " ".join(segment.text for segment in group)
        receiver, sender, message = _call(text, known)
        lines.append(
            Transmission(
                number=len(lines) + 1,
                start_ms=group[0].start_ms,
                end_ms=max(segment.end_ms for segment in group),
                sender=sender or group[0].speaker or "",
                receiver=receiver,
                message=_without_proword(message),
                segments=tuple(segment.id for segment in group),
            )
        )
    return tuple(_answered(lines))


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
        or bool(_OVER.search(before.text))
        or _FULL_CALL.match(segment.text) is not None
    )


_STATION = r"[^\s,.;:!?][^,.;:!?]{0,38}?"
_FULL_CALL = re.compile(
    rf"^\W*(?P<to>{_STATION})[\s,]+(?:ici|this is|de la part de)\s+(?P<by>{_STATION})"
    r"(?=[,.;:!?]|\s+(?:message|over|parlez|send|transmettez)\b|$)",
    re.IGNORECASE,
)
_SHORT_CALL = re.compile(rf"^\W*(?P<to>{_STATION})\s*,\s*(?P<by>{_STATION})(?=[,.;:!?]|$)")
_NAMED = re.compile(
    rf"^\W*(?:bien reçu|reçu|roger|copié|copy)?\s*(?P<to>{_STATION})(?=[,.;:!?]|$)", re.IGNORECASE
)
_OVER = re.compile(r"\b(?:over|out|parlez|à vous|terminé|transmettez)\s*[.!]?\s*$", re.IGNORECASE)
_PROWORD = re.compile(r"[\s,.;]*\b(?:over|out|parlez|à vous|terminé)\s*[.!]?\s*$", re.IGNORECASE)


def _stations(spoken: Sequence[Segment]) -> dict[str, str]:
    """Return the stations that full calls name, by their folded names."""
    found: dict[str, str] = {}
    for segment in spoken:
        match = _FULL_CALL.match(segment.text)
        if match is not None:
            for name in (match["to"], match["by"]):
                found.setdefault(fold(name.strip()), name.strip())
    return found


def _call(text: str, known: dict[str, str]) -> tuple[str, str, str]:
    """Return receiver, sender and the message of a transmission."""
    full = _FULL_CALL.match(text)
    if full is not None and max(len(full["to"]), len(full["by"])) <= _CALL_CHARS:
        return full["to"].strip(), full["by"].strip(), text[full.end() :].lstrip(" ,.;:!?")
    short = _SHORT_CALL.match(text)
    if short is not None:
        to, by = known.get(fold(short["to"].strip())), known.get(fold(short["by"].strip()))
        if to and by and to != by:
            return to, by, text[short.end() :].lstrip(" ,.;:!?")
    named = _NAMED.match(text)
    if named is not None and (to := known.get(fold(named["to"].strip()))):
        return to, "", text
    return "", "", text


def _without_proword(message: str) -> str:
    """Drop the procedure word that ends the transmission, where something is left."""
    rest = _PROWORD.sub("", message).strip() or message.strip()
    return rest[:1].upper() + rest[1:] + ("" if rest[-1:] in ".!?…" else ".") if rest else ""


def _answered(lines: list[Transmission]) -> Iterable[Transmission]:
    """Fill in the receiver of an answer that names nobody: who had called just before."""
    before: Transmission | None = None
    for line in lines:
        if (
            not line.receiver
            and before is not None
            and line.sender
            and fold(line.sender) in (fold(before.receiver), fold(before.sender))
        ):
            own = fold(line.sender) == fold(before.sender)
            line = replace(line, receiver=before.receiver if own else before.sender)
        yield line
        before = line
