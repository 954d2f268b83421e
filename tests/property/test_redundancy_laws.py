"""Redundant audio and requests for lost packets: what is found is right, and nothing breaks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lossy_path import redundant
from greffier_server.media.redundancy import opus_samples, unpacked
from greffier_server.media.rtp import RtpPacket
from greffier_server.media.wanted import Wanted

pytestmark = pytest.mark.property

VOICE = bytes([0x48])
"""First byte of a packet of 20 ms of speech."""


def red(payload: bytes, *, sequence: int = 5, timestamp: int = 9_600) -> RtpPacket:
    return RtpPacket(sequence, timestamp, 7, 63, payload)


def test_the_packet_before_is_found() -> None:
    found = unpacked(red(redundant(VOICE + b"now", VOICE + b"then")), {111})
    assert found == [
        RtpPacket(4, 8_640, 7, 111, VOICE + b"then"),
        RtpPacket(5, 9_600, 7, 111, VOICE + b"now"),
    ]
    wrapped = unpacked(red(redundant(VOICE, VOICE), sequence=0, timestamp=0), {111})
    assert (wrapped[0].sequence, wrapped[0].timestamp) == (0xFFFF, (1 << 32) - 960)


def test_a_packet_without_a_past_is_itself() -> None:
    assert unpacked(red(b"\x6f" + VOICE), {111}) == [RtpPacket(5, 9_600, 7, 111, VOICE)]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xef",
        b"\xef\x0f\x00\x05\x6f" + VOICE,  # a block is longer than the packet
        b"\x00" + VOICE,  # of another codec
        (b"\xef\x0f\x00\x01" * 12),  # without an end
    ],
)
def test_what_is_malformed_is_nothing(payload: bytes) -> None:
    assert unpacked(red(payload), {111}) == []


def test_a_block_whose_place_is_not_known_is_left_out() -> None:
    later = 0x80 | 111
    head = (later << 24 | 1_920 << 10 | 1).to_bytes(
        4
    )  # two packets back, the one between is not here
    assert unpacked(red(head + b"\x6f" + VOICE + VOICE), {111}) == [
        RtpPacket(5, 9_600, 7, 111, VOICE)
    ]


@given(payload=st.binary(max_size=80))
def test_no_payload_breaks_it(payload: bytes) -> None:
    found = unpacked(red(payload), {111})
    assert sum(len(packet.payload) for packet in found) <= len(payload)
    assert [packet.sequence for packet in found] == list(range(6 - len(found), 6))


@pytest.mark.parametrize(
    ("head", "samples"),
    [
        (b"", 0),
        (b"\x48", 960),  # SILK, 20 ms
        (b"\x58", 2_880),
        (b"\x60", 480),  # hybrid
        (b"\xe0", 120),  # CELT, 2.5 ms
        (b"\xf9", 1_920),  # two frames
        (b"\xfb\x03", 2_880),  # three
        (b"\xfb", 0),
        (b"\x5b\x3f", 0),  # longer than there are any
    ],
)
def test_the_length_of_a_packet(head: bytes, samples: int) -> None:
    assert opus_samples(head) == samples


def test_a_hole_is_asked_for_until_it_is_filled() -> None:
    wanted = Wanted(again_s=0.06, times=3)
    assert wanted.arrived(0xFFFE, 0.0) == []
    assert wanted.arrived(2, 0.02) == [0, 1, 0xFFFF]
    assert wanted.arrived(3, 0.04) == []
    assert wanted.arrived(0, 0.05) == []
    assert wanted.arrived(4, 0.09) == [1, 0xFFFF]
    assert wanted.arrived(5, 0.16) == [1, 0xFFFF]
    assert wanted.arrived(6, 0.30) == []


def test_who_never_answers_is_asked_no_more_and_who_left_for_long_is_not_asked() -> None:
    wanted = Wanted()
    asked = [wanted.arrived(2 * number, number * 1.0) for number in range(200)]
    assert 10 <= sum(map(bool, asked)) <= 80
    assert not any(asked[100:])
    jumped = Wanted()
    jumped.arrived(0, 0.0)
    assert jumped.arrived(90, 1.0) == []
    assert jumped.arrived(5_000, 2.0) == []
    assert jumped.arrived(5_002, 3.0) == [5_001]


@given(numbers=st.lists(st.integers(0, 0xFFFF), max_size=80))
def test_any_numbers_ask_for_a_bounded_many(numbers: list[int]) -> None:
    wanted = Wanted()
    for at, number in enumerate(numbers):
        due = wanted.arrived(number, at * 0.02)
        assert len(due) <= 64
        assert all(0 <= each <= 0xFFFF for each in due)
