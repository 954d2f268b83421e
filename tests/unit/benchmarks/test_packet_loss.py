"""The harness of packet loss: what it loses, and that each loss is told."""

import pytest

from benchmarks.corpora import RATE
from benchmarks.packet_loss import lost_numbers, over_network, to_packets
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


def test_every_loss_is_a_gap_of_its_length() -> None:
    pcm = encode_speech((Word(" mot", 100, 400, 1.0),), duration_ms=2_000).astype("<i2").tobytes()
    packets = to_packets(pcm)
    assert len(packets) == len(pcm) // 2 // (RATE // 50)
    lost = lost_numbers(len(packets), rate=0.2, burst=2.0, seed=3)
    arrival = over_network(packets, lost)
    assert sum(gap.to_ms - gap.from_ms for gap in arrival.gaps) == 20 * len(lost)
    assert len(arrival.pcm) == 2 * 960 * len(packets)
