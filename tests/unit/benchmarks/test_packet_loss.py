"""The harness of packet loss: what it loses, and that each loss is told."""

import pytest

from benchmarks.corpora import RATE
from benchmarks.lossy_path import REPAIRS, Repair, lost_numbers, over_network, to_packets
from benchmarks.packet_loss import Point, table, verdict
from greffier_models.encoded import encode_speech
from greffier_models.types import Word

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("burst", [1.0, 3.0])
def test_as_many_are_lost_as_asked_for(burst: float) -> None:
    lost = lost_numbers(40_000, rate=0.05, burst=burst, seed=1)
    assert len(lost) / 40_000 == pytest.approx(0.05, rel=0.15)
    runs = sum(number - 1 not in lost for number in lost)
    assert len(lost) / runs == pytest.approx(burst, rel=0.15)
    assert lost == lost_numbers(40_000, rate=0.05, burst=burst, seed=1)
    assert not lost_numbers(1_000, rate=0.0, burst=burst, seed=1)


@pytest.fixture(scope="module")
def packets() -> list[bytes]:
    pcm = encode_speech((Word(" mot", 100, 400, 1.0),), duration_ms=4_000).astype("<i2").tobytes()
    made = to_packets(pcm)
    assert len(made) == len(pcm) // 2 // (RATE // 50)
    return made


@pytest.mark.parametrize("repair", ["silence", "bridged"])
def test_every_loss_is_a_gap_of_its_length(packets: list[bytes], repair: Repair) -> None:
    lost = lost_numbers(len(packets), rate=0.2, burst=2.0, seed=3)
    arrival = over_network(packets, lost, repair=repair)
    assert sum(gap.to_ms - gap.from_ms for gap in arrival.gaps) == 20 * len(lost)
    assert len(arrival.pcm) == 2 * 960 * len(packets)


def test_what_is_repaired_is_no_gap(packets: list[bytes]) -> None:
    lost = lost_numbers(len(packets), rate=0.1, burst=3.0, seed=3)
    missed = {
        repair: sum(
            gap.to_ms - gap.from_ms for gap in over_network(packets, lost, repair=repair).gaps
        )
        for repair in REPAIRS
    }
    assert missed["silence"] == missed["bridged"] == 20 * len(lost)
    runs = sum(number + 1 not in lost for number in lost)
    assert missed["redundant"] == 20 * (len(lost) - runs)  # the last of each run comes once more
    assert missed["resent"] <= missed["silence"] / 5


def test_the_curve_as_a_table_and_what_fails_it() -> None:
    clean = Point("bridged", 1.0, 0.0, 10.0, 100, 0, 0)
    bad = Point("bridged", 3.0, 5.0, 13.5, 100, 9, 540)
    good = Point("resent", 3.0, 5.0, 11.0, 100, 1, 20)
    silent = Point("silence", 3.0, 5.0, 20.0, 100, 9, 540)
    lines = table([clean, bad, good]).splitlines()
    assert lines[0] == "| lost | bridged, 3 in a row | resent, 3 in a row |"
    assert lines[2:] == ["| 0 % | 10.0 % | 10.0 % |", "| 5 % | 13.5 % | 11.0 % |"]
    assert verdict([clean, good, silent]) == []
    assert verdict([clean, bad]) == ["bridged, 3 in a row: 5 % of loss costs 3.5 points"]
