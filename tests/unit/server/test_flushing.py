"""Words are decided while the stream goes on, and the client's clock knows nothing of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import AudioFormat, Start
from greffier_server.transport.flushing import SILENCE_MS, ClientClock, Flusher
from greffier_server.transport.guest import welcome
from greffier_server.transport.refusals import TooManyFrames
from tests.unit.server.test_guest import doorway

pytestmark = pytest.mark.unit


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 2_000)), max_size=6),
    st.lists(st.integers(0, 50_000), min_size=2, max_size=20),
)
def test_the_clients_time_never_goes_back_and_skips_what_was_added(
    steps: list[tuple[int, int]], times: list[int]
) -> None:
    clock = ClientClock()
    at, silent = 0, set[int]()
    for step, length in steps:
        at += step
        clock.add(at, length)
        silent |= set(range(at, at + length))
        at += length
    for time in times:
        assert clock.client_ms(time) == time - sum(1 for ms in silent if ms < time)
    ordered = [clock.client_ms(time) for time in sorted(times)]
    assert ordered == sorted(ordered)


async def test_silence_is_added_once_and_only_behind_something_new() -> None:
    door, desk = doorway()
    async with welcome(
        door, "default", Start(format=AudioFormat("mulaw", 8_000)), protocol="test"
    ) as guest:
        clock = ClientClock()
        flusher = Flusher(guest, clock)
        session = desk.sessions[guest.session.id]
        await flusher.flush()
        assert not session.audio  # nothing was said
        await guest.push(bytes(800))
        await flusher.flush()
        await flusher.flush()
        assert session.audio == bytes(800) + b"\xff" * (8 * SILENCE_MS)
        assert clock.client_ms(flusher.accepted_ms) == 100


async def test_a_client_that_flushes_without_end_is_refused() -> None:
    door, _ = doorway()
    async with welcome(door, "default", Start(), protocol="test") as guest:
        clock = ClientClock()
        for at in range(10_000):
            clock.add(at, 1)
        await guest.push(bytes(3_200))
        with pytest.raises(TooManyFrames):
            await Flusher(guest, clock).flush()
