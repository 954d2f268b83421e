"""The header of a WAV file, in pieces of any size."""

import io
import struct
import wave

import pytest

from greffier.protocol import AudioFormat
from greffier_server.errors import UnsupportedAudio
from greffier_server.transport.aligning import Aligner
from greffier_server.transport.deepgram.wav import UndecodableAudio, WavHeader

pytestmark = pytest.mark.unit

SAMPLES = bytes(range(200)) * 2


def riff(*chunks: tuple[bytes, bytes], sizes: dict[bytes, int] | None = None) -> bytes:
    """A file of these chunks; `sizes` are what it says of them."""
    body = b"WAVE"
    for name, content in chunks:
        said = (sizes or {}).get(name, len(content))
        body += name + struct.pack("<I", said) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def fmt(kind: int, bits: int, *, channels: int = 1, rate: int = 8_000, rest: bytes = b"") -> bytes:
    return struct.pack("<HHIIHH", kind, channels, rate, 0, 0, bits) + rest


def read(file: bytes, step: int) -> tuple[AudioFormat | None, bytes]:
    header = WavHeader()
    samples = b"".join(header.feed(file[at : at + step]) for at in range(0, len(file), step))
    return header.format, samples


@pytest.mark.parametrize("step", [1, 7, 44, 100_000])
def test_the_samples_are_found_whatever_the_pieces(step: int) -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((2, 2, 44_100, 0, "NONE", ""))
        file.writeframes(SAMPLES)
    form, samples = read(out.getvalue(), step)
    assert form == AudioFormat("pcm_s16le", 44_100, 2)
    assert samples == SAMPLES


@pytest.mark.parametrize(
    ("chunk", "encoding"),
    [
        (fmt(3, 32), "pcm_f32le"),
        (fmt(6, 8), "alaw"),
        (fmt(7, 8), "mulaw"),
        (fmt(0xFFFE, 16, rest=struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)), "pcm_s16le"),
    ],
)
def test_known_encodings(chunk: bytes, encoding: str) -> None:
    file = riff((b"LIST", b"odd"), (b"fmt ", chunk), (b"data", SAMPLES), (b"id3 ", b"after"))
    form, samples = read(file, 5)
    assert form is not None
    assert form.encoding == encoding
    assert samples == SAMPLES


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_file_that_does_not_know_its_length_goes_on(size: int) -> None:
    file = riff((b"fmt ", fmt(1, 16)), (b"data", SAMPLES), sizes={b"data": size})
    assert read(file, 11)[1] == SAMPLES


@pytest.mark.parametrize(
    "file",
    [
        b"no container" + bytes(60),
        b"RIFF\0\0\0\0AVI " + bytes(60),
        riff((b"data", SAMPLES)),
        riff((b"fmt ", b"short"), (b"data", SAMPLES)),
        riff((b"junk", bytes(70_000))),
    ],
)
def test_what_is_no_wav_file_is_refused(file: bytes) -> None:
    with pytest.raises(UndecodableAudio):
        read(file, 4_096)


@pytest.mark.parametrize("chunk", [fmt(1, 24), fmt(1, 8), fmt(0x55, 16)])
def test_other_encodings_are_refused(chunk: bytes) -> None:
    with pytest.raises(UnsupportedAudio):
        read(riff((b"fmt ", chunk), (b"data", SAMPLES)), 4_096)


@pytest.mark.parametrize("step", [1, 3, 5, 4_096])
def test_samples_torn_apart_are_put_together(step: int) -> None:
    aligner = Aligner(4)
    pieces = [aligner.whole(SAMPLES[at : at + step]) for at in range(0, len(SAMPLES), step)]
    assert b"".join(pieces) == SAMPLES
    assert all(len(piece) % 4 == 0 for piece in pieces)
