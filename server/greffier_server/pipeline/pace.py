"""How hurried a session's recognition is: one ladder, and one engine, for all its channels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from greffier.protocol import QualityLevel
from greffier_models.load import DeviceLoad
from greffier_server.core.ladder import Ladder

__all__ = ["Pace", "Paced", "Pacing", "Tempo"]


@dataclass(frozen=True, slots=True)
class Tempo:
    """How hurried recognition is to be."""

    level: QualityLevel = "full"
    hop_ms: int = 0
    """Least new audio between two decodes, as the load asks for it."""


class Paced(Protocol):
    """A channel as its session's pace sees it."""

    @property
    def channel(self) -> int:
        """From 1; 0 = all of them, mixed down."""
        ...

    @property
    def heard_ms(self) -> int:
        """Audio it has looked at."""
        ...

    @property
    def backlog_ms(self) -> int:
        """Audio received that it has not looked at."""
        ...


class Pacing(Protocol):
    """What hurries the channels of one session; each joins before any of them begins."""

    def join(self, channel: Paced) -> None:
        """Let `channel` count."""
        ...

    def weigh(self) -> QualityLevel | None:
        """Look at how far the channels are; return the new level if it changes."""
        ...

    def tempo_of(self, channel: Paced) -> Tempo:
        """How hurried `channel` is to be now."""
        ...

    def stumble(self, channel: Paced) -> bool:
        """The engine failed for `channel`; return whether that is news to the session."""
        ...

    def recover(self, channel: Paced) -> None:
        """The engine answered `channel`."""
        ...


class Pace:
    """What the channels of one session share; each joins before any of them begins.

    Args:
        load: what the engine's device bears; None = not known.
    """

    def __init__(self, load: Callable[[], DeviceLoad] | None = None) -> None:
        self._load = load
        self._ladder = Ladder()
        self._channels: list[Paced] = []
        self._failing: set[int] = set()

    @property
    def level(self) -> QualityLevel:
        """The present step of the ladder."""
        return self._ladder.level

    def join(self, channel: Paced) -> None:
        """Let `channel` count."""
        self._channels.append(channel)

    def weigh(self) -> QualityLevel | None:
        """Look at the channel that is furthest behind; return the new level if it changes."""
        backlog_ms = max(channel.backlog_ms for channel in self._channels)
        heard_ms = min(channel.heard_ms for channel in self._channels)
        load = self._load() if self._load is not None else None
        return self._ladder.weigh(backlog_ms, heard_ms, load=load)

    def tempo_of(self, channel: Paced) -> Tempo:
        """The same for every channel: they share the engine."""
        del channel
        return Tempo(self._ladder.level, self._ladder.hop_ms)

    def stumble(self, channel: Paced) -> bool:
        """The engine failed for `channel`; return whether that is news to the session."""
        first = not self._failing
        self._failing.add(id(channel))
        return first

    def recover(self, channel: Paced) -> None:
        """The engine answered `channel`."""
        self._failing.discard(id(channel))
