"""The pace of kept audio, on a clock of its own."""

import pytest

from greffier.catch_up import CatchUp
from greffier.protocol import Caption, Quality, QualityLevel

pytestmark = pytest.mark.unit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def play(pace: CatchUp, clock: Clock, *, seconds: float) -> float:
    """Send for so long; return the seconds of audio sent."""
    end, sent = clock.now + seconds, 0.0
    while clock.now < end:
        clock.now += pace.delay_s(500, waiting_ms=3_600_000)
        sent += 0.5
    return sent


def test_live_audio_is_never_delayed() -> None:
    clock = Clock()
    pace = CatchUp(most=4, clock=clock)
    assert [pace.delay_s(100, waiting_ms=200) for _ in range(100)] == [0.0] * 100


def test_it_grows_to_the_most_and_not_beyond() -> None:
    clock = Clock()
    pace = CatchUp(most=4, clock=clock)
    assert play(pace, clock, seconds=30) == pytest.approx(30 * 3.5, rel=0.15)
    assert pace.pace == 4
    assert play(pace, clock, seconds=30) == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize(
    "message", [Quality(1, "finals-only"), Caption(1, 1, 0, 1, "", "", lag_ms=30_000)]
)
def test_it_halves_when_the_server_is_behind_and_stays_above_real_time(
    message: Quality | Caption,
) -> None:
    clock = Clock()
    pace = CatchUp(most=4, clock=clock)
    play(pace, clock, seconds=30)
    pace.hear(message)
    assert pace.pace == 2
    for _ in range(5):
        clock.now += 10
        pace.hear(message)
    assert pace.pace == 1.25


@pytest.mark.parametrize(("level", "grows"), [("longer-hops", False), ("full", True)])
def test_it_does_not_grow_while_the_server_is_busy(level: QualityLevel, grows: bool) -> None:
    clock = Clock()
    pace = CatchUp(most=8, clock=clock)
    pace.hear(Quality(1, level))
    before = pace.pace
    play(pace, clock, seconds=20)
    assert (pace.pace > before) == grows
