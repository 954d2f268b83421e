"""One runtime per device: all sessions' decodes, in turn, in batches, off the event loop."""

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from greffier_models.errors import (
    EngineDied,
    EngineDown,
    EngineError,
    EngineUnavailable,
    RequestPoisoned,
)
from greffier_models.load import DeviceLoad, LoadMeter
from greffier_models.protocols import BatchRecognizer
from greffier_models.revival import EngineCondition, Revival
from greffier_models.schedule import LIVE, FairQueue, Request, StreamKey
from greffier_models.suspects import Casualties
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

__all__ = ["RecognitionRuntime"]

_log = logging.getLogger(__name__)

_BEAM_COST = 0.05
"""What each further beam costs, as a share of a greedy decode (Whisper base int8, two cores)."""
_COMMON_WINDOW_MS = 15_000
_LIVE_LATELY_S = 10.0
"""Within this of a live request, background work keeps out of its way."""
_BLAMED = 3
"""So many requests of several streams blamed in a row, with no answer in between: it is the engine
that fails."""


@dataclass(slots=True, eq=False)
class _Asked:
    window: AudioWindow
    options: RecognitionOptions | None
    """None = identify the language."""
    candidates: Sequence[str]
    answer: "asyncio.Future[Hypothesis] | asyncio.Future[dict[str, float]]"
    at_s: float


_Batch = Sequence[Request[_Asked]]


