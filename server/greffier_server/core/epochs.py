"""A log in stretches of recognition: each from a start of the server to the next, or to the end.

Within a stretch everything that was heard follows from the audio, from what the log held before it,
and from what is recorded of settings and time. Pure; `pipeline/replay.py` hears it again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from greffier_server.core.events import (
    DecisionsTimed,
    Event,
    LanguageDetected,
    RecognitionBegun,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    SilencePassed,
    TextWithheld,
    WordsCommitted,
)

__all__ = ["Epoch", "Unreplayable", "epochs_of", "is_heard", "read_start", "without_time"]

_HEARD = (
    LanguageDetected,
    SegmentOpened,
    WordsCommitted,
    SegmentClosed,
    TextWithheld,
    SilencePassed,
)


class Unreplayable(ValueError):
    """The log does not say what recognition rested on."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """From one start of recognition to the next."""

    begun: RecognitionBegun
    seq: int
    """Of `begun`."""
    before: int
    """How many records come before it."""
    heard: Mapping[int, tuple[Recorded, ...]]
    """By channel, in order."""
    paced: Mapping[int, tuple[tuple[int, ...], ...]]
    """By channel, as in `DecisionsTimed`."""
    given_up: Mapping[int, frozenset[tuple[int, ...]]]
    learned: Mapping[int, tuple[tuple[int, ...], ...]]
    """By channel, as in `DecisionsTimed`."""
    whole: bool
    """It was not cut short: the last word is in it."""

    def numbers(self, channel: int) -> tuple[int, ...]:
        """Of the segments that the channel opened."""
        return tuple(
            record.event.segment
            for record in self.heard.get(channel, ())
            if isinstance(record.event, SegmentOpened)
        )


def read_start(records: Sequence[Recorded]) -> SessionStarted:
    """Return the first event.

    Raises:
        Unreplayable: it is another one.
    """
    started = records[0].event if records else None
    if not isinstance(started, SessionStarted):
        raise Unreplayable("The session's log does not begin with its start.")
    return started


def epochs_of(records: Sequence[Recorded]) -> list[Epoch]:
    """Cut a log.

    Raises:
        Unreplayable: something was heard before the log says what it rests on (a session of an
            older version, or a recording that was not live).
    """
    channels = _Channels()
    epochs: list[Epoch] = []
    open_epoch: _Open | None = None
    for place, record in enumerate(records):
        match record.event:
            case RecognitionBegun() as begun:
                if open_epoch is not None:
                    epochs.append(open_epoch.closed())
                open_epoch = _Open(begun, record.seq, place)
            case DecisionsTimed() as timed if open_epoch is not None:
                open_epoch.paced[timed.channel] += timed.paced
                open_epoch.given_up[timed.channel] += timed.given_up
                open_epoch.learned[timed.channel] += timed.learned
            case RecognitionFinished() if open_epoch is not None:
                open_epoch.whole = True
            case _:
                channel = channels.of(record.event)
                if channel is None:
                    continue
                if open_epoch is None:
                    raise Unreplayable(
                        "The log does not say what this session was recognised with: it is of "
                        "an older version, or was not live."
                    )
                open_epoch.heard[channel].append(record)
                if isinstance(record.event, WordsCommitted):
                    open_epoch.paced[channel] += record.event.paced
    if open_epoch is not None:
        epochs.append(open_epoch.closed())
    return epochs


def is_heard(event: Event) -> bool:
    """Whether it comes of hearing: the rest is asked for, arrives, or is made of what was heard."""
    return isinstance(event, _HEARD)


def without_time(event: Event) -> Event:
    """The event as the audio alone makes it: without lag, and without what it was paced by."""
    return replace(event, lag_ms=0, paced=()) if isinstance(event, WordsCommitted) else event


class _Open:
    """An epoch while it is read."""

    def __init__(self, begun: RecognitionBegun, seq: int, before: int) -> None:
        self._begun, self._seq, self._before = begun, seq, before
        self.heard: dict[int, list[Recorded]] = defaultdict(list)
        self.paced: dict[int, tuple[tuple[int, ...], ...]] = defaultdict(tuple)
        self.given_up: dict[int, tuple[tuple[int, ...], ...]] = defaultdict(tuple)
        self.learned: dict[int, tuple[tuple[int, ...], ...]] = defaultdict(tuple)
        self.whole = False

    def closed(self) -> Epoch:
        return Epoch(
            begun=self._begun,
            seq=self._seq,
            before=self._before,
            heard={channel: tuple(records) for channel, records in self.heard.items()},
            paced=dict(self.paced),
            given_up={channel: frozenset(each) for channel, each in self.given_up.items()},
            learned=dict(self.learned),
            whole=self.whole,
        )


class _Channels:
    """On which channel something was heard; words know their segment only."""

    def __init__(self) -> None:
        self._of_segment: dict[int, int] = {}

    def of(self, event: Event) -> int | None:
        """None: it is not heard."""
        if not isinstance(event, _HEARD):
            return None
        if isinstance(event, SegmentOpened):
            self._of_segment[event.segment] = event.channel
        if isinstance(event, WordsCommitted | SegmentClosed):
            return self._of_segment.get(event.segment, 0)
        return event.channel
