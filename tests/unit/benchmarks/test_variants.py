"""Policies with their dials, in words."""

import pytest

from benchmarks.variants import DEFAULTS, FRONTIER, parse_variant
from greffier_server.core.alignatt import AlignAttSettings

pytestmark = pytest.mark.unit


def test_dials_are_set() -> None:
    variant = parse_variant("alignatt hop_ms=500 sure=0.8")
    assert variant.dials == AlignAttSettings(hop_ms=500, sure=0.8)
    assert variant.name == "alignatt hop_ms=500 sure=0.8"


@pytest.mark.parametrize(
    "text", ["whisper", "alignatt hop=500", "alignatt hop_ms=soon", "alignatt hop_ms"]
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"policy|dial|invalid literal"):
        parse_variant(text)


def test_names_are_told_apart() -> None:
    assert len({variant.name for variant in FRONTIER}) == len(FRONTIER)
    assert FRONTIER[: len(DEFAULTS)] == DEFAULTS
