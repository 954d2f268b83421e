"""A session as the page of its record shows it."""

import pytest

from greffier_server.core.events import GapFound
from greffier_server.core.record import record_of
from tests.support.archived import Said, said
from tests.support.minuted import state_of

pytestmark = pytest.mark.unit


def test_short_gaps_are_one_stretch_that_says_what_is_lost() -> None:
    lost = [GapFound(at_ms, at_ms + 20, "packet_loss", 1) for at_ms in range(1_000, 5_000, 500)]
    record = record_of(state_of(*lost, GapFound(9_000, 9_500, "packet_loss", 1)))
    assert [(gap["from_ms"], gap["to_ms"], gap["lost_ms"]) for gap in record["gaps"]] == [
        (1_000, 4_520, 160),
        (9_000, 9_500, 500),
    ]
    assert {(gap["cause"], gap["channel"]) for gap in record["gaps"]} == {("packet_loss", 1)}


def test_a_record_is_told_in_pages() -> None:
    events = [said(n, Said(3_000 * n, f"Phrase {n} du débat.", "1")) for n in range(1, 8)]
    state = state_of(*(event for each in events for event in each))
    whole = record_of(state)
    first = record_of(state, limit=3)
    assert {**first, "segments": whole["segments"]} == whole
    told = first["segments"]
    while len(told) < first["count"]:
        page = record_of(state, skip=len(told), limit=3)
        assert set(page) == {"seq", "count", "segments"}
        told += page["segments"]
    assert told == whole["segments"]
    assert record_of(state, skip=7)["segments"] == []
    assert [one["id"] for one in record_of(state, since=6)["segments"]] == [6, 7]
