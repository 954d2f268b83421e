"""The watch over a model's process: who is ended, and who is not."""

import asyncio

import pytest

from greffier_models.llm.pulse import Pulse

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]


class Process:
    """Answers as told: at once, late, never, or not at all reachable."""

    def __init__(self, *answers: float | None) -> None:
        self.answers = list(answers)
        self.looks = 0
        self.ended_at: list[float] = []

    async def look(self) -> None:
        after_s = self.answers[min(self.looks, len(self.answers) - 1)]
        self.looks += 1
        if after_s is None:
            raise OSError
        await asyncio.sleep(after_s)

    async def end(self) -> None:
        self.ended_at.append(asyncio.get_running_loop().time())

    def pulse(self) -> Pulse:
        return Pulse(self.look, self.end, every_s=5.0, answer_s=10.0)


@pytest.mark.parametrize(
    ("answers", "ended_at"),
    [
        ((0.1,), []),
        ((9.0,), []),
        ((60.0,), [45.0]),
        ((None,), [15.0, 30.0, 45.0]),
        ((60.0, 60.0, 0.0, 60.0, 60.0, 0.0), []),
    ],
    ids=["at once", "slow", "never", "gone", "now and then"],
)
async def test_silence_three_times_in_a_row_ends_it(
    answers: tuple[float | None, ...], ended_at: list[float]
) -> None:
    process = Process(*answers)
    async with process.pulse().watched():
        await asyncio.sleep(50.0)
    assert process.ended_at == ended_at


async def test_nobody_looks_while_nobody_waits() -> None:
    process = Process(0.0)
    pulse = process.pulse()
    await asyncio.sleep(20.0)
    async with pulse.watched(), pulse.watched():
        await asyncio.sleep(12.0)
    assert process.looks == 2  # together, not each
    await asyncio.sleep(20.0)
    assert process.looks == 2
    async with pulse.watched():
        await asyncio.sleep(7.0)
    assert process.looks == 3
