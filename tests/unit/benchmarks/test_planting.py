from collections import Counter

import pytest

from benchmarks.invariants import measure
from benchmarks.planting import FAULTS, load_pairs, plant

pytestmark = pytest.mark.unit


def test_planted_errors_are_found_and_correct_translations_left_alone():
    pairs = load_pairs()[::3]  # a third, of both directions; `python -m benchmarks.invariants`: all
    result = measure(pairs)
    assert result["planted"] >= 200
    assert result["found_share"] >= 0.95
    assert result["false_alarm_share"] <= 0.05


def test_every_fault_is_planted_and_changes_the_text():
    pairs = load_pairs()
    planted = Counter(wrong.fault for wrong in plant(pairs))
    assert set(planted) == set(FAULTS)
    assert min(planted.values()) >= 8
    targets = {pair.target for pair in pairs}
    assert not [wrong for wrong in plant(pairs) if wrong.pair.target in targets]
