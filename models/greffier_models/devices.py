"""Several devices behind one recogniser: each request goes to the least loaded."""

from collections.abc import Sequence

from greffier_models.load import DeviceLoad
from greffier_models.runtime import RecognitionRuntime
from greffier_models.schedule import LIVE, StreamKey
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

__all__ = ["DeviceGroup"]


class DeviceGroup:
    """A `SpeechRecognizer` over runtimes of the same model; who opened them closes them.

    Sessions keep nothing on a device, so any request can go anywhere.

    Args:
        runtimes: one a device, at least one.
    """

    def __init__(self, runtimes: Sequence[RecognitionRuntime]) -> None:
        if not runtimes:
            raise ValueError("no device")
        self._runtimes = tuple(runtimes)

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._runtimes[0].identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes the model knows."""
        return self._runtimes[0].languages

    @property
    def waiting(self) -> int:
        """Requests not yet begun."""
        return sum(runtime.waiting for runtime in self._runtimes)

    @property
    def load(self) -> DeviceLoad:
        """What all devices bear together; call it on the event loop."""
        return DeviceLoad.together([runtime.load for runtime in self._runtimes])

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = LIVE,
        stream: StreamKey = ("", ""),
    ) -> Hypothesis:
        """Decode one window (see `SpeechRecognizer`)."""
        return await self._least_loaded().transcribe(
            window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
        )

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = LIVE,
        stream: StreamKey = ("", ""),
    ) -> dict[str, float]:
        """Probability of each language over one window (see `SpeechRecognizer`)."""
        return await self._least_loaded().identify(
            window, candidates, deadline_ms=deadline_ms, priority=priority, stream=stream
        )

    def _least_loaded(self) -> RecognitionRuntime:
        return min(
            self._runtimes,
            key=lambda runtime: (runtime.condition.state != "up", runtime.outstanding),
        )
