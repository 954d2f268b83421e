"""The benchmark of acknowledgements and idle sessions, small: the bars are for a quiet machine."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.acks import feed, idle, server_of_fakes
from benchmarks.lag import percentile

pytestmark = pytest.mark.integration


def test_everything_is_acknowledged_and_soon(tmp_path: Path) -> None:
    with server_of_fakes(tmp_path, sessions=10) as server:
        fed = asyncio.run(feed(server, sessions=10, seconds=3.0))
    assert fed.unacknowledged_ms == 0
    assert len(fed.latencies_ms) == 10 * 30
    assert percentile(fed.latencies_ms, 95) <= 2_000


def test_idle_sessions_cost_next_to_nothing(tmp_path: Path) -> None:
    with server_of_fakes(tmp_path, sessions=50) as server:
        cost = asyncio.run(idle(server, sessions=50, seconds=2.5))
    assert cost.cpu_percent <= 4.0
    assert cost.memory_mb <= 1.0
