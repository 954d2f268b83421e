"""Every decoder that a stranger's bytes reach, as something that any bytes may be thrown at.

Each runs one example and raises only where the decoder broke its word: it gives sound of a bounded
length, or one of its own errors.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, get_args

import numpy as np
from hypothesis import strategies as st

from greffier.codec import decode_client, decode_server
from greffier.errors import MalformedFrame
from greffier.protocol import AudioFormat, Encoding
from greffier_server.core.audio import KEPT_ENCODINGS, decode_channels
from greffier_server.errors import BadRequest
from greffier_server.media.codecs import OpusDecoder, decode_g711, decode_linear
from greffier_server.media.containers import demuxer_of
from greffier_server.media.conversion import UndecodableAudio
from greffier_server.media.decoding import StreamDecoder
from greffier_server.media.rtp import RtpPacket, parse_rtp
from greffier_server.media.timeline import Decode
from greffier_server.media.tracks import Track, Tracks
from greffier_server.transport.deepgram.wav import WavHeader
from greffier_server.transport.frames import ClientGone
from greffier_server.transport.intake import Intake, kept_format
from greffier_server.transport.whip.sdp import parse_fragment, parse_offer
from greffier_server.transport.wyoming.wire import MAX_LINE_BYTES, read_event
from tests.support.containers import CONTAINERS
from tests.support.containers import encoded as container
from tests.support.fuzz_frames import bent_bytes
from tests.support.fuzz_sockets import SOCKETS, wyoming_streams

__all__ = ["DECODERS", "OFFER", "Decoder"]

Decoder: TypeAlias = tuple[st.SearchStrategy[Any], Callable[[Any], None]]
"""What is thrown, and at what."""

_RATE: Final = 16_000
_LONGEST_S: Final = 60
_FRAME_BYTES: Final = {"pcm_s16": 2, "pcm_s24": 3, "pcm_s32": 4, "pcm_f32": 4}


@st.composite
def _damaged(draw: st.DrawFn, name: str) -> list[bytes]:
    """A container with noise in it, cut anywhere, in pieces."""
    whole = bytearray(container(name, seconds=0.3))
    noise = random.Random(draw(st.integers(0, 1 << 32)))
    for _ in range(draw(st.integers(0, 30))):
        whole[noise.randrange(12, len(whole))] = noise.randrange(256)
    end = draw(st.integers(0, len(whole)))
    sound = bytes(whole[:end]) + draw(st.binary(max_size=60))
    sizes = draw(st.lists(st.integers(1, 3_000), max_size=6))
    pieces: list[bytes] = []
    for size in sizes:
        pieces, sound = [*pieces, sound[:size]], sound[size:]
    return [*pieces, sound]


def _container(pieces: list[bytes]) -> None:
    decoder = StreamDecoder(rate=_RATE)
    length = 0
    try:
        with contextlib.suppress(UndecodableAudio):
            for piece in pieces:
                length += sum(map(len, decoder.feed(piece)))
            length += sum(map(len, decoder.flush()))
    finally:
        decoder.close()
    assert length <= 2 * _RATE * _LONGEST_S


def _wav(pieces: list[bytes]) -> None:
    header = WavHeader()
    given = 0
    with contextlib.suppress(BadRequest, UndecodableAudio):
        for piece in pieces:
            given += len(header.feed(piece))
    assert given <= sum(map(len, pieces))


def _head(head: bytes) -> None:
    demuxer_of(head + bytes(12))


@st.composite
def _raw(draw: st.DrawFn) -> tuple[AudioFormat, list[bytes]]:
    encoding: Encoding = draw(st.sampled_from([e for e in get_args(Encoding) if e != "encoded"]))
    form = AudioFormat(encoding, draw(st.sampled_from([8_000, 48_000])), draw(st.integers(1, 8)))
    return form, draw(st.lists(st.binary(max_size=200), max_size=4))


def _intake(sent: tuple[AudioFormat, list[bytes]]) -> None:
    form, pieces = sent
    kept = kept_format(form)
    width = _FRAME_BYTES.get(form.encoding.removesuffix("le").removesuffix("be"), 1)

    async def take() -> bytes:
        intake, taken = Intake(form, kept), b""
        try:
            for piece in pieces:
                whole = piece[: len(piece) // (width * form.channels) * width * form.channels]
                async for part in intake.take(whole):
                    taken += part
                with contextlib.suppress(BadRequest):
                    async for part in intake.take(piece):
                        taken += part[:0]
        finally:
            await intake.close()
        return taken

    taken = asyncio.run(take())
    assert kept.encoding in KEPT_ENCODINGS
    samples = decode_channels(taken, kept)
    assert samples.shape == (len(taken) // (width * form.channels), form.channels)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max(initial=0.0) <= 1.0


def _payload(decode: Decode) -> Callable[[bytes], None]:
    def run(payload: bytes) -> None:
        samples = decode(payload)
        assert samples is None or len(samples) <= 48_000

    return run


def _packet(datagram: bytes) -> None:
    parse_rtp(datagram)


def _packets(sent: list[tuple[RtpPacket, float]]) -> None:
    """Packets in any order, of anybody, with any clock: what is held is bounded."""
    tracks = Tracks([Track(channels=1, decode=decode_g711("mulaw"))], rate=8_000, separate=False)
    now_s, taken = 0.0, 0
    for packet, later_s in sent:
        now_s += later_s
        tracks.put(0, packet, now_s)
        tracks.wait(now_s)
        taken += len(tracks.take())
        tracks.gaps()
    tracks.flush()
    taken += len(tracks.take())
    assert taken <= 2 * 8_000 * (_LONGEST_S * len(sent) + now_s + 1)


_PACKETS: Final = st.lists(
    st.tuples(
        st.builds(
            RtpPacket,
            sequence=st.integers(0, 65_535),
            timestamp=st.integers(0, 2**32 - 1) | st.integers(0, 4_000),
            ssrc=st.integers(0, 1),
            payload_type=st.sampled_from([0, 8, 96]),
            payload=st.binary(max_size=200),
        ),
        st.floats(0, 0.5),
    ),
    max_size=30,
)


def _wyoming(streams: list[bytes]) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        reader.feed_data(streams[0])
        reader.feed_eof()
        with contextlib.suppress(BadRequest, ClientGone):
            for _ in range(1_000):
                await read_event(reader, max_payload_bytes=1_000_000)

    asyncio.run(read())


def _wire(frame: str | bytes) -> None:
    for decode in (decode_client, decode_server):
        with contextlib.suppress(MalformedFrame):
            decode(frame)


_START: Final = str(SOCKETS["native"].good[0]).encode()
OFFER: Final = "\r\n".join(
    [
        "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "a=mid:0", "a=rtcp-mux", "a=sendonly",
        "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;sprop-stereo=1",
        "a=candidate:1 1 udp 2130706431 10.0.0.7 50000 typ host",
        "a=ice-ufrag:AbCd", "a=ice-pwd:0123456789012345678901",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=setup:actpass",
    ]
).encode()  # fmt: skip


def _sdp(offer: bytes) -> None:
    text = offer.decode(errors="replace")
    for parse in (parse_offer, parse_fragment):
        with contextlib.suppress(BadRequest):
            parse(text)


_BYTES: Final = st.binary(max_size=1_500)

DECODERS: Final[Mapping[str, Decoder]] = {
    **{f"container {name}": (_damaged(name), _container) for name in CONTAINERS},
    "container junk": (st.lists(st.binary(max_size=4_000), max_size=4), _container),
    "container kinds": (st.binary(min_size=12, max_size=40), _head),
    "WAV header": (_damaged("wav") | st.lists(st.binary(max_size=60), max_size=4), _wav),
    "raw samples": (_raw(), _intake),
    "RTP packet": (_BYTES, _packet),
    "RTP order and clock": (_PACKETS, _packets),
    "Opus packet": (_BYTES, _payload(OpusDecoder(channels=2))),
    "G.711 mu-law": (_BYTES, _payload(decode_g711("mulaw"))),
    "G.711 A-law": (_BYTES, _payload(decode_g711("alaw"))),
    "L16": (_BYTES, _payload(decode_linear(channels=2))),
    "Wyoming event": (wyoming_streams(at_once=1), _wyoming),
    "greffier.v1 message": (bent_bytes(_START) | _BYTES, _wire),
    "SDP": (bent_bytes(OFFER) | _BYTES, _sdp),
}
