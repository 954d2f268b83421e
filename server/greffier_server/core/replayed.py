"""What became of a replay: the same events, or where they part, and how far the words are apart."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from greffier_models.types import Word
from greffier_server.core.epochs import without_time
from greffier_server.core.events import RecognitionBegun, Recorded, TextWithheld, WordsCommitted
from greffier_server.core.word_edits import count_edits, differing_passages, folded_words

__all__ = [
    "Change",
    "Difference",
    "Doubt",
    "EpochReplayed",
    "Lag",
    "Replayed",
    "WordComparison",
    "changes_between",
    "compare_words",
    "first_difference",
]

_Heard = Mapping[int, Sequence[Recorded]]
"""Records by channel."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first event of a channel that is not the same."""

    channel: int
    seq: int
    """In the session's log; 0 where the log has no further event."""
    at_ms: int
    """End of the audio that the event rests on."""
    recorded: str
    """Kind of the recorded event; empty where there is none."""
    replayed: str


@dataclass(frozen=True, slots=True)
class EpochReplayed:
    """One start of recognition."""

    seq: int
    """Of its `RecognitionBegun`."""
    events: int
    """That were compared."""
    whole: bool
    """False: a stop of the server cut it short; it was compared up to there."""
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A passage whose words differ."""

    channel: int
    at_ms: int
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A passage that only one of the two withheld."""

    channel: int
    start_ms: int
    end_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lag:
    """From the end of a word to its commit, in audio received meanwhile; without any words: 0."""

    p50_ms: int = 0
    p95_ms: int = 0


@dataclass(frozen=True, slots=True)
class Replayed:
    """The whole of it."""

    session: str
    same: bool
    """Every event that was compared is the same; of other settings or models: every word."""
    faithful: bool
    """As it was recorded; else with another model or other settings, in one piece from the start:
    restarts, and failures of the engine, are not repeated."""
    settings: dict[str, tuple[str, ...]]
    """What is not as it was: then and now."""
    epochs: tuple[EpochReplayed, ...]
    """Of a faithful replay."""
    words: int
    """In the record."""
    words_replayed: int
    edits: int
    """Words to put in, take out or replace (case and punctuation aside)."""
    changes: tuple[Change, ...]
    lag: Lag
    lag_replayed: Lag
    withheld: tuple[Doubt, ...]
    """In the record only."""
    withheld_replayed: tuple[Doubt, ...]
    """In the replay only."""
    audio_lost: int = 0
    """Stretches of the audio that the disk no longer gives; they are heard as silence."""

    @property
    def word_error_rate(self) -> float:
        """Of the replay against the record."""
        return self.edits / max(1, self.words)


def first_difference(
    recorded: Sequence[Recorded], replayed: Sequence[Recorded], *, channel: int, whole: bool
) -> Difference | None:
    """Hold what a channel heard against what it hears now.

    Args:
        recorded: then.
        replayed: now.
        channel: whose events these are.
        whole: nothing may follow the recorded ones.
    """
    for before, after in zip(recorded, replayed, strict=False):
        if _substance(before) != _substance(after):
            return Difference(channel, before.seq, before.audio_to_ms, _kind(before), _kind(after))
    if len(replayed) < len(recorded):
        missing = recorded[len(replayed)]
        return Difference(channel, missing.seq, missing.audio_to_ms, _kind(missing), "")
    if whole and len(replayed) > len(recorded):
        further = replayed[len(recorded)]
        return Difference(channel, 0, further.audio_to_ms, "", _kind(further))
    return None


def changes_between(then: RecognitionBegun, now: RecognitionBegun) -> dict[str, tuple[str, ...]]:
    """What decides about recognition and is not as it was, by name: then and now."""
    before, after = _flat(then), _flat(now)
    return {
        name: (before.get(name, "-"), after.get(name, "-"))
        for name in sorted({*before, *after})
        if before.get(name, "-") != after.get(name, "-")
    }


