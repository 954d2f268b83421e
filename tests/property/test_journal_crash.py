"""Laws of the audio journal under faults, power cuts and bit rot."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from greffier_server.storage.recording import Recording
from greffier_server.storage.segments import MAX_BLOCK, scan
from greffier_server.storage.sync_thread import Answer, Append, Finish, Track, write_batch
from tests.support.simulated_fs import Fault, PowerCut, SimulatedDisk

pytestmark = pytest.mark.property

ROOT = Path("/audio")
SEGMENT = 400
NO_LOOP = asyncio.new_event_loop()
NO_LOOP.close()


def ignore(_: Answer) -> None:
    pass


def open_recording(disk: SimulatedDisk) -> Recording:
    disk.make_folder(ROOT)
    disk.sync_folder(ROOT.parent)
    return Recording(disk, ROOT, tenant="dgfip", session="s1", segment_bytes=SEGMENT)


def content(recording: Recording) -> bytes:
    return b"".join(audio for _, audio in recording.blocks(0))


class Witness:
    """Knows what was acknowledged, and what was merely offered at which place."""

    def __init__(self) -> None:
        self.kept = b""
        self.offered: dict[int, list[bytes]] = {}

    def may_hold(self, found: bytes) -> bool:
        """Whether `found` is all that was acknowledged, and whole offers behind it."""
        if not found.startswith(self.kept):
            return False
        reached = {len(self.kept)}
        while reached:
            at = reached.pop()
            if at == len(found):
                return True
            for offer in self.offered.get(at, []):
                rest = found[at:]
                if rest.startswith(offer):
                    reached.add(at + len(offer))
                elif offer.startswith(rest) and len(rest) % MAX_BLOCK == 0:
                    return True
        return False


sizes = st.one_of(st.integers(1, 60), st.integers(1, 300), st.just(MAX_BLOCK + 5))
batches = st.lists(st.lists(sizes, min_size=1, max_size=3), min_size=1, max_size=8)
kinds: st.SearchStrategy[Fault] = st.sampled_from(["eio", "enospc", "short", "power"])
faults = st.dictionaries(st.integers(0, 60), kinds, max_size=5)


@settings(max_examples=300)
@given(
    rounds=st.lists(st.tuples(batches, faults, st.booleans()), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_what_was_acknowledged_survives_any_fault_at_any_call(
    rounds: list[tuple[list[list[int]], dict[int, Fault], bool]], seed: int
) -> None:
    chance = random.Random(seed)
    disk = SimulatedDisk(chance=chance)
    witness = Witness()
    for batches_, faults_, seal in rounds:
        disk = disk.restart(faults=faults_)
        sealed = _one_life(disk, witness, batches_, seal=seal)
        disk = disk.restart()
        recording = open_recording(disk)
        found = content(recording)
        assert witness.may_hold(found)
        assert recording.durable_bytes == len(found)
        assert recording.damage() == []
        assert recording.sealed or not sealed
        recording.close()
        assert disk.open_files == 0
        if recording.sealed:
            event("sealed")
            return
        witness.kept, witness.offered = found, {}


def _one_life(
    disk: SimulatedDisk, witness: Witness, batches_: list[list[int]], *, seal: bool
) -> bool:
    """Append until the power goes; True when the session was sealed and acknowledged so."""
    try:
        try:
            recording = open_recording(disk)
        except OSError:
            event("recovery failed")
            return False
        assert witness.may_hold(content(recording))
        witness.kept = content(recording)
        track = Track(recording)
        for batch in batches_:
            at = recording.written_bytes
            assert at == len(witness.kept)
            appends: list[Append] = []
            for size in batch:
                audio = disk.chance.randbytes(size)
                witness.offered.setdefault(at, []).append(audio)
                at += size
                appends.append(Append(track, ignore, audio, track.failures, loop=NO_LOOP))
            for append, answer in zip(appends, write_batch(appends), strict=True):
                if answer.error is None:
                    witness.kept += append.audio
                else:
                    event("append refused")
            assert content(recording) == witness.kept
        if seal:
            (answer,) = write_batch([Finish(track, ignore, True, loop=NO_LOOP)])
            return answer.error is None
    except PowerCut:
        event("power cut")
    return False


@settings(max_examples=200)
@given(
    lengths=st.lists(st.integers(1, 150), min_size=1, max_size=12),
    sealed=st.booleans(),
    where=st.floats(0, 1, exclude_max=True),
)
def test_a_flipped_bit_anywhere_is_noticed_and_costs_at_most_its_block(
    lengths: list[int], sealed: bool, where: float
) -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk)
    audio = [random.Random(index).randbytes(size) for index, size in enumerate(lengths)]
    for piece in audio:
        recording.write(piece)
        recording.sync()
    if sealed:
        recording.seal()
    recording.close()
    whole = b"".join(audio)
    path, bit = _bit_at(disk, where)
    disk.flip(path, bit)

    number = int(path.stem)
    segment = scan(disk.read(path), tenant="dgfip", session="s1", number=number)
    assert segment.bad_bytes > 0

    again = open_recording(disk)
    blocks = list(again.blocks(0))
    assert all(whole[offset : offset + len(part)] == part for offset, part in blocks)
    lost = again.damage()
    missing = len(whole) - sum(len(part) for _, part in blocks)
    assert missing <= max(lengths)
    if sealed:
        # The seal itself may be what was hit.
        assert again.durable_bytes == len(whole)
    assert again.durable_bytes >= len(whole) - lengths[-1]
    assert sum(to - from_ for from_, to in lost) == again.durable_bytes - sum(
        len(part) for _, part in blocks
    )
    if not again.sealed:
        before = again.durable_bytes
        again.write(b"more")
        again.sync()
        assert list(again.blocks(before)) == [(before, b"more")]
    again.close()


def _bit_at(disk: SimulatedDisk, where: float) -> tuple[Path, int]:
    sizes_ = [(path, disk.size(path) * 8) for path in disk.files()]
    bit = int(where * sum(size for _, size in sizes_))
    for path, size in sizes_:
        if bit < size:
            return path, bit
        bit -= size
    raise AssertionError("no such bit")


@given(st.binary(max_size=600))
def test_scanning_anything_never_fails_and_finds_nothing_that_is_not_there(junk: bytes) -> None:
    segment = scan(junk, tenant="a", session="b", number=1)
    assert segment.blocks == ()
    assert segment.bad_bytes == len(junk)
