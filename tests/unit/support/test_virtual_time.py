"""The virtual clock jumps over waiting, keeps timers in order and never overtakes a thread."""

import asyncio
import threading
import time

import pytest

from tests.support import virtual_time
from tests.support.virtual_time import run

pytestmark = pytest.mark.unit


def test_an_hour_of_sleep_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(main()) == pytest.approx(3600)  # pyright: ignore[reportUnknownMemberType]
    assert time.monotonic() - began < 60


def test_timers_fire_in_order_of_their_time() -> None:
    fired: list[str] = []

    async def after(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        fired.append(name)

    async def main() -> None:
        await asyncio.gather(after(20, "last"), after(5, "first"), after(10, "second"))

    run(main())
    assert fired == ["first", "second", "last"]


def test_a_timeout_does_not_overtake_a_thread() -> None:
    release = threading.Event()

    async def main() -> str:
        asyncio.get_running_loop().call_later(0, release.set)
        async with asyncio.timeout(1):
            await asyncio.to_thread(release.wait)
        return "thread first"

    assert run(main()) == "thread first"


def test_a_timeout_fires_when_nothing_else_happens() -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(main())


def test_waiting_for_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "HANG_WAIT_S", 0.01)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="a hang"):
        run(main())


@pytest.mark.virtual_time
async def test_the_marker_gives_the_loop() -> None:
    await asyncio.sleep(86_400)
    assert isinstance(asyncio.get_running_loop(), virtual_time.VirtualTimeLoop)
