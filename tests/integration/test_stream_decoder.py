"""Containers as they arrive: every kind, cut anywhere, damaged, hostile."""

import contextlib
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from greffier_server.media.containers import demuxer_of
from greffier_server.media.decoding import StreamDecoder, UndecodableAudio
from tests.support.containers import CONTAINERS, encoded, sine

pytestmark = pytest.mark.integration

RATE = 16_000


def decoded(pieces: list[bytes], *, channels: int = 1) -> NDArray[np.int16]:
    decoder = StreamDecoder(rate=RATE, channels=channels)
    try:
        made = [part for piece in pieces for part in decoder.feed(piece)]
        made += list(decoder.flush())
    finally:
        decoder.close()
    assert max((len(part) for part in made), default=0) <= 2 * RATE * channels
    return np.frombuffer(b"".join(made), "<i2").reshape(-1, channels)


def cut(whole: bytes, sizes: list[int]) -> list[bytes]:
    edges = [0, *(at for at in np.cumsum(sizes).tolist() if at < len(whole)), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_its_sound(name: str) -> None:
    sound = decoded([encoded(name)])[:, 0].astype(np.float64)
    # Codecs that lose something pad to whole frames at either end.
    assert len(sound) == pytest.approx(RATE, abs=0.08 * RATE)
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2] * np.hanning(RATE // 2)))
    assert 2 * int(np.argmax(spectrum)) == pytest.approx(440, abs=2)
    loud = float(np.sqrt(np.mean(sound[RATE // 4 : RATE // 2] ** 2)))
    assert loud == pytest.approx(16_384 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("name", ["flac", "wav"])
def test_what_is_without_loss_stays_so(name: str) -> None:
    rate = CONTAINERS[name][2]
    decoder = StreamDecoder(rate=rate)
    made = b"".join([*decoder.feed(encoded(name)), *decoder.flush()])
    decoder.close()
    sound = np.frombuffer(made, "<i2")
    expected = np.rint(sine(440, 1.0, rate=rate)[:, 0] * 32_768)
    assert np.abs(sound - expected).max() <= 1


@pytest.mark.parametrize("name", ["webm-opus", "ogg-opus", "mp4-fragmented"])
def test_live_containers_give_sound_before_their_end(name: str) -> None:
    """As of MediaRecorder: what was sent so far can be recognised."""
    whole = encoded(name, seconds=3.0)
    decoder = StreamDecoder(rate=RATE)
    early = b"".join(decoder.feed(whole[: len(whole) * 2 // 3]))
    decoder.close()
    assert len(early) > 2 * RATE


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_cuts_do_not_matter(data: st.DataObject) -> None:
    whole = encoded(data.draw(st.sampled_from(sorted(CONTAINERS))), seconds=0.3)
    sizes = data.draw(st.lists(st.integers(1, 3_000), max_size=8))
    assert np.array_equal(decoded(cut(whole, sizes)), decoded([whole]))


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damage_is_an_error_or_sound_never_a_crash(data: st.DataObject) -> None:
    whole = bytearray(encoded(data.draw(st.sampled_from(sorted(CONTAINERS))), seconds=0.3))
    noise = random.Random(data.draw(st.integers(0, 1 << 32)))
    for _ in range(data.draw(st.integers(1, 30))):
        whole[noise.randrange(12, len(whole))] = noise.randrange(256)
    end = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(UndecodableAudio):
        assert len(decoded([bytes(whole[:end]), bytes(whole[:end])])) < 60 * RATE


@given(junk=st.binary(max_size=4_000), magic=st.sampled_from([b"OggS", b"\x1aE\xdf\xa3", b"fLaC"]))
@settings(max_examples=25, deadline=None)
def test_junk_behind_a_good_beginning(junk: bytes, magic: bytes) -> None:
    with contextlib.suppress(UndecodableAudio):
        assert len(decoded([magic + junk])) < 60 * RATE


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<?xml version='1.0'?><MPD></MPD>",
        b"\x89PNG\r\n\x1a\n0000",
        b"just words and nothing else",
    ],
)
def test_what_could_open_other_files_is_never_opened(head: bytes) -> None:
    assert demuxer_of(head) is None
    with pytest.raises(UndecodableAudio, match="known"):
        decoded([head])


def test_a_codec_that_nobody_knows_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Refused, and not as a fault of ours in the log."""
    unknown = encoded("webm-opus", seconds=0.3).replace(b"A_OPUS", b"A_NONE")
    with pytest.raises(UndecodableAudio, match="codec"):
        decoded([unknown])
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_preamble_without_end_is_given_up() -> None:
    head = b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(65_000)
    with pytest.raises(UndecodableAudio):
        decoded([head, *[bytes(65_000)] * 200])


def test_a_flood_of_silence_waits_until_it_is_taken() -> None:
    """A little FLAC is much silence: it comes a second at a time, and no more is held."""
    whole = encoded("flac", seconds=60.0, hz=0.0)
    assert len(whole) < 200_000
    decoder = StreamDecoder(rate=RATE)
    pieces = decoder.feed(whole)
    assert len(next(pieces)) <= 2 * RATE
    decoder.close()


def test_stereo_is_kept_or_mixed() -> None:
    whole = encoded("flac", channels=2)
    assert decoded([whole], channels=2).shape[1] == 2
    assert decoded([whole]).shape[1] == 1
    with pytest.raises(UndecodableAudio, match="2 channels"):
        decoded([whole], channels=3)


def test_too_little_is_said_to_be() -> None:
    with pytest.raises(UndecodableAudio, match="short"):
        decoded([b"OggS"])
    assert len(decoded([])) == 0
