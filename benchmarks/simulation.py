"""A simulation of the clock: streams, their policies and the workers they share (no waiting).

Each stream does what `greffier_server.pipeline.recognise` does: audio in steps of three frames,
every request of the policy answered before the next step, the ladder fed with what has piled up.
Workers take the requests of all streams in the order of their deadlines, so many at a time, for as
long as the cost model says. The answers come from a real engine or from recorded hypotheses; what
the clock says does not depend on how long they take to get. Journal and network are left out.
"""

import heapq
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from benchmarks.corpora import Recording
from benchmarks.costs import TWO_CORES, CostModel, tokens_of
from benchmarks.lag import Arrival
from greffier.protocol import Caption, CaptionWord, QualityLevel
from greffier_models.types import Hypothesis, Word
from greffier_server.core.ladder import Ladder
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome, StreamingPolicy

__all__ = ["Answers", "Listening", "Simulated", "Stream", "simulate"]

_STEP_FRAMES = 3
_CLOSING_FIRST_MS = 2_000
"""The end of speech is decoded before running speech that is this much older."""


class Answers(Protocol):
    """An engine over one recording."""

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """What the engine says of the window."""
        ...

    def identify(self, request: IdentifyRequest) -> dict[str, float]:
        """Probability of each language over the window."""
        ...


@dataclass(frozen=True, slots=True)
class Listening:
    """A recording with its voice activity and an engine to ask about it."""

    recording: Recording
    probabilities: Sequence[float]
    frame_ms: int
    answers: Answers


@dataclass(frozen=True, slots=True)
class Stream:
    """One session to simulate."""

    listening: Listening
    policy: StreamingPolicy
    starts_ms: int = 0
    """When it begins on the clock of all streams."""


@dataclass(slots=True)
class Simulated:
    """What one stream showed and when; times are milliseconds since its own beginning."""

    recording: Recording
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    committed: list[Word] = field(default_factory=list[Word])
    decodes: int = 0
    machine_s: float = 0.0
    """Modelled time of the machine for this stream."""
    withheld: int = 0
    levels: list[tuple[float, QualityLevel]] = field(
        default_factory=list[tuple[float, QualityLevel]]
    )
    """Steps on the ladder."""

    @property
    def text(self) -> str:
        """Everything committed."""
        return "".join(word.text for word in self.committed).strip()


