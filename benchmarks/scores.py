"""Figures of simulated streams: lags, word errors, erasure, load."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.lag import Arrival, Playback, commit_lags, percentile, screen_lags, shown_words
from benchmarks.lost_words import lost_words
from benchmarks.simulation import Simulated

__all__ = ["Figures", "figures_of", "tail_erasure"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Over all words of some streams; lags in milliseconds, WER and load as shares."""

    commit_lag_p50_ms: float
    commit_lag_p95_ms: float
    screen_lag_p50_ms: float
    screen_lag_p95_ms: float
    wer: float
    words_lost: int
    """Deletions of the word error rate."""
    erased_words: int
    """Committed words that a later caption took back: 0 for any policy worth the name."""
    tail_erasure: float
    """Words shown and then changed, for each committed word (normalised erasure of Arivazhagan et
    al., "Re-translation versus Streaming for Simultaneous Translation", IWSLT 2020)."""
    machine_load: float
    """Modelled time of the machine by the time of the audio (RTF)."""
    decodes: int
    withheld: int
    words: int
    words_left_out: int
    """Deletions less what is only written otherwise (`benchmarks.lost_words`)."""


def figures_of(simulated: Sequence[Simulated]) -> Figures:
    """Score streams together, every word weighing the same."""
    commits: list[float] = []
    screens: list[float] = []
    errors: list[WordErrors] = []
    erased, changed, words, left_out = 0, 0, 0, 0
    for stream in simulated:
        playback = _Spoken(stream.recording.duration_ms)
        commits += commit_lags(stream.arrivals, playback)
        screens += screen_lags(stream.arrivals, playback)
        language = stream.recording.language
        errors.append(count_errors(stream.recording.text, stream.text, language=language))
        left_out += lost_words(stream.recording.text, stream.text, language=language)
        lost, revised = tail_erasure(stream.arrivals)
        erased += lost
        changed += revised
        words += len(stream.committed)
    every = total(errors)
    audio_s = sum(stream.recording.duration_ms for stream in simulated) / 1000
    return Figures(
        commit_lag_p50_ms=percentile(commits, 50),
        commit_lag_p95_ms=percentile(commits, 95),
        screen_lag_p50_ms=percentile(screens, 50),
        screen_lag_p95_ms=percentile(screens, 95),
        wer=every.rate,
        words_lost=every.deletions,
        erased_words=erased,
        tail_erasure=changed / max(words, 1),
        machine_load=sum(stream.machine_s for stream in simulated) / max(audio_s, 0.001),
        decodes=sum(stream.decodes for stream in simulated),
        withheld=sum(stream.withheld for stream in simulated),
        words=words,
        words_left_out=left_out,
    )


def tail_erasure(arrivals: Sequence[Arrival]) -> tuple[int, int]:
    """Words taken back: those that had been committed, and all that had been shown."""
    committed: dict[int, str] = {}
    shown: dict[int, list[str]] = {}
    erased, changed = 0, 0
    for arrival in arrivals:
        segment = arrival.caption.segment
        before = shown.get(segment, [])
        firm = len(shown_words(committed.get(segment, "")))
        committed[segment] = committed.get(segment, "") + arrival.caption.committed
        now = shown_words(committed[segment] + arrival.caption.tail)
        same = next(
            (i for i, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]),
            min(len(before), len(now)),
        )
        if same == firm - 1 and now[same].startswith(before[same]):
            same += 1  # a committed word was lengthened by what was committed behind it
        erased += max(0, firm - same)
        changed += len(before) - same
        shown[segment] = now
    return erased, changed


class _Spoken(Playback):
    """A recording that is spoken on the simulated clock: every sample on time."""

    def __init__(self, duration_ms: int) -> None:
        super().__init__()
        self._duration_ms = duration_ms

    def sent_at(self, audio_ms: int) -> float:
        return float(min(audio_ms, self._duration_ms))
