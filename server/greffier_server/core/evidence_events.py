"""The events that let a record be checked: what recognition rested on, and the audio."""

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["AudioAnchored", "DecisionsTimed", "RecognitionBegun"]


@dataclass(frozen=True, slots=True)
class RecognitionBegun:
    """What recognition rests on besides the audio, at its start and at each restart.

    It is recorded with the first event that rests on it. What comes before it in the log is what
    recognition was begun with.
    """

    durable: ClassVar[bool] = True
    engine: str
    """Implementation and version of the speech model."""
    model: str
    digest: str
    """SHA-256 of the weights, hexadecimal; empty where there are none."""
    compute: str
    """Compute type and device."""
    policy: str
    """Name of the streaming policy, with all its `dials`."""
    dials: dict[str, int | float]
    speech: dict[str, int | float]
    """Thresholds of voice activity."""
    expected_languages: tuple[str, ...]
    from_byte: int
    """The audio is heard from here on; a channel of which more is decided, from later."""
    versions: dict[str, str]
    """Of the packages that take part, and the processor."""


@dataclass(frozen=True, slots=True)
class DecisionsTimed:
    """What the clock decided, and not the audio, since the last such event of the channel.

    A change of pace is recorded with the first event that can rest on it: mostly in `paced` of
    `WordsCommitted`, here where no words are committed.
    """

    durable: ClassVar[bool] = True
    channel: int
    paced: tuple[tuple[int, ...], ...] = ()
    """Audio heard (ms), hop asked for by the load (ms), step of the ladder (0 is the best)."""
    given_up: tuple[tuple[int, ...], ...] = ()
    """Audio heard (ms), which of the requests then (from 0) the engine never answered, and why: 0 =
    it failed to the last attempt, 1 = the request ended its process and was set aside."""


@dataclass(frozen=True, slots=True)
class AudioAnchored:
    """A stretch of the journalled audio joins the hash chain (see `core/chain.py`).

    Anchors follow each other; what lies between two of them could not be read any more when it was
    to be anchored.
    """

    durable: ClassVar[bool] = True
    from_byte: int
    to_byte: int
    digest: str
    """SHA-256 (hexadecimal) over the digest before, the place, and the bytes of the stretch."""
