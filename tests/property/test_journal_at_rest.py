"""Laws of the journal at rest: packing, encryption and deletion under every fault at every call."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from greffier_server.storage.filesystem import FileSystem
from greffier_server.storage.keys import KeyRing, MasterKey
from greffier_server.storage.packing import Packing
from greffier_server.storage.places import remove_audio, segment_files
from greffier_server.storage.recording import Recording
from greffier_server.storage.sync_thread import Answer, Append, Finish, Track, write_batch
from tests.support.simulated_fs import Fault, PowerCut, SimulatedDisk

pytestmark = pytest.mark.property

ROOT = Path("/audio")
FOLDER = ROOT / "dgfip" / "s1"
MASTER = MasterKey(bytes(range(32)))
SEGMENT = 900
AUDIO = [random.Random(index).randbytes(40) * 6 for index in range(12)]
NO_LOOP = asyncio.new_event_loop()
NO_LOOP.close()


def ignore(_: Answer) -> None:
    pass


def key_ring(disk: FileSystem, *, encrypted: bool) -> KeyRing | None:
    return KeyRing(Path("/keys"), MASTER, files=disk) if encrypted else None


def open_recording(disk: SimulatedDisk, *, encrypted: bool) -> Recording:
    disk.make_folder(ROOT)
    disk.sync_folder(ROOT.parent)
    keys = key_ring(disk, encrypted=encrypted)
    return Recording(disk, ROOT, tenant="dgfip", session="s1", segment_bytes=SEGMENT, keys=keys)


def content(recording: Recording) -> bytes:
    return b"".join(audio for _, audio in recording.blocks(0))


def pack(disk: SimulatedDisk, recording: Recording, *, encrypted: bool) -> None:
    """Pack all that is closed, as the journal does it."""
    for part in recording.closed_parts():
        packing = Packing(
            disk,
            tenant="dgfip",
            session="s1",
            part=part,
            keys=key_ring(disk, encrypted=encrypted),
        )
        try:
            packing.begin()
            assert packing.write()
            packing.settle()
        except OSError:
            packing.drop()
            raise


class Life:
    """One session from its first byte to its deletion, and what was promised of it."""

    def __init__(self) -> None:
        self.kept = b""
        self.offered = b""
        self.sealed = False
        self.deleting = False
        self.deleted = False

    def run(self, disk: SimulatedDisk, *, encrypted: bool, delete: bool = True) -> None:
        recording = open_recording(disk, encrypted=encrypted)
        track = Track(recording)
        self._append(track, AUDIO[:6])
        pack(disk, recording, encrypted=encrypted)
        assert content(recording) == self.kept
        self._append(track, AUDIO[6:])
        (answer,) = write_batch([Finish(track, ignore, True, loop=NO_LOOP)])
        if answer.error is not None:
            raise OSError
        self.sealed = True
        pack(disk, recording, encrypted=encrypted)
        assert content(recording) == self.kept
        if delete:
            self.deleting = True
            remove_audio(disk, FOLDER)
            self.deleted = True

    def _append(self, track: Track, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.offered = piece
            append = Append(track, ignore, piece, track.failures, loop=NO_LOOP)
            (answer,) = write_batch([append])
            if answer.error is not None:
                raise OSError
            self.kept += piece
            self.offered = b""

    def check(self, disk: SimulatedDisk, *, encrypted: bool) -> None:
        """What the next start finds is what was promised."""
        if self.deleted:
            assert not [path for path in disk.files() if path.is_relative_to(FOLDER)]
            return
        recording = open_recording(disk, encrypted=encrypted)
        found = content(recording)
        names = [path.stem for path in disk.files() if path.is_relative_to(FOLDER)]
        assert len(names) == len(set(names))  # one form of each segment, and nothing else
        if self.deleting:  # what is left is true, and goes for good the second time
            whole = b"".join(AUDIO)
            assert all(whole[at : at + len(part)] == part for at, part in recording.blocks(0))
            recording.close()
            remove_audio(disk, FOLDER)
            assert not [path for path in disk.files() if path.is_relative_to(FOLDER)]
            return
        assert found in {self.kept, self.kept + self.offered}
        assert recording.durable_bytes == len(found)
        assert recording.damage() == []
        assert recording.sealed or not self.sealed
        assert recording.stored_bytes == sum(
            disk.size(path) for path in disk.files() if path.is_relative_to(FOLDER)
        )
        if not recording.sealed:
            recording.write(b"more")
            recording.sync()
            assert content(recording) == found + b"more"
        pack(disk, recording, encrypted=encrypted)
        assert content(recording).startswith(found)
        recording.close()
        assert disk.open_files == 0


def calls_of_a_life(*, encrypted: bool) -> int:
    disk, life = SimulatedDisk(), Life()
    life.run(disk, encrypted=encrypted)
    assert life.deleted
    return disk.calls


def each_call() -> Iterator[tuple[int, bool]]:
    for encrypted in (False, True):
        for call in range(calls_of_a_life(encrypted=encrypted)):
            yield call, encrypted


def test_the_scenario_packs_and_holds_several_segments() -> None:
    disk, life = SimulatedDisk(), Life()
    life.run(disk, encrypted=False, delete=False)
    names = [path.name for _, path in segment_files(disk, FOLDER)]
    assert len(names) > 3
    assert {name[-3:] for name in names} == {"gjc"}
    assert sum(disk.size(path) for path in disk.files()) < len(life.kept)


@pytest.mark.parametrize("fault", ["power", "eio", "enospc", "short"])
def test_a_fault_at_the_nth_call_for_every_n(fault: Fault) -> None:
    for call, encrypted in each_call():
        for seed in range(3 if fault == "power" else 1):
            disk = SimulatedDisk(faults={call: fault}, chance=random.Random(seed))
            life = Life()
            try:
                life.run(disk, encrypted=encrypted)
            except (PowerCut, OSError):
                pass
            else:
                assert fault == "short"
            life.check(disk.restart(), encrypted=encrypted)


kinds: st.SearchStrategy[Fault] = st.sampled_from(["eio", "enospc", "short", "power"])


@settings(max_examples=100)
@given(
    faults=st.lists(st.dictionaries(st.integers(0, 90), kinds, max_size=4), max_size=4),
    seed=st.integers(0, 2**32),
    encrypted=st.booleans(),
)
def test_whatever_fails_in_whatever_order_what_was_promised_holds(
    faults: list[dict[int, Fault]], seed: int, encrypted: bool
) -> None:
    disk, life = SimulatedDisk(chance=random.Random(seed)), Life()
    for index, planned in enumerate(faults):
        disk = disk.restart(faults=planned)
        try:
            recording = open_recording(disk, encrypted=encrypted)
            found = content(recording)
            if index:  # whatever the life before promised
                assert found in {life.kept, life.kept + life.offered}
            life.kept, life.offered, life.sealed = found, b"", recording.sealed
            pack(disk, recording, encrypted=encrypted)
            assert content(recording) == found
            track = Track(recording)
            while not life.sealed and len(life.kept) < 240 * (index + 2):
                life.offered = random.Random(len(life.kept)).randbytes(40) * 6
                append = Append(track, ignore, life.offered, track.failures, loop=NO_LOOP)
                (answer,) = write_batch([append])
                if answer.error is not None:
                    raise OSError
                life.kept, life.offered = life.kept + life.offered, b""
            pack(disk, recording, encrypted=encrypted)
        except PowerCut:
            event("power cut")
        except OSError:
            event("refused")
    life.check(disk.restart(), encrypted=encrypted)


@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), encrypted=st.booleans(), packed=st.booleans())
def test_a_flipped_bit_in_any_form_is_noticed_and_costs_at_most_its_block(
    where: float, encrypted: bool, packed: bool
) -> None:
    disk, life = SimulatedDisk(), Life()
    if packed:
        life.run(disk, encrypted=encrypted, delete=False)
    else:
        recording = open_recording(disk, encrypted=encrypted)
        for piece in AUDIO:
            recording.write(piece)
            recording.sync()
        recording.seal()
    whole = b"".join(AUDIO)
    sizes = [(path, disk.size(path) * 8) for path in disk.files() if "dgfip/s1" in str(path)]
    bit = int(where * sum(size for _, size in sizes))
    longest = 0
    for path, size in sizes:
        if 0 <= bit < size:
            disk.flip(path, bit)
            longest = SEGMENT + 240 if packed else 240
        bit -= size
    again = open_recording(disk, encrypted=encrypted)
    blocks = list(again.blocks(0))
    assert all(whole[at : at + len(part)] == part for at, part in blocks)
    missing = len(whole) - sum(len(part) for _, part in blocks)
    assert missing <= longest
    assert again.durable_bytes == len(whole)
    assert sum(to - from_ for from_, to in again.damage()) == missing
    again.close()
    # Packing what is damaged keeps the rest and says the same of the hole.
    pack(disk, again, encrypted=encrypted)
    assert b"".join(part for _, part in again.blocks(0)) == b"".join(part for _, part in blocks)
    third = open_recording(disk, encrypted=encrypted)
    assert third.damage() == again.damage()
    assert third.durable_bytes == len(whole)
    third.close()
