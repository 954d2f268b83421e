"""Where the recognition of a channel begins: at once, or where a restart has left it."""

from dataclasses import dataclass

from greffier_server.core.state import Segment, SessionState

__all__ = ["ChannelStart"]


@dataclass(frozen=True, slots=True)
class ChannelStart:
    """Where to begin, all times on the session's clock.

    Audio that is decided is heard again for its sound: words need what was said before them.
    """

    channel: int
    decided_ms: int
    """Audio before this needs no decoding: its words are committed, or withheld."""
    from_ms: int
    """Audio from here on is heard."""
    segments: tuple[Segment, ...] = ()
    """Of this channel."""

    @classmethod
    def of(cls, state: SessionState, channel: int, context_ms: int) -> "ChannelStart":
        """Read it off `state`; `context_ms` of what is decided is heard again."""
        if state.recognised and state.ended is not None:
            decided_ms = state.ended.duration_ms
            return cls(channel, decided_ms, decided_ms)
        segments = [s for s in state.segments.values() if s.channel == channel]
        ends = [segment.end_ms for segment in segments]
        ends += [doubt.end_ms for doubt in state.withheld if doubt.channel == channel]
        aside = [g.to_ms for g in state.gaps if g.channel == channel and g.cause == "engine_failed"]
        aside_ms = max(aside, default=0)  # what the engine failed on is not shown to it again
        decided_ms = max([aside_ms, state.silent_to_ms.get(channel, 0), *ends])
        from_ms = max(aside_ms, decided_ms - context_ms)
        return cls(channel, decided_ms, from_ms, tuple(segments))
