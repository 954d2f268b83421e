"""How an engine is started again, and when it counts as down."""

import asyncio
from collections.abc import Sequence

import pytest

from greffier_models.errors import EngineDied, EngineError, EngineUnavailable
from greffier_models.revival import Revival, RevivalSettings

pytestmark = pytest.mark.unit


class Starts:
    """Answers each start with the next outcome; the last one stays."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self._outcomes = list(outcomes)
        self.slept: list[float] = []
        self.told: list[str] = []
        self.refusals = 0

    def __call__(self) -> None:
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if outcome is not None:
            raise outcome

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def refuse(self) -> None:
        self.refusals += 1

    def revival(self, **settings: float) -> Revival:
        return Revival(
            self,
            settings=RevivalSettings(first_s=1, longest_s=5, down_after=3, **settings),  # type: ignore[arg-type]
            told=self.told.append,
            sleep=self.sleep,
        )


async def test_the_first_start_is_at_once() -> None:
    starts = Starts(None)
    revival = starts.revival()
    await revival.revive("died", refuse=starts.refuse)
    assert starts.slept == []
    assert starts.told == ["died"]
    condition = revival.condition
    assert (condition.state, condition.cause, condition.restarts) == ("up", "died", 1)


async def test_further_starts_wait_longer_and_longer_and_the_engine_is_down() -> None:
    starts = Starts(EngineDied("", cause="stalled"), EngineError(""), *[EngineDied("")] * 3, None)
    revival = starts.revival()
    await revival.revive("silent", refuse=starts.refuse)
    assert starts.slept == [1, 2, 4, 5, 5]
    assert starts.told == ["silent", "stalled", "engine_failed", "died", "died", "died"]
    assert starts.refusals == 4
    assert not revival.hopeless, "a process runs: it may be asked"
    assert revival.condition.state == "down", "nothing was answered yet"
    revival.answered()
    assert revival.condition.state == "up"


async def test_deaths_without_an_answer_in_between_add_up() -> None:
    starts = Starts(None)
    revival = starts.revival()
    for _ in range(3):
        await revival.revive("died", refuse=starts.refuse)
    assert revival.condition.state == "down"
    revival.answered()
    await revival.revive("died", refuse=starts.refuse)
    assert revival.condition.state == "up"
    assert starts.slept == [1, 2]


async def test_one_that_lives_long_has_recovered_though_nobody_asked() -> None:
    starts = Starts(None)
    revival = starts.revival(steady_s=0)
    for _ in range(4):
        await revival.revive("died", refuse=starts.refuse)
    assert revival.condition.state == "up"
    assert starts.slept == []
    assert starts.refusals == 0


async def test_a_closed_engine_is_not_started() -> None:
    starts = Starts(EngineUnavailable("closed"))
    revival = starts.revival()
    with pytest.raises(EngineUnavailable):
        await revival.revive("died", refuse=starts.refuse)
    assert not revival.hopeless


async def test_while_it_starts_it_is_said_to() -> None:
    starts = Starts(EngineDied(""), None)
    waiting = asyncio.Event()
    states: Sequence[str] = []

    async def sleep(seconds: float) -> None:
        del seconds
        await waiting.wait()

    revival = Revival(starts, sleep=sleep)
    task = asyncio.create_task(revival.revive("died", refuse=starts.refuse))
    await asyncio.sleep(0)
    states = [revival.condition.state]
    waiting.set()
    await task
    assert [*states, revival.condition.state] == ["restarting", "up"]
