"""WHIP over a network that loses, delays and reorders: real UDP, with a relay in between."""

import asyncio
import cmath
import math
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_server.core.events import GapFound
from tests.support.relay import Relay, Weather
from tests.support.served import Served, served
from tests.support.whip_peer import RATE, ClipTrack, Publisher, publishing, through, tone

pytestmark = pytest.mark.integration

SECONDS = 6.0
PACE = 4.0
STORM = Weather(loss=0.05, burst=2.0, jitter_s=0.02, seed=7)
"""A datagram every 5 ms that is late by up to 20 ms: every second one is overtaken."""


def heard(server: Served) -> NDArray[np.int16]:
    session = server.desk.only()
    return np.frombuffer(bytes(session.audio), "<i2").reshape(-1, session.format.channels)


def gaps(server: Served) -> list[GapFound]:
    events = [record.event for record in server.desk.only().log.records]
    return [event for event in events if isinstance(event, GapFound)]


async def finish(peer: Publisher, track: ClipTrack) -> None:
    """By HTTP: on such a network the data channel may open later than all is said."""
    async with asyncio.timeout(30):
        await track.played.wait()
        await asyncio.sleep(0.3)  # what is under way
        assert (await peer.http.delete(peer.location)).status_code == 200


def slots(found: Sequence[GapFound]) -> set[int]:
    return {ms // 20 for gap in found for ms in range(gap.from_ms, gap.to_ms, 20)}


def begun(relay: Relay, found: Sequence[GapFound]) -> int:
    """Number of the packet that the track begins with.

    The first to arrive, which others may have overtaken; what comes before the server's side of the
    handshake is done does not count. Wherever that is, everything after it has to fit.
    """
    for first in relay.delivered[:20]:
        lost = {(number - first) & 0xFFFF for number in relay.dropped}
        if slots(found) <= lost:
            return first
    raise AssertionError("the gaps are not what was lost, wherever the track began")


async def test_each_packet_that_never_comes_is_a_gap_and_no_other_is() -> None:
    track = ClipTrack(tone(440, SECONDS), pace=PACE)
    async with (
        served() as server,
        publishing(server.http, track) as peer,
        through(peer, STORM) as relays,
    ):
        peer.deafen()
        await peer.publish()
        await finish(peer, track)
        found, sound = gaps(server), heard(server)[:, 0].astype(np.float64)
    (relay,) = relays
    first = begun(relay, found)
    at = {(number - first) & 0xFFFF for number in relay.delivered}
    last = max(number for number in at if number < 0x8000)
    lost = {(number - first) & 0xFFFF for number in relay.dropped}
    assert relay.delivered != sorted(relay.delivered)  # some were overtaken
    assert {gap.cause for gap in found} == {"packet_loss"}
    assert slots(found) == {number for number in lost if number < last}
    assert len(slots(found)) >= 5
    assert len(sound) == (last + 1) * 960
    # What did come is where it was said: the tone's phase is the same all along.
    phase = np.exp(-2j * np.pi * 440 * np.arange(960) / RATE)
    kept = [slot for slot in range(10, last) if not {slot - 2, slot - 1, slot} & slots(found)]
    turns: list[float] = [
        cmath.phase(
            complex(phase @ sound[slot * 960 : (slot + 1) * 960])
            * cmath.exp(-2j * math.pi * 8.8 * slot)
        )
        for slot in kept
    ]
    assert np.std(np.unwrap(turns)) < 0.1


async def test_what_is_lost_is_sent_again_when_it_is_asked_for() -> None:
    track = ClipTrack(tone(440, SECONDS), pace=PACE)
    async with (
        served() as server,
        publishing(server.http, track) as peer,
        through(peer, Weather(loss=0.1, burst=3.0, jitter_s=0.005, seed=3)) as relays,
    ):
        await peer.publish()
        await finish(peer, track)
        found = slots(gaps(server))
    assert len(relays[0].dropped) >= 15
    assert len(found) <= len(relays[0].dropped) / 5


async def test_a_sender_of_everything_twice_loses_the_last_of_a_burst_only() -> None:
    """Redundant audio (RFC 2198), as Chromium sends it."""
    track = ClipTrack(tone(440, 3.0), pace=PACE)
    lost = {20, 40, 41, 42, 80, 81}
    async with served() as server, publishing(server.http, track) as peer:
        peer.twice = True
        answer = await peer.publish()
        assert "SAVPF 63 96" in answer.text
        peer.drop(lambda number: number in lost)
        peer.send_twice()
        await finish(peer, track)
        found = slots(gaps(server))
    first = min(found)
    assert {slot - first for slot in found} == {0, 1, 40}
