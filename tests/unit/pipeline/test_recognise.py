"""The recognition loop when the engine fails."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from greffier_models.errors import EngineError, EngineUnavailable
from greffier_models.fakes import FakeRecognizer
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.events import (
    GapFound,
    LanguageDetected,
    QualityChanged,
    RecognitionFinished,
    StageFailed,
)
from tests.support.recordings import Listener, recognise, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

SPEECH = recording_of([(30, 300)] * 40, end_ms=1_000)
LONG = recording_of([(30, 300)] * 200, end_ms=1_000)


class _Failing(Listener):
    """Fails as told, then listens."""

    def __init__(self, error: EngineError, *, times: int, after: int = 0) -> None:
        super().__init__()
        self._error = error
        self._after = after
        self._left = times
        self.deadlines: list[int] = []

    def _trip(self, deadline_ms: int) -> None:
        self.deadlines.append(deadline_ms)
        if self._after:
            self._after -= 1
        elif self._left:
            self._left -= 1
            raise self._error

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        self._trip(deadline_ms)
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
        self._trip(deadline_ms)
        return await super().identify(
            window, candidates, deadline_ms=deadline_ms, priority=priority, stream=stream
        )


async def test_a_passing_failure_is_recorded_once_and_loses_nothing() -> None:
    engine = _Failing(EngineUnavailable("Gone."), times=9, after=1)
    result = await recognise([LONG.pcm], recognizer=engine)
    assert result.texts == LONG.texts
    failures = [event for event in result.events if isinstance(event, StageFailed)]
    assert failures == [StageFailed("recognise", "engine_unavailable", "Gone.", retryable=True)]
    assert not [event for event in result.events if isinstance(event, GapFound)]


async def test_each_spell_of_failures_is_recorded() -> None:
    class Flaky(_Failing):
        def _trip(self, deadline_ms: int) -> None:
            super()._trip(deadline_ms)
            if len(self.deadlines) % 2:
                raise EngineUnavailable("Gone.")

    flaky = Flaky(EngineError("No."), times=0)
    result = await recognise([SPEECH.pcm], recognizer=flaky)
    assert result.texts == SPEECH.texts
    failures = [event for event in result.events if isinstance(event, StageFailed)]
    assert len(failures) * 2 == len(flaky.deadlines) > 2


async def test_a_closing_window_that_cannot_be_decoded_is_a_gap_and_life_goes_on() -> None:
    words = recording_of([(0, 300), (30, 300), (2_000, 300), (30, 300)], end_ms=1_000)
    engine = _Failing(EngineError("Broken."), times=4)
    result = await recognise([words.pcm], recognizer=engine)
    assert result.texts == words.texts[2:]
    gaps = [event for event in result.events if isinstance(event, GapFound)]
    assert [gap.cause for gap in gaps] == ["engine_failed"]
    assert gaps[0].from_ms == 0
    assert words.words[1].end_ms <= gaps[0].to_ms <= words.words[2].start_ms


async def test_a_gap_never_covers_what_is_committed() -> None:
    engine = _Failing(EngineError("Broken."), times=1_000, after=1)
    result = await recognise([SPEECH.pcm], recognizer=engine)
    assert result.texts
    assert result.texts == SPEECH.texts[: len(result.texts)]
    (gap,) = [event for event in result.events if isinstance(event, GapFound)]
    assert gap.from_ms == result.words[-1].end_ms
    assert SPEECH.words[-1].end_ms <= gap.to_ms <= SPEECH.duration_ms


async def test_an_engine_that_never_answers_still_lets_the_session_end() -> None:
    engine = _Failing(EngineError("Broken."), times=100_000)
    result = await recognise([LONG.pcm], recognizer=engine)
    assert result.texts == []
    assert isinstance(result.events[-1], RecognitionFinished)
    gaps = [event for event in result.events if isinstance(event, GapFound)]
    assert gaps[0].from_ms == 0
    assert gaps[-1].to_ms >= LONG.words[-1].end_ms
    for gap, following in itertools.pairwise(gaps):
        assert following.from_ms <= gap.to_ms, "what lies between two gaps was not decoded either"


async def test_a_language_that_cannot_be_detected_is_not_claimed() -> None:
    engine = _Failing(EngineError("Broken."), times=4)
    result = await recognise([SPEECH.pcm], recognizer=engine, language=None)
    assert result.texts == SPEECH.texts
    found = [event for event in result.events if isinstance(event, LanguageDetected)]
    assert found[0].probability == 0.0


async def test_deadlines_are_on_a_clock_that_all_sessions_share() -> None:
    """On each session's own clock a new session would always come before an old one."""
    old, new = _Failing(EngineError(""), times=0), _Failing(EngineError(""), times=0)
    first = asyncio.create_task(_paced(old, turns=60))
    await asyncio.sleep(30)
    await _paced(new, turns=10)
    await first
    during = [deadline for deadline in old.deadlines if deadline >= new.deadlines[0]]
    assert during
    assert during[0] <= new.deadlines[-1]


async def _paced(engine: Listener, *, turns: int) -> None:
    speech = recording_of([(0, 1_000)] * turns).pcm
    chunks = [speech[at : at + 16_000] for at in range(0, len(speech), 16_000)]
    await recognise(chunks, recognizer=engine, real_time=True)


async def test_a_backlog_lowers_quality_and_its_end_restores_it() -> None:
    pcm = LONG.pcm
    rest = [pcm[at : at + 8_000] for at in range(320_000, len(pcm), 8_000)]
    chunks = [pcm[:320_000], *rest]
    result = await recognise(chunks, recognizer=Listener(FakeRecognizer()), real_time=True)
    levels = [event.level for event in result.events if isinstance(event, QualityChanged)]
    assert levels == ["finals-only", "longer-hops", "full"]
