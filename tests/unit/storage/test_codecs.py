"""Codings of audio: what comes back is what went in, and nonsense is refused."""

import random

import numpy as np
import pytest

from greffier_server.storage import codecs

pytestmark = pytest.mark.unit

TONE = (np.sin(np.arange(16_000) / 20) * 9_000).astype("<i2").tobytes()
FLOATS = (np.frombuffer(TONE, "<i2") / 32_768).astype("<f4").tobytes()
EXTREMES = np.array([-32_768, 32_767] * 5_000, "<i2").tobytes()


@pytest.mark.parametrize("codec", range(5))
@pytest.mark.parametrize(
    "audio",
    [b"", b"x", b"xy", b"xyz", TONE, TONE[:-1], TONE[1:], FLOATS, EXTREMES, bytes(65_536)]
    + [random.Random(size).randbytes(size) for size in (5, 4_097, 65_535)],
)
def test_every_coding_gives_back_every_byte(codec: int, audio: bytes) -> None:
    used, packed = codecs.encode(audio, codec)
    assert used in {codecs.RAW, codec}
    assert len(packed) <= len(audio)
    assert codecs.decode(packed, used, length=len(audio)) == audio


def test_each_kind_of_audio_gets_its_coding() -> None:
    stereo = np.repeat(np.frombuffer(TONE, "<i2"), 2).tobytes()
    assert codecs.best_codec([TONE]) in {3, 4}
    assert codecs.best_codec([stereo]) == 4
    assert codecs.best_codec([FLOATS]) == 2
    assert codecs.encode(random.Random(0).randbytes(5_000), 1)[0] == codecs.RAW
    assert codecs.best_codec([]) in range(5)


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("packed", [b"", b"junk", bytes(40), b"\x22\x00\xff\xff" + bytes(90)])
def test_what_is_no_coding_is_refused(codec: int, packed: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        codecs.decode(packed, codec, length=1_000)


def test_a_bomb_does_not_unfold() -> None:
    for codec in (1, 2, 3, 4):
        _, packed = codecs.encode(bytes(65_536), codec)
        for length in (0, 100, 65_532, 65_540):
            with pytest.raises(ValueError, match=r".+"):
                codecs.decode(packed, codec, length=length)
