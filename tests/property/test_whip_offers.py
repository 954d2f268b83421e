"""Offers of anyone: understood or refused, never anything else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.transport.whip.refusals import MalformedOffer, UnsupportedOffer
from greffier_server.transport.whip.sdp import parse_fragment, parse_offer, whole_answer

pytestmark = pytest.mark.property

KEYS = [
    "a=ice-ufrag:AbCd",
    "a=ice-pwd:0123456789012345678901",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
    "a=setup:actpass",
]
SESSION = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0 1 2"]
VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=rtpmap:96 VP8/90000", *KEYS]
AUDIO = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "a=mid:1",
    "a=rtcp-mux",
    "a=sendonly",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;sprop-stereo=1",
    "a=candidate:1 1 udp 2130706431 10.0.0.7 50000 typ host",
    "a=candidate:1 1 udp 2130706431 0a1b2c3d.local 50000 typ host",
    "a=candidate:1 1 tcp 1518280447 10.0.0.7 9 typ host tcptype active",
    *KEYS,
]
DATA = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2", "a=sctp-port:5000", *KEYS]


def test_what_is_not_taken_is_refused_in_its_place() -> None:
    offer = parse_offer("\r\n".join([*SESSION, *VIDEO, *AUDIO, *DATA]))
    assert [(track.mid, track.stereo) for track in offer.audio] == [("1", True)]
    assert "m=video" not in offer.text
    assert "a=group:BUNDLE 1 2" in offer.text
    assert offer.text.count("a=candidate") == 2  # one in each section
    assert offer.username == "AbCd"
    said = "\r\n".join([*SESSION, *AUDIO, *DATA])
    answer = whole_answer(said, offer, stereo=True, public_address="192.0.2.9").split("\r\n")
    heads = [line for line in answer if line.startswith("m=")]
    assert [head.split()[:2] for head in heads] == [
        ["m=video", "0"],
        ["m=audio", "9"],
        ["m=application", "9"],
    ]
    assert "a=fmtp:111 minptime=10;useinbandfec=0;stereo=1" in answer
    assert "a=candidate:1 1 udp 2130706431 192.0.2.9 50000 typ host" in answer


def test_candidates_of_a_refused_section_are_kept() -> None:
    video = [*VIDEO, "a=candidate:1 1 udp 2130706431 10.0.0.8 50001 typ host"]
    offer = parse_offer("\n".join([*SESSION, *video, *AUDIO, *DATA]))
    assert offer.text.count("a=candidate") == 4


@given(data=st.data())
def test_broken_offers_are_refused(data: st.DataObject) -> None:
    lines = [*SESSION, *VIDEO, *AUDIO, *DATA]
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                del lines[place]
            case 1:
                lines[place] = data.draw(st.text(max_size=30))
            case 2:
                lines.insert(place, data.draw(st.sampled_from(lines)))
            case _:
                lines[place] = lines[place][: data.draw(st.integers(0, len(lines[place])))]
        lines = lines or ["v=0"]
    with contextlib.suppress(MalformedOffer, UnsupportedOffer):
        offer = parse_offer("\r\n".join(lines))
        assert 1 <= len(offer.audio) <= 8
        whole_answer(offer.text, offer, stereo=False, public_address=None)


@given(text=st.text(max_size=400))
def test_any_text_as_a_fragment(text: str) -> None:
    with contextlib.suppress(MalformedOffer):
        parse_fragment(text)
