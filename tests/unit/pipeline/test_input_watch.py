"""When the input of a client that is gone, silent or endless is over."""

import pytest

from greffier_server.pipeline.input_watch import InputWatch, SessionLimits

pytestmark = pytest.mark.unit

LIMITS = SessionLimits(grace_s=10, idle_s=60, max_hours=1, spool_grace_s=1_000)


def _look(
    watch: InputWatch, now_s: float, *, accepted: int = 0, held: bool = True, held_up: bool = False
) -> tuple[str | None, float]:
    return watch.look(
        now_s, accepted=accepted, audio_s=accepted / 32_000, held=held, held_up=held_up
    )


def test_audio_is_a_sign_of_life() -> None:
    watch = InputWatch(LIMITS, spooled=False, now_s=100)
    assert _look(watch, 100) == (None, 60)
    assert _look(watch, 150, accepted=32_000) == (None, 60)
    assert _look(watch, 209, accepted=32_000) == (None, 1)
    assert _look(watch, 210, accepted=32_000) == ("timeout", 0)


def test_who_is_made_to_wait_is_not_idle() -> None:
    watch = InputWatch(LIMITS, spooled=False, now_s=0)
    assert _look(watch, 59, held_up=True) == (None, 60)
    assert _look(watch, 118) == (None, 1)


def test_a_client_that_went_away_has_the_grace_time() -> None:
    watch = InputWatch(LIMITS, spooled=False, now_s=0)
    assert _look(watch, 5, accepted=32_000) == (None, 60)
    assert _look(watch, 50, accepted=32_000, held=False) == (None, 10)
    assert _look(watch, 60, accepted=32_000, held=False) == ("vanished", 0)


def test_a_spool_is_waited_for_longer_once_it_has_sent_audio() -> None:
    watch = InputWatch(LIMITS, spooled=True, now_s=0)
    assert _look(watch, 0, held=False) == (None, 10)
    assert _look(watch, 1, accepted=32_000) == (None, 60)
    assert _look(watch, 2, accepted=32_000, held=False) == (None, 1_000)
    assert _look(watch, 1_002, accepted=32_000, held=False) == ("vanished", 0)


def test_a_session_has_an_end() -> None:
    watch = InputWatch(LIMITS, spooled=False, now_s=0)
    for minute in range(60):
        assert _look(watch, 60 * minute, accepted=minute + 1)[0] is None
    assert _look(watch, 3_600, accepted=100) == ("limit", 0)


def test_the_length_of_a_spooled_session_is_that_of_its_audio() -> None:
    watch = InputWatch(LIMITS, spooled=True, now_s=0)
    assert _look(watch, 10_000, accepted=32_000 * 3_599)[0] is None
    assert _look(watch, 10_001, accepted=32_000 * 3_600) == ("limit", 0)
