"""Several devices: the least loaded is asked."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from greffier_models.devices import DeviceGroup
from greffier_models.fakes import FakeRecognizer
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions

pytestmark = pytest.mark.unit

WINDOW = AudioWindow(np.zeros(16_000, np.int16))


class _Gated(FakeRecognizer):
    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.count = 0

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        assert self.gate.wait(10)
        self.count += len(batch)
        return super().decode(batch)


async def test_requests_go_to_the_least_loaded() -> None:
    engines = [_Gated(), _Gated(), _Gated()]
    runtimes = [RecognitionRuntime(engine) for engine in engines]
    async with runtimes[0], runtimes[1], runtimes[2]:
        group = DeviceGroup(runtimes)
        assert group.identity == engines[0].identity
        assert group.languages == engines[0].languages
        tasks: list[asyncio.Task[Hypothesis]] = []
        for number in range(6):
            options = RecognitionOptions(language="fr")
            stream = ("t", str(number))
            tasks.append(asyncio.create_task(group.transcribe(WINDOW, options, stream=stream)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert [runtime.outstanding for runtime in runtimes] == [2, 2, 2]
        assert group.waiting == 3
        for engine in engines:
            engine.gate.set()
        await asyncio.gather(*tasks)
        assert [engine.count for engine in engines] == [2, 2, 2]
        assert await group.identify(WINDOW) == {"en": 1.0}
        assert group.load.workers == 3
        assert group.load.cost_s > 0


def test_a_group_needs_a_device() -> None:
    with pytest.raises(ValueError, match="no device"):
        DeviceGroup([])
