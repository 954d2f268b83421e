"""Anchors: the same bytes give the same ones, however they are cut up, and nothing else does."""

import hashlib

import pytest

from greffier_server.bundle import verify
from greffier_server.core.chain import ANCHOR_DOMAIN, AudioChain, anchor_digest
from greffier_server.core.events import AudioAnchored
from greffier_server.core.records import GENESIS

pytestmark = pytest.mark.unit

AUDIO = bytes(range(250))


def whole(step_bytes: int = 100) -> list[AudioAnchored]:
    chain = AudioChain(step_bytes=step_bytes)
    return chain.add(AUDIO) + chain.finish()


def test_the_digest_is_what_is_documented() -> None:
    previous = hashlib.sha256(b"before").hexdigest()
    hashed = b"greffier audio anchor 1\0" + bytes.fromhex(previous)
    hashed += (7).to_bytes(8, "big") + b"audio" + (12).to_bytes(8, "big")
    assert anchor_digest(previous, 7, b"audio") == hashlib.sha256(hashed).hexdigest()


def test_the_verifier_has_the_same_constants() -> None:
    assert (verify.ANCHOR_DOMAIN, verify.GENESIS) == (ANCHOR_DOMAIN, GENESIS)


def test_anchors_lie_a_step_apart_and_each_is_over_the_one_before() -> None:
    anchors = whole()
    assert [(a.from_byte, a.to_byte) for a in anchors] == [(0, 100), (100, 200), (200, 250)]
    before = GENESIS
    for anchor in anchors:
        before = anchor_digest(before, anchor.from_byte, AUDIO[anchor.from_byte : anchor.to_byte])
        assert anchor.digest == before


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 250])
def test_how_audio_is_cut_up_makes_no_difference(size: int) -> None:
    chain = AudioChain(step_bytes=100)
    anchors: list[AudioAnchored] = []
    for at in range(0, len(AUDIO), size):
        anchors += chain.add(AUDIO[at : at + size])
    assert anchors + chain.finish() == whole()


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_chain_goes_on_from_its_last_anchor(known: int) -> None:
    anchors = whole()
    last = anchors[known - 1] if known else AudioAnchored(0, 0, GENESIS)
    chain = AudioChain(step_bytes=100, at_byte=last.to_byte, digest=last.digest)
    assert chain.add(AUDIO[last.to_byte :]) + chain.finish() == anchors[known:]


def test_what_is_left_out_lies_between_two_anchors() -> None:
    chain = AudioChain(step_bytes=100)
    assert chain.add(AUDIO[:130])[0].to_byte == 100
    (before,) = chain.skip(150)
    assert (before.from_byte, before.to_byte) == (100, 130)
    assert chain.skip(150) == []
    (after,) = chain.add(AUDIO[150:])
    assert (after.from_byte, after.to_byte) == (150, 200)
    assert after.digest == anchor_digest(before.digest, 150, AUDIO[150:200])


@pytest.mark.parametrize(
    ("add", "skip", "expected"),
    [(0, 0, [(0, 0)]), (0, 9, [(9, 9)]), (200, 0, []), (200, 230, [(230, 230)]), (5, 0, [(0, 5)])],
)
def test_the_last_anchor_says_where_the_audio_ends(
    add: int, skip: int, expected: list[tuple[int, int]]
) -> None:
    chain = AudioChain(step_bytes=100)
    chain.add(AUDIO[:add])
    chain.skip(skip)
    assert [(a.from_byte, a.to_byte) for a in chain.finish()] == expected
    assert chain.finish() == []


def test_anchors_lie_apart() -> None:
    with pytest.raises(ValueError, match="at least a byte"):
        AudioChain(step_bytes=0)
