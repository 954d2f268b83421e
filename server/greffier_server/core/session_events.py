"""The events of a session's life: its start, its clients, its input, its end."""

from dataclasses import dataclass, field
from typing import ClassVar

from greffier.protocol import (
    AudioFormat,
    AudioProfile,
    ChannelUse,
    Continuation,
    GlossaryTerm,
    QualityLevel,
)
from greffier_server.core.later import LATER

__all__ = [
    "ClientAttached",
    "ClientDetached",
    "GapFound",
    "InputEnded",
    "QualityChanged",
    "SessionFinished",
    "SessionStarted",
    "StageFailed",
    "WatchHandedOver",
]


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Always the first event; holds what the session was asked to do."""

    durable: ClassVar[bool] = True
    format: AudioFormat
    language: str
    translate_to: tuple[str, ...] = ()
    glossary: tuple[GlossaryTerm, ...] = ()
    title: str = ""
    minutes: bool = True
    minutes_language: str | None = None
    channels: ChannelUse = field(default="mix", metadata=LATER)
    speakers: tuple[str, ...] = field(default=(), metadata=LATER)
    profile: AudioProfile | None = field(default=None, metadata=LATER)
    """Kind of audio; None = the server's setting."""
    spooled: bool = field(default=False, metadata=LATER)
    """The client keeps the audio on its disk: a long grace time."""
    continues: Continuation | None = field(default=None, metadata=LATER)
    """The session whose recording this one goes on with."""
    recorded: bool = field(default=False, metadata=LATER)
    """The audio is a whole recording, decoded in whole windows."""


@dataclass(frozen=True, slots=True)
class ClientAttached:
    """A speaking client took the session (again)."""

    durable: ClassVar[bool] = True
    from_sample: int = 0


@dataclass(frozen=True, slots=True)
class ClientDetached:
    """The speaking client went away without finishing."""

    durable: ClassVar[bool] = True
    cause: str


@dataclass(frozen=True, slots=True)
class GapFound:
    """Audio that never arrived, or could not be decoded."""

    durable: ClassVar[bool] = True
    from_ms: int
    to_ms: int
    cause: str
    channel: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class QualityChanged:
    """A step up or down the ladder."""

    durable: ClassVar[bool] = True
    level: QualityLevel


@dataclass(frozen=True, slots=True)
class InputEnded:
    """No more audio will come; `reason` is finish, vanished, timeout, limit or deleted."""

    durable: ClassVar[bool] = True
    reason: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage could not do a piece of its work; the others go on."""

    durable: ClassVar[bool] = True
    stage: str
    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """The last event of the session itself; only a second pass may follow, and what it redoes."""

    durable: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True)
class WatchHandedOver:
    """A radio watch passed from one operator to the next, with a note; also after the end."""

    durable: ClassVar[bool] = True
    who: str
    relieved_by: str
    from_at_ms: int
    """Wall clock, milliseconds since the epoch."""
    to_at_ms: int
    note: str