@dataclass(frozen=True, slots=True)
class _Resumed:
    """What a stream is told when it goes on."""

    now_ms: float
    hypothesis: Hypothesis | None = None
    scores: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A request that waits for a worker."""

    request: DecodeRequest | IdentifyRequest
    deadline_ms: float


_Steps = Generator[float | _Job, _Resumed, None]
"""A stream: yields the time to go on at, or a request, and is resumed then."""


def simulate(streams: Sequence[Stream], *, costs: CostModel = TWO_CORES) -> list[Simulated]:
    """Run every stream to its end.

    Args:
        streams: sessions that share the workers.
        costs: how long requests take, and on how many workers.

    Returns:
        One result a stream, in their order.
    """
    results = [Simulated(stream.listening.recording) for stream in streams]
    clock = _Clock(streams, results, costs)
    clock.run()
    return results


class _Clock:
    """Who goes on when, and what the workers do meanwhile."""

    def __init__(
        self, streams: Sequence[Stream], results: Sequence[Simulated], costs: CostModel
    ) -> None:
        self._streams = streams
        self._results = results
        self._costs = costs
        self._order = count()
        self._running = [_speak(s, r) for s, r in zip(streams, results, strict=True)]
        self._events: list[tuple[float, int, int, _Resumed | None]] = []
        self._queue: list[tuple[float, int, int, _Job]] = []
        self._busy = 0

    def run(self) -> None:
        """Go from event to event until no stream has anything to do."""
        for index, steps in enumerate(self._running):
            self._take(index, next(steps))
        while self._events:
            now_ms, _, index, resumed = heapq.heappop(self._events)
            if index < 0:
                self._busy -= 1
            else:
                answer = resumed or _Resumed(now_ms)
                with suppress(StopIteration):
                    self._take(index, self._running[index].send(answer))
            if not self._events or self._events[0][0] > now_ms:  # all of this instant are known
                self._serve(now_ms)

    def _take(self, index: int, wanted: float | _Job) -> None:
        if isinstance(wanted, _Job):
            heapq.heappush(self._queue, (wanted.deadline_ms, next(self._order), index, wanted))
        else:
            heapq.heappush(self._events, (wanted, next(self._order), index, None))

    def _serve(self, now_ms: float) -> None:
        """Give waiting requests to idle workers."""
        while self._queue and self._busy < self._costs.workers:
            idle = self._costs.workers - self._busy
            fair = -(-len(self._queue) // idle)  # both workers busy before either has a batch
            size = min(self._costs.batch, fair)
            batch = [heapq.heappop(self._queue) for _ in range(size)]
            self._busy += 1
            self._start(now_ms, [(index, job) for _, _, index, job in batch])

    def _start(self, now_ms: float, batch: Sequence[tuple[int, _Job]]) -> None:
        machine_s = 0.0
        answers: list[tuple[int, Hypothesis | None, dict[str, float] | None]] = []
        for index, job in batch:
            engine = self._streams[index].listening.answers
            hypothesis, scores, tokens = None, None, 0
            if isinstance(job.request, IdentifyRequest):
                scores = engine.identify(job.request)
            else:
                hypothesis = engine.decode(job.request)
                tokens = tokens_of(hypothesis.text) + 1
            share_s = self._costs.request_s(job.request, answer_tokens=tokens, batch=len(batch))
            self._results[index].machine_s += share_s
            self._results[index].decodes += 1
            machine_s += share_s
            answers.append((index, hypothesis, scores))
        done_ms = now_ms + self._costs.elapsed_s(machine_s, busy=self._busy) * 1000
        for index, hypothesis, scores in answers:
            resumed = _Resumed(done_ms, hypothesis, scores)
            heapq.heappush(self._events, (done_ms, next(self._order), index, resumed))
        heapq.heappush(self._events, (done_ms, next(self._order), -1, None))


def _speak(stream: Stream, result: Simulated) -> _Steps:
    """One stream, as `Recognition` runs it."""
    listening, policy = stream.listening, stream.policy
    duration_ms = listening.recording.duration_ms
    probabilities, frame_ms = listening.probabilities, listening.frame_ms
    screen = _Screen(result, starts_ms=stream.starts_ms)
    ladder = Ladder()
    resumed = yield float(stream.starts_ms)
    for first in range(0, len(probabilities), _STEP_FRAMES):
        heard_ms = min(first + _STEP_FRAMES, len(probabilities)) * frame_ms
        arrival_ms = stream.starts_ms + heard_ms
        if resumed.now_ms < arrival_ms:
            resumed = yield float(arrival_ms)
        policy.hear(heard_ms, probabilities[first : first + _STEP_FRAMES])
        resumed = yield from _answer_requests(stream, screen, resumed)
        received_ms = min(duration_ms, int(resumed.now_ms) - stream.starts_ms)
        level = ladder.weigh(max(0, received_ms - heard_ms), heard_ms)
        if level is not None:
            policy.quicken(level)
            result.levels.append((resumed.now_ms - stream.starts_ms, level))
    policy.end(duration_ms)
    yield from _answer_requests(stream, screen, resumed)


def _answer_requests(
    stream: Stream, screen: "_Screen", resumed: _Resumed
) -> Generator[float | _Job, _Resumed, _Resumed]:
    policy = stream.policy
    while (request := policy.request()) is not None:
        deadline_ms = stream.starts_ms + request.to_ms
        resumed = yield _Job(request, deadline_ms - (_CLOSING_FIRST_MS if request.closing else 0))
        if isinstance(request, IdentifyRequest):
            outcome = policy.identified(request, resumed.scores or {})
        else:
            outcome = policy.accept(request, resumed.hypothesis or Hypothesis((), ""))
        screen.show(outcome, resumed.now_ms)
    return resumed


class _Screen:
    """What a viewer sees: each outcome as a caption; a pause begins a new line."""

    def __init__(self, result: Simulated, *, starts_ms: int) -> None:
        self._result = result
        self._starts_ms = starts_ms
        self._segment = 1
        self._tail = ""

    def show(self, outcome: Outcome, now_ms: float) -> None:
        tail = "".join(word.text for word in outcome.tail)
        if outcome.committed or tail != self._tail:
            words = tuple(
                CaptionWord(w.text, w.start_ms, w.end_ms, w.probability) for w in outcome.committed
            )
            caption = Caption(
                seq=len(self._result.arrivals) + 1,
                segment=self._segment,
                start_ms=words[0].start_ms if words else 0,
                end_ms=words[-1].end_ms if words else 0,
                committed="".join(word.text for word in words),
                tail=tail,
                words=words,
            )
            self._result.arrivals.append(Arrival(now_ms - self._starts_ms, caption))
        self._tail = tail
        self._result.committed.extend(outcome.committed)
        self._result.withheld += len(outcome.withheld)
        if outcome.paused:
            self._segment += 1