@dataclass(frozen=True, slots=True)
class WordComparison:
    """The part of `Replayed` that is about words."""

    words: int
    words_replayed: int
    edits: int
    changes: tuple[Change, ...]
    lag: Lag
    lag_replayed: Lag
    withheld: tuple[Doubt, ...]
    withheld_replayed: tuple[Doubt, ...]


def compare_words(recorded: _Heard, replayed: _Heard) -> WordComparison:
    """Hold the words of two readings of one session against each other, channel by channel."""
    words = words_replayed = edits = 0
    changes: list[Change] = []
    lags: list[int] = []
    lags_replayed: list[int] = []
    for channel in sorted({*recorded, *replayed}):
        then, now = recorded.get(channel, ()), replayed.get(channel, ())
        before, after = _words(then), _words(now)
        words += len(folded_words(before))
        words_replayed += len(folded_words(after))
        edits += count_edits(folded_words(before), folded_words(after))
        changes += [
            Change(channel, each.at_ms, each.before, each.after)
            for each in differing_passages(before, after)
        ]
        arrival = _Arrival(then)
        lags += arrival.lags(then)
        lags_replayed += arrival.lags(now)
    doubts, doubts_replayed = Counter(_doubts(recorded)), Counter(_doubts(replayed))
    return WordComparison(
        words=words,
        words_replayed=words_replayed,
        edits=edits,
        changes=tuple(changes),
        lag=_lag(lags),
        lag_replayed=_lag(lags_replayed),
        withheld=tuple((doubts - doubts_replayed).elements()),
        withheld_replayed=tuple((doubts_replayed - doubts).elements()),
    )


class _Arrival:
    """How much audio had arrived when so much had been heard, as the recorded lags tell."""

    def __init__(self, records: Sequence[Recorded]) -> None:
        behind = {
            record.audio_to_ms: record.event.words[-1].end_ms
            + record.event.lag_ms
            - record.audio_to_ms
            for record in records
            if isinstance(record.event, WordsCommitted) and record.event.words
        }
        self._heard_ms = sorted(behind)
        self._behind_ms = [behind[heard_ms] for heard_ms in self._heard_ms]

    def lags(self, records: Sequence[Recorded]) -> list[int]:
        """Of every word."""
        return [
            max(0, self._received_ms(record.audio_to_ms) - word.end_ms)
            for record in records
            if isinstance(record.event, WordsCommitted)
            for word in record.event.words
        ]

    def _received_ms(self, heard_ms: int) -> int:
        place = max(0, bisect_right(self._heard_ms, heard_ms) - 1)
        return heard_ms + (self._behind_ms[place] if self._behind_ms else 0)


def _lag(lags: Iterable[int]) -> Lag:
    ordered = sorted(lags)
    if not ordered:
        return Lag()
    return Lag(ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)])


def _words(records: Sequence[Recorded]) -> list[Word]:
    return [
        word
        for record in records
        if isinstance(record.event, WordsCommitted)
        for word in record.event.words
    ]


def _doubts(heard: _Heard) -> list[Doubt]:
    return [
        Doubt(channel, record.event.start_ms, record.event.end_ms, record.event.reason)
        for channel, records in sorted(heard.items())
        for record in records
        if isinstance(record.event, TextWithheld)
    ]


def _substance(record: Recorded) -> tuple[object, ...]:
    return without_time(record.event), record.audio_from_ms, record.audio_to_ms


def _kind(record: Recorded) -> str:
    return type(record.event).__name__


def _flat(begun: RecognitionBegun) -> dict[str, str]:
    flat = {
        "engine": begun.engine,
        "model": begun.model,
        "digest": begun.digest,
        "compute": begun.compute,
        "policy": begun.policy,
        "expected_languages": ",".join(begun.expected_languages),
    }
    flat |= {f"dials.{name}": str(value) for name, value in begun.dials.items()}
    flat |= {f"speech.{name}": str(value) for name, value in begun.speech.items()}
    return flat | begun.versions
