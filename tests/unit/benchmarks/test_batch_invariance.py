"""The measurement behind ADR 0024 can find what it looks for."""

from collections.abc import Sequence

import pytest

from benchmarks.batch_invariance import Asked, compare, requests_of
from greffier_models.fakes import FakeRecognizer
from greffier_models.types import Hypothesis
from tests.support.recordings import recording_of

pytestmark = pytest.mark.unit

PCM = recording_of([(90, 310)] * 100).pcm


class _Neighbourly(FakeRecognizer):
    """Drops the last word of whatever is decoded together with something else."""

    def decode(self, batch: Sequence[Asked]) -> Sequence[Hypothesis]:
        found = super().decode(batch)
        if len(batch) == 1:
            return found
        return [Hypothesis(each.words[:-1], each.language) for each in found]


def test_batches_are_compared_with_single_decodes() -> None:
    asked = requests_of(PCM, FakeRecognizer(), count=9, languages=["en"])
    assert {bool(options.prefix) for _, options in asked} == {True, False}
    even = compare(FakeRecognizer(), asked, batch=2)
    assert (even.windows, even.different, even.other_words) == (8, 0, 0)
    uneven = compare(_Neighbourly(), asked, batch=4)
    assert (uneven.windows, uneven.different, uneven.other_words) == (8, 8, 8)
