"""How hurried a session's recognition is: one ladder, and one engine, for all its channels."""

from collections.abc import Callable
from typing import Protocol

from greffier.protocol import QualityLevel
from greffier_models.load import DeviceLoad
from greffier_server.core.ladder import Ladder

__all__ = ["Pace", "Paced"]


class Paced(Protocol):
    """A channel as its session's pace sees it."""

    @property
    def heard_ms(self) -> int:
        """Audio it has looked at."""
        ...

    @property
    def backlog_ms(self) -> int:
        """Audio received that it has not looked at."""
        ...

    def quicken(self, level: QualityLevel) -> None:
        """Work at this level from now on."""
        ...

    def hurry(self, hop_ms: int) -> None:
        """Let at least this much new audio gather between two decodes."""
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
        """Let `channel` count, and be told."""
        self._channels.append(channel)

    def weigh(self) -> QualityLevel | None:
        """Look at the channel that is furthest behind; return the new level if it changes."""
        backlog_ms = max(channel.backlog_ms for channel in self._channels)
        heard_ms = min(channel.heard_ms for channel in self._channels)
        load = self._load() if self._load is not None else None
        level = self._ladder.weigh(backlog_ms, heard_ms, load=load)
        for channel in self._channels:
            channel.hurry(self._ladder.hop_ms)
        if level is not None:
            for channel in self._channels:
                channel.quicken(level)
        return level

    def stumble(self, channel: Paced) -> bool:
        """The engine failed for `channel`; return whether that is news to the session."""
        first = not self._failing
        self._failing.add(id(channel))
        return first

    def recover(self, channel: Paced) -> None:
        """The engine answered `channel`."""
        self._failing.discard(id(channel))
