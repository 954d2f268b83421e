"""The recognition loop over an engine that dies of a stretch of audio, or is down for long."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from greffier_models.errors import EngineDown, RequestPoisoned
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.events import GapFound, RecognitionFinished, StageFailed
from greffier_server.core.local_agreement import LocalAgreementSettings
from greffier_server.core.policies import PolicySettings
from greffier_server.core.utterance import UtteranceSettings
from tests.support.recordings import Listener, Recognised, Recording, recognise, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

FLOWING = recording_of([(30, 300)] * 60, end_ms=1_000)
TURNS = recording_of([(1_500 if n % 5 == 0 else 30, 300) for n in range(40)], end_ms=1_000)
DIALS: list[PolicySettings] = [AlignAttSettings(), LocalAgreementSettings(), UtteranceSettings()]


class Poisoned(Listener):
    """Dies of windows that hold any of the bad milliseconds."""

    def __init__(self, *bad_ms: int) -> None:
        super().__init__()
        self._bad_ms = bad_ms
        self.refused = 0

    def _taste(self, window: AudioWindow) -> None:
        if any(window.start_ms <= bad_ms < window.end_ms for bad_ms in self._bad_ms):
            self.refused += 1
            raise RequestPoisoned("Dead.")

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        self._taste(window)
        return await super().transcribe(
            window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
        )

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        self._taste(window)
        return await super().identify(
            window, candidates, deadline_ms=deadline_ms, priority=priority, stream=stream
        )


def gaps_of(result: Recognised) -> list[GapFound]:
    return [event for event in result.events if isinstance(event, GapFound)]


@pytest.mark.parametrize("dials", DIALS, ids=lambda dials: type(dials).__name__)
@pytest.mark.parametrize("speech", [FLOWING, TURNS], ids=["flowing", "turns"])
@pytest.mark.parametrize("bad_ms", [100, 5_000, 9_990, 12_400])
async def test_a_poisoned_stretch_is_one_gap_and_the_rest_is_heard(
    dials: PolicySettings, speech: Recording, bad_ms: int
) -> None:
    engine = Poisoned(bad_ms)
    result = await recognise([speech.pcm], recognizer=engine, dials=dials)
    gaps = gaps_of(result)
    if engine.refused == 0:  # it lies in a pause
        assert not gaps
        return
    assert engine.refused == 1, "nothing of it is shown to the engine again"
    (gap,) = gaps
    assert gap.cause == "engine_failed"
    assert gap.from_ms <= bad_ms <= gap.to_ms
    assert [type(e) for e in result.events].count(RecognitionFinished) == 1
    assert [type(e) for e in result.events].count(StageFailed) == 1
    outside = [
        word.text
        for word in speech.words
        if word.end_ms <= gap.from_ms or word.start_ms >= gap.to_ms
    ]
    heard = [text for text in result.texts if "…" not in text]
    assert heard == outside
    assert all(word.end_ms <= gap.from_ms or word.start_ms >= gap.to_ms for word in result.words)


async def test_several_poisoned_stretches_are_several_gaps() -> None:
    engine = Poisoned(3_000, 8_000, 13_000)
    blocks = [FLOWING.pcm[at : at + 1_600] for at in range(0, len(FLOWING.pcm), 1_600)]
    result = await recognise(blocks, recognizer=engine, real_time=True)
    assert engine.refused == 3
    gaps = gaps_of(result)
    assert len(gaps) == 3
    assert all(first.to_ms <= then.from_ms for first, then in pairwise(gaps))
    assert sum(gap.to_ms - gap.from_ms for gap in gaps) < FLOWING.duration_ms / 2


async def test_a_stretch_whose_language_cannot_be_asked_for_is_still_heard() -> None:
    class OnlyIdentify(Poisoned):
        async def transcribe(
            self,
            window: AudioWindow,
            options: RecognitionOptions,
            *,
            deadline_ms: int = 0,
            priority: int = 0,
            stream: tuple[str, str] = ("", ""),
        ) -> Hypothesis:
            return await Listener.transcribe(
                self, window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
            )

    engine = OnlyIdentify(400)
    result = await recognise([FLOWING.pcm], recognizer=engine, language=None)
    assert engine.refused >= 1
    assert result.texts == FLOWING.texts
    assert not gaps_of(result)


async def test_an_engine_that_is_down_for_an_hour_loses_nothing() -> None:
    class Down(Listener):
        asked = 0

        async def transcribe(
            self,
            window: AudioWindow,
            options: RecognitionOptions,
            *,
            deadline_ms: int = 0,
            priority: int = 0,
            stream: tuple[str, str] = ("", ""),
        ) -> Hypothesis:
            self.asked += 1
            if asyncio.get_running_loop().time() < until_s:
                raise EngineDown("Down.")
            return await super().transcribe(
                window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
            )

    until_s = asyncio.get_running_loop().time() + 3_600
    engine = Down()
    result = await recognise([FLOWING.pcm], recognizer=engine)
    assert asyncio.get_running_loop().time() >= until_s
    assert engine.asked > 100
    assert result.texts == FLOWING.texts
    assert not gaps_of(result)
    assert [event.code for event in result.events if isinstance(event, StageFailed)] == [
        "engine_down"
    ]
