"""Packets of a lossy network: whatever comes, what is heard is where it was said."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from greffier_server.media.rtp import RtpPacket, parse_rtp
from greffier_server.media.tracks import Track, Tracks

pytestmark = pytest.mark.property

RATE = 48_000
SIZE = 960


def decode(payload: bytes) -> NDArray[np.int16] | None:
    """A payload holds its own number."""
    if not payload:
        return None
    return np.full((SIZE, 1), int.from_bytes(payload), np.int16)


def packet(number: int, *, sequence: int = 0, timestamp: int = 0, ssrc: int = 7) -> RtpPacket:
    """The packet of a number from 1."""
    return RtpPacket(
        (sequence + number) & 0xFFFF,
        (timestamp + number * SIZE) & 0xFFFFFFFF,
        ssrc,
        111,
        number.to_bytes(2),
    )


def drained(tracks: Tracks) -> NDArray[np.int16]:
    parts: list[bytes] = []
    while part := tracks.take():
        parts.append(part)
    return np.frombuffer(b"".join(parts), "<i2").reshape(-1, tracks.channels)


def one_track() -> Tracks:
    return Tracks([Track(channels=1, decode=decode)], rate=RATE, separate=False)


@given(
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    count=st.integers(2, 60),
    lost=st.sets(st.integers(2, 59), max_size=20),
    swaps=st.lists(st.tuples(st.integers(1, 58), st.integers(0, 4)), max_size=12),
    twice=st.sets(st.integers(1, 60), max_size=8),
)
def test_each_packet_is_heard_in_its_place_and_each_loss_is_told(
    sequence: int,
    timestamp: int,
    count: int,
    lost: set[int],
    swaps: list[tuple[int, int]],
    twice: set[int],
) -> None:
    sent = [number for number in range(1, count + 1) if number not in lost or number == count]
    for place, by in swaps:  # not the first: where a track begins is decided then
        if place + by < len(sent):
            sent[place], sent[place + by] = sent[place + by], sent[place]
    sent = [number for number in sent for _ in range(1 + (number in twice))]
    tracks = one_track()
    for at, number in enumerate(sent):
        tracks.put(0, packet(number, sequence=sequence, timestamp=timestamp), at * 0.02)
    tracks.flush()
    sound = drained(tracks)[:, 0].reshape(-1, SIZE)
    arrived = set(sent)
    assert [int(row[0]) for row in sound] == [
        number if number in arrived else 0 for number in range(1, count + 1)
    ]
    assert all((row == row[0]).all() for row in sound)
    told = {
        ms // 20 + 1
        for gap in tracks.gaps()
        for ms in range(gap.from_ms, gap.to_ms, 20)
        if gap.cause == "packet_loss"
    }
    assert told == set(range(1, count + 1)) - arrived


def test_a_pause_of_the_sender_is_silence_and_no_loss() -> None:
    tracks = one_track()
    tracks.put(0, packet(1), 0.0)
    tracks.put(0, RtpPacket(2, 50 * SIZE, 7, 111, b"\0\x05"), 1.0)
    tracks.flush()
    sound = drained(tracks)[:, 0]
    assert len(sound) == 50 * SIZE
    assert not sound[SIZE:-SIZE].any()
    assert tracks.gaps() == []


def test_a_sender_that_begins_anew_goes_on_behind_the_time_that_passed() -> None:
    tracks = one_track()
    tracks.put(0, packet(1), 0.0)
    tracks.put(0, packet(2), 0.02)
    tracks.put(0, packet(1, sequence=40_000, timestamp=1 << 31, ssrc=8), 10.0)
    tracks.flush()
    sound = drained(tracks)[:, 0]
    assert len(sound) / RATE == pytest.approx(10.0, abs=0.1)
    (gap,) = tracks.gaps()
    assert gap.cause == "stream_restarted"
    assert gap.to_ms - gap.from_ms == pytest.approx(9_980, abs=50)


def test_a_hole_is_waited_for_a_fifth_of_a_second() -> None:
    tracks = one_track()
    tracks.put(0, packet(1), 0.0)
    tracks.put(0, packet(3), 0.04)
    tracks.wait(0.2)
    assert len(drained(tracks)) == SIZE
    tracks.wait(0.25)
    assert len(drained(tracks)) == 2 * SIZE
    assert [(gap.from_ms, gap.to_ms) for gap in tracks.gaps()] == [(20, 40)]
    tracks.put(0, packet(2), 0.3)  # too late
    tracks.put(0, packet(4), 0.3)
    assert len(drained(tracks)) == SIZE


def test_what_cannot_be_decoded_is_a_gap() -> None:
    tracks = one_track()
    tracks.put(0, packet(1), 0.0)
    tracks.put(0, RtpPacket(2, 2 * SIZE, 7, 111, b""), 0.02)
    tracks.put(0, packet(3), 0.04)
    tracks.flush()
    assert len(drained(tracks)) == 3 * SIZE
    assert [(gap.from_ms, gap.cause) for gap in tracks.gaps()] == [(20, "undecodable_audio")]


def test_a_silent_track_does_not_hold_the_others_up() -> None:
    pair = [Track(channels=1, decode=decode), Track(channels=1, decode=decode)]
    tracks = Tracks(pair, rate=RATE, separate=True)
    tracks.put(0, packet(1), 0.0)
    tracks.put(1, packet(1, ssrc=9), 0.0)
    for number in range(2, 102):
        tracks.put(0, packet(number), number * 0.02)
    early = drained(tracks)
    assert len(early) == (101 - 25) * SIZE
    tracks.put(1, packet(101, sequence=-99, ssrc=9), 2.02)  # its clock went on, it sent nothing
    tracks.flush()
    rest = drained(tracks)
    assert rest[-1].tolist() == [101, 101]
    assert tracks.gaps() == []


def test_losses_of_a_speaker_are_his_own() -> None:
    pair = [Track(channels=1, decode=decode), Track(channels=1, decode=decode)]
    tracks = Tracks(pair, rate=RATE, separate=True)
    for number in range(1, 30):
        tracks.put(0, packet(number), number * 0.02)
        if number != 9:
            tracks.put(1, packet(number, ssrc=9), number * 0.02)
    tracks.flush()
    drained(tracks)
    assert [(gap.channel, gap.to_ms - gap.from_ms) for gap in tracks.gaps()] == [(2, 20)]


@given(datagram=st.binary(max_size=60))
def test_no_datagram_breaks_the_parser(datagram: bytes) -> None:
    found = parse_rtp(datagram)
    assert found is None or len(found.payload) <= len(datagram) - 12


def test_a_packet_with_everything_in_it() -> None:
    head = struct.pack("!BBHII", 0xB1, 0x80 | 8, 513, 70_000, 99)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"abcd"
    found = parse_rtp(head + b"csrc" + extension + b"sound" + b"\0\0\x03")
    assert found == RtpPacket(513, 70_000, 99, 8, b"sound")
