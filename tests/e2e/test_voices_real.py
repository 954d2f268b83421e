"""Real speech at the rate of telephones, through a protocol that telephones speak.

That each client has the native words, in French and English, is in `test_same_text`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from greffier_server.child import ChildServer
from tests.support.served_process import clip, error_rate
from tests.support.voices import pieces, speak_deepgram
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("voices"), settings=settings) as running:
        yield running


async def test_telephone_audio_is_understood(server: ChildServer) -> None:
    spoken = clip("radio-en", turns=2)
    narrow = _mulaw(np.frombuffer(spoken.pcm, dtype="<i2")[::2])
    talk = await speak_deepgram(
        server.port, pieces(narrow, 800), language="en", encoding="mulaw", sample_rate=8_000
    )
    assert error_rate(spoken.text, talk.text, language="en") < 0.6


def _mulaw(pcm: Any) -> bytes:
    """ITU-T G.711, by the formula."""
    sample = np.clip(pcm.astype(np.int32), -32_635, 32_635)
    magnitude = np.abs(sample) + 0x84
    exponent = np.clip(np.floor(np.log2(magnitude)).astype(np.int32) - 7, 0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