class RecognitionRuntime:
    """Drives a blocking recogniser from `workers` threads; use it as an async context manager.

    A request is begun at once when a worker is free; batches form only of what waits meanwhile, and
    what waits is shared among the free workers, so gathering costs no time. Background work is done
    when no live request waits; while sessions are live it goes one request at a time and leaves one
    worker free (where there are several).

    An engine that can die (`EngineDied`) is started again, and what was in its hands is sent again
    before anything new, in the same order; callers notice that it takes longer. A request that the
    engine dies of each time gets `RequestPoisoned`. An engine that dies whatever it is asked is
    down: what waits gets `EngineDown`, and so does what comes until a new process runs.

    Args:
        engine: the loaded model; safe for `workers` threads.
        workers: calls that run at once.
        max_batch: windows decoded together at most.
        max_waiting: requests that may wait; one more is refused (each session has one at a time,
            so this is a limit on sessions, not on audio).
        observe: called with (seconds, windows) after each batch, for metrics.
        revival: starts an engine again that died; None = it cannot die alone.
    """

    def __init__(
        self,
        engine: BatchRecognizer,
        *,
        workers: int = 1,
        max_batch: int = 4,
        max_waiting: int = 256,
        observe: Callable[[float, int], None] | None = None,
        revival: Revival | None = None,
    ) -> None:
        self._engine = engine
        self._workers = workers
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._queue: FairQueue[_Asked] = FairQueue()
        self._meter = LoadMeter(workers)
        self._live_s = float("-inf")
        self._in_background = 0
        self._thread = ThreadPoolExecutor(workers, thread_name_prefix="greffier-recognition")
        self._running: set[asyncio.Task[None]] = set()
        self._open = False
        self._revival = revival
        self._reviving: asyncio.Task[None] | None = None
        self._revived_s = float("-inf")
        self._casualties: Casualties[Request[_Asked]] = Casualties(
            cancelled=lambda request: request.item.answer.done()
        )
        self._apart = False
        """A suspect is alone with the engine."""
        self._blamed: list[StreamKey] = []

    async def __aenter__(self) -> "RecognitionRuntime":
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._engine.identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        return self._engine.languages

    @property
    def waiting(self) -> int:
        """Requests not yet begun."""
        return len(self._queue)

    @property
    def load(self) -> DeviceLoad:
        """What the device bears now; call it on the event loop."""
        return self._meter.load(asyncio.get_running_loop().time())

    @property
    def outstanding(self) -> int:
        """Requests waiting, and batches in work."""
        return len(self._queue) + len(self._casualties) + len(self._running)

    @property
    def condition(self) -> EngineCondition:
        """Whether the engine works, and how often it was started again; on the event loop."""
        return EngineCondition() if self._revival is None else self._revival.condition

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = LIVE,
        stream: StreamKey = ("", ""),
    ) -> Hypothesis:
        """Decode one window (see `SpeechRecognizer`).

        Raises:
            EngineUnavailable: closed, or too many requests wait.
            EngineDown: the engine fails again and again.
            RequestPoisoned: the engine dies of this window.
            EngineError: the model could not be run.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Hypothesis] = loop.create_future()
        request = Request(
            _Asked(window, options, (), answer, loop.time()),
            stream=stream,
            deadline_ms=deadline_ms,
            priority=priority,
            cost=_cost(window, options),
            shape=_shape(window, options),
        )
        self._put(request)
        try:
            return await answer
        finally:
            self._queue.remove(request)

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = LIVE,
        stream: StreamKey = ("", ""),
    ) -> dict[str, float]:
        """Probability of each language over one window; raises as `transcribe`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, float]] = loop.create_future()
        request = Request(
            _Asked(window, None, candidates, answer, loop.time()),
            stream=stream,
            deadline_ms=deadline_ms,
            priority=priority,
        )
        self._put(request)
        try:
            return await answer
        finally:
            self._queue.remove(request)

    async def close(self) -> None:
        """Refuse what waits, end the threads after what runs."""
        self._open = False
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        self._refuse_waiting(EngineUnavailable("The speech model was closed."))
        while self._running:
            await asyncio.wait(self._running)
        await asyncio.to_thread(self._thread.shutdown, wait=True)

    def _put(self, request: Request[_Asked]) -> None:
        if not self._open:
            raise EngineUnavailable("The speech model is not running.")
        if self._revival is not None and self._revival.hopeless:
            raise _down()
        if len(self._queue) >= self._max_waiting:
            raise EngineUnavailable("Too many sessions wait for the speech model.")
        if request.priority == LIVE:
            self._live_s = request.item.at_s
            self._meter.asked(request.stream, request.item.at_s)
        self._queue.put(request)
        asyncio.get_running_loop().call_soon(self._dispatch)

    def _refuse_waiting(self, error: EngineError) -> None:
        for request in [*self._casualties.clear(), *self._queue.clear()]:
            if not request.item.answer.done():
                request.item.answer.set_exception(error)

    # --- work ---------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give what waits to the free workers, each its share."""
        while self._open and self._reviving is None and not self._apart:
            free = self._workers - len(self._running)
            batch: _Batch = self._take(free) if free > 0 else ()
            if not batch:
                return
            background = batch[0].priority != LIVE
            self._in_background += background
            task = asyncio.create_task(self._work(batch), name="recognition-batch")
            self._running.add(task)
            task.add_done_callback(
                self._background_done if background else self._batch_done,
            )

    def _take(self, free: int) -> _Batch:
        retry = self._casualties.next(idle=not self._running)
        if retry is not None:
            self._apart = retry.alone
            return retry.batch
        if self._casualties:  # a suspect, who must be alone
            return []
        live = self._queue.live
        if live:
            return self._queue.take(min(self._max_batch, -(-live // free)), lowest=LIVE)
        if asyncio.get_running_loop().time() - self._live_s > _LIVE_LATELY_S:
            return self._queue.take(min(self._max_batch, -(-len(self._queue) // free)))
        if self._in_background >= max(1, self._workers - 1):
            return []
        return self._queue.take(1)

    def _background_done(self, task: asyncio.Task[None]) -> None:
        self._in_background -= 1
        self._batch_done(task)

    def _batch_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._running:
            self._apart = False
        self._dispatch()

    async def _work(self, batch: _Batch) -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        answers: Sequence[object] = ()
        failure: EngineError | None = None
        try:
            answers = await self._ask(batch)
            if len(answers) != len(batch):
                raise ValueError("not an answer to each request")
        except EngineDied as error:
            if self._revival is not None and self._open:
                self._fall(batch, error.cause, self._revival)
                return
            failure = error
        except EngineError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever a model raises must reach its sessions
            _log.exception("the speech model raised an unexpected error")
            failure = EngineError("The speech model failed; see the server's log.")
            failure.__cause__ = error
        self._casualties.ended(batch)
        self._count(batch, begun_s, loop.time())
        if failure is not None:
            self._fail(batch, failure)
            return
        self._blamed.clear()
        if self._revival is not None:
            self._revival.answered()
        for request, answer in zip(batch, answers, strict=True):
            if not request.item.answer.done():
                request.item.answer.set_result(answer)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

    def _count(self, batch: _Batch, begun_s: float, ended_s: float) -> None:
        # Time without an engine says nothing about the load.
        since_s = self._revived_s
        waits = [begun_s - max(since_s, r.item.at_s) for r in batch if r.priority == LIVE]
        busy_s = ended_s - begun_s
        self._meter.worked(ended_s, busy_s=busy_s, live=len(waits), wait_s=max(waits, default=0.0))
        if self._observe is not None:
            self._observe(busy_s, len(batch))

    async def _ask(self, batch: _Batch) -> Sequence[object]:
        loop = asyncio.get_running_loop()
        first = batch[0].item
        if first.options is None:
            engine = self._engine
            scores = await loop.run_in_executor(
                self._thread, engine.identify, first.window, first.candidates
            )
            return [scores]
        asked = [request.item for request in batch]
        pairs = [(item.window, item.options) for item in asked if item.options is not None]
        return await loop.run_in_executor(self._thread, self._engine.decode, pairs)

    def _fail(self, batch: _Batch, error: EngineError) -> None:
        """One request alone fails; of several each is tried alone, for one may be the cause."""
        if len(batch) > 1 and self._open:
            self._casualties.part(batch)
            return
        for request in batch:
            if not request.item.answer.done():
                request.item.answer.set_exception(error)

    # --- an engine that died ------------------------------------------------------------------

    def _fall(self, batch: _Batch, cause: str, revival: Revival) -> None:
        self._casualties.fell(batch)
        if self._reviving is None:
            task = asyncio.create_task(self._revive(cause, revival), name="engine-revival")
            task.add_done_callback(self._revived)
            self._reviving = task

    async def _revive(self, cause: str, revival: Revival) -> None:
        while self._running:  # each batch hears of the death by itself
            await asyncio.wait(self._running)
        guilty = self._casualties.judge()
        if guilty is not None:
            self._set_aside(guilty, revival)
        await revival.revive(cause, refuse=lambda: self._refuse_waiting(_down()))

    def _revived(self, task: "asyncio.Task[None]") -> None:
        self._reviving = None
        self._revived_s = asyncio.get_running_loop().time()
        error = None if task.cancelled() else task.exception()
        if error is not None:  # closed meanwhile
            self._refuse_waiting(EngineUnavailable("The speech model was closed."))
        self._dispatch()

    def _set_aside(self, request: Request[_Asked], revival: Revival) -> None:
        self._casualties.ended([request])
        self._blamed.append(request.stream)
        if request.item.answer.done():
            return
        if len(self._blamed) >= _BLAMED and len(set(self._blamed)) > 1:
            request.item.answer.set_exception(_down())
            return
        revival.put_aside()
        _log.error("a request is set aside: the speech model dies of it")
        request.item.answer.set_exception(
            RequestPoisoned("The speech model failed on this stretch of audio each time.")
        )


def _down() -> EngineDown:
    return EngineDown("The speech model fails again and again; it is tried again by itself.")


def _length_ms(window: AudioWindow, options: RecognitionOptions) -> int:
    return max(window.duration_ms, options.fill_ms)


def _cost(window: AudioWindow, options: RecognitionOptions) -> float:
    wider = 1 + _BEAM_COST * (options.beam_size - 1)
    return _length_ms(window, options) / _COMMON_WINDOW_MS * wider


def _shape(window: AudioWindow, options: RecognitionOptions) -> Hashable:
    """What requests must share to be decoded as one batch: beam, encoder length, text before."""
    context = bool(options.prompt) or bool(options.hotwords)
    return options.beam_size, _length_ms(window, options), context
