"""The measurement of what other protocols cost: all of them tell the same text."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.acks import server_of_fakes
from benchmarks.adapters import NATIVE, PROTOCOLS, compare
from greffier_models.encoded import encode_speech
from greffier_models.types import Word

pytestmark = pytest.mark.integration


def test_every_protocol_tells_the_same(tmp_path: Path) -> None:
    words = [Word(" one", 100, 400, 1.0), Word(" two.", 500, 900, 1.0)]
    pcm = encode_speech(words, duration_ms=2_500).astype("<i2").tobytes()
    with server_of_fakes(tmp_path, sessions=2) as server:
        costs, texts = asyncio.run(
            compare(server, pcm, protocols=list(PROTOCOLS), sessions=2, rounds=1, pace=50.0)
        )
    assert texts == {name: {"one two."} for name in PROTOCOLS}
    assert costs.keys() == PROTOCOLS.keys()
    assert NATIVE in costs
