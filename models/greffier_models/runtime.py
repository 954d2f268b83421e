"""One runtime per device: every session's decodes, by deadline, in batches, off the event loop."""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

from greffier_models.errors import EngineError, EngineUnavailable
from greffier_models.protocols import BatchRecognizer
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

__all__ = ["RecognitionRuntime"]

_log = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Waiting:
    deadline_ms: int
    number: int
    window: AudioWindow = field(compare=False)
    options: RecognitionOptions | None = field(compare=False)
    """None = identify the language."""
    answer: "asyncio.Future[Hypothesis] | asyncio.Future[dict[str, float]]" = field(compare=False)
    candidates: Sequence[str] = field(default=(), compare=False)


class RecognitionRuntime:
    """Drives a blocking recogniser from one thread; use it as an async context manager.

    Args:
        engine: the loaded model.
        max_batch: windows decoded together at most.
        max_waiting: requests that may wait; one more is refused (each session has one at a time,
            so this is a limit on sessions, not on audio).
        observe: called with (seconds, windows) after each batch, for metrics.
    """

    def __init__(
        self,
        engine: BatchRecognizer,
        *,
        max_batch: int = 4,
        max_waiting: int = 256,
        observe: Callable[[float, int], None] | None = None,
    ) -> None:
        self._engine = engine
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._heap: list[_Waiting] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="greffier-recognition")
        self._runner: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> "RecognitionRuntime":
        self._runner = asyncio.create_task(self._run(), name="recognition-runtime")
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
        return len(self._heap)

    async def transcribe(
        self, window: AudioWindow, options: RecognitionOptions, *, deadline_ms: int = 0
    ) -> Hypothesis:
        """Decode one window; the smaller `deadline_ms`, the sooner.

        Raises:
            EngineUnavailable: closed, or too many requests wait.
            EngineError: the model could not be run.
        """
        answer: asyncio.Future[Hypothesis] = asyncio.get_running_loop().create_future()
        self._put(_Waiting(deadline_ms, next(self._numbers), window, options, answer))
        return await answer

    async def identify(
        self, window: AudioWindow, candidates: Sequence[str] = (), *, deadline_ms: int = 0
    ) -> dict[str, float]:
        """Probability of each language over one window; raises as `transcribe`."""
        answer: asyncio.Future[dict[str, float]] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        self._put(_Waiting(deadline_ms, number, window, None, answer, candidates))
        return await answer

    async def close(self) -> None:
        """Refuse what waits, end the thread after what runs."""
        self._closed = True
        self._wake.set()
        if self._runner is not None:
            await self._runner
            self._runner = None
        self._refuse_waiting()
        await asyncio.to_thread(self._thread.shutdown, wait=True)

    def _put(self, item: _Waiting) -> None:
        if self._closed or self._runner is None:
            raise EngineUnavailable("The speech model is not running.")
        if len(self._heap) >= self._max_waiting:
            self._heap = [waiting for waiting in self._heap if not waiting.answer.done()]
            heapq.heapify(self._heap)
        if len(self._heap) >= self._max_waiting:
            raise EngineUnavailable("Too many sessions wait for the speech model.")
        heapq.heappush(self._heap, item)
        self._wake.set()

    def _refuse_waiting(self) -> None:
        while self._heap:
            item = heapq.heappop(self._heap)
            if not item.answer.done():
                item.answer.set_exception(EngineUnavailable("The speech model was closed."))

    async def _run(self) -> None:
        while not self._closed:
            batch = self._take()
            if not batch:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._work(batch)

    def _take(self) -> list[_Waiting]:
        """The most urgent request, and others that can share its decode."""
        batch: list[_Waiting] = []
        passed: list[_Waiting] = []
        while self._heap and len(batch) < self._max_batch:
            item = heapq.heappop(self._heap)
            if item.answer.done():  # its session is gone
                continue
            if not batch or _alike(batch[0], item):
                batch.append(item)
                if item.options is None:
                    break
            else:
                passed.append(item)
                if len(passed) >= self._max_batch:
                    break
        for item in passed:
            heapq.heappush(self._heap, item)
        return batch

    async def _work(self, batch: Sequence[_Waiting]) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            if batch[0].options is None:
                first = batch[0]
                scores = await loop.run_in_executor(
                    self._thread, self._engine.identify, first.window, first.candidates
                )
                answers: Sequence[object] = [scores]
            else:
                pairs = [(item.window, item.options) for item in batch if item.options is not None]
                answers = await loop.run_in_executor(self._thread, self._engine.decode, pairs)
            answered = list(zip(batch, answers, strict=True))
        except EngineError as error:
            await self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 - whatever a model raises must reach its sessions
            _log.exception("the speech model raised an unexpected error")
            failure = EngineError("The speech model failed; see the server's log.")
            failure.__cause__ = error
            await self._fail(batch, failure)
        else:
            for item, answer in answered:
                if not item.answer.done():
                    item.answer.set_result(answer)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        if self._observe is not None:
            self._observe(loop.time() - begun, len(batch))

    async def _fail(self, batch: Sequence[_Waiting], error: EngineError) -> None:
        """One request alone fails; of several each is tried alone, for one may be the cause."""
        if len(batch) > 1:
            for item in batch:
                if not item.answer.done():
                    await self._work([item])
            return
        for item in batch:
            if not item.answer.done():
                item.answer.set_exception(error)


def _alike(first: _Waiting, other: _Waiting) -> bool:
    """Whether two requests can be one batch: same kind, same beam."""
    if first.options is None or other.options is None:
        return False
    return first.options.beam_size == other.options.beam_size
