"""Admission: whether another live session can be served without harm to those that are.

A session that could not keep up is refused at its start, with an error that says to try again: the
ladder lets quality give way for a while, it does not make room.
"""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Occupancy", "Room", "refusal"]

RoomSource = Literal["setting", "measured", "estimated"]

_BOTTOM_SHARE = 0.5
"""Of the speaking sessions; so many on the lowest step are a machine that is full."""
_BOTTOM_LEAST = 2
"""One session alone may just be sending a recording faster than it was spoken."""
_WORK_FACTOR = 4
"""Sessions whose speech is over and whose minutes are not yet written, to a place for speech."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many live streams this server takes."""

    streams: int
    source: RoomSource = "setting"


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The sessions of this server now."""

    speaking: int
    """With audio still to come or to recognise."""
    live: int
    """With any work left."""
    lowest: int = 0
    """Of the speaking ones, on the lowest step of the ladder."""


def refusal(room: Room, now: Occupancy) -> str | None:
    """Why one more session cannot be served now; None when it can."""
    if now.speaking >= room.streams:
        return f"All {room.streams} places for live speech are taken; try again in a moment."
    if now.live >= room.streams * _WORK_FACTOR:
        return "Too many sessions are being finished; try again in a moment."
    if now.lowest >= max(_BOTTOM_LEAST, now.speaking * _BOTTOM_SHARE):
        return "The server is behind with the speech it has; try again in a minute."
    return None
