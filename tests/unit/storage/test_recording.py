"""The journal's files: what each sync is for, and what bad names and full disks do."""

import random
from pathlib import Path

import pytest

from greffier_server.errors import BadRequest, SessionClosed
from greffier_server.storage.places import folder_of
from greffier_server.storage.recording import Recording
from greffier_server.storage.segments import MAX_BLOCK, scan
from tests.support.simulated_fs import SimulatedDisk

pytestmark = pytest.mark.unit

ROOT = Path("/audio")


def open_recording(disk: SimulatedDisk, *, segment_bytes: int = 10_000) -> Recording:
    disk.make_folder(ROOT)
    disk.sync_folder(ROOT.parent)
    return Recording(disk, ROOT, tenant="t", session="s", segment_bytes=segment_bytes)


def read_only(disk: SimulatedDisk) -> Recording:
    return Recording(disk, ROOT, tenant="t", session="s", segment_bytes=10_000, read_only=True)


def everything(disk: SimulatedDisk) -> dict[Path, bytes]:
    return {path: disk.read(path) for path in disk.files()}


def content(recording: Recording, from_byte: int = 0, to_byte: int | None = None) -> bytes:
    return b"".join(audio for _, audio in recording.blocks(from_byte, to_byte))


def test_reads_any_stretch_over_segments_and_blocks() -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk, segment_bytes=100)
    whole = random.Random(1).randbytes(MAX_BLOCK + 500)
    for at in range(0, 400, 40):
        recording.write(whole[at : at + 40])
    recording.write(whole[400:])
    assert content(recording) == whole[:400][: recording.durable_bytes]
    recording.sync()
    assert len(disk.files()) > 3
    for begin, end in [(0, None), (0, 0), (5, 6), (39, 41), (100, 395), (399, MAX_BLOCK + 401)]:
        assert content(recording, begin, end) == whole[begin:end]
    assert content(recording, 10, 10**9) == whole[10:]
    assert recording.damage() == []


@pytest.mark.parametrize("seed", range(60))
def test_a_hole_that_nobody_was_told_is_kept_is_cut_not_called_damage(seed: int) -> None:
    disk = SimulatedDisk(chance=random.Random(seed))
    recording = open_recording(disk)
    recording.write(b"kept")
    recording.sync()
    for piece in (b"one", b"two!", b"three"):
        recording.write(piece)
    again = open_recording(disk.restart())
    assert content(again) in [b"kept", b"keptone", b"keptonetwo!", b"keptonetwo!three"]
    assert again.durable_bytes == len(content(again))
    assert again.damage() == []


@pytest.mark.parametrize("seed", range(30))
def test_what_a_killed_process_left_unsynced_is_synced_before_it_counts(seed: int) -> None:
    disk = SimulatedDisk(chance=random.Random(seed))
    recording = open_recording(disk)
    recording.write(b"left behind")
    again = open_recording(disk)  # the process died, the machine did not
    assert again.durable_bytes == 11
    third = open_recording(disk.restart())
    assert content(third) == b"left behind"


@pytest.mark.parametrize("seed", range(30))
def test_a_power_cut_never_leaves_a_block_behind_a_torn_header(seed: int) -> None:
    disk = SimulatedDisk(chance=random.Random(seed))
    open_recording(disk).write(b"audio")
    after = disk.restart()
    for path in after.files():
        found = scan(after.read(path), tenant="t", session="s", number=1)
        assert found.first_byte == 0


def test_a_write_that_cannot_be_undone_takes_the_unsynced_ones_before_it_along() -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk)
    recording.write(b"kept")
    recording.sync()
    recording.write(b"lost")
    disk.faults = {disk.calls: "enospc", disk.calls + 1: "eio"}
    with pytest.raises(OSError, match="simulated"):
        recording.write(b"never")
    with pytest.raises(OSError, match="simulated"):
        recording.sync()
    assert recording.durable_bytes == recording.written_bytes == 4
    recording.write(b"+more")
    recording.sync()
    assert content(recording) == b"kept+more"
    assert content(open_recording(disk.restart())) == b"kept+more"


class EverythingArrives(random.Random):
    """A failing write has reached the file all the same."""

    def randint(self, a: int, b: int) -> int:
        return max(a, b)


def test_a_refused_write_that_reached_the_file_is_not_read_in_place_of_the_next() -> None:
    disk = SimulatedDisk(chance=EverythingArrives(0))
    recording = open_recording(disk)
    recording.write(b"kept")
    recording.sync()
    disk.faults = {disk.calls: "eio"}
    with pytest.raises(OSError, match="simulated"):
        recording.write(b"refused")
    recording.sync()
    recording.write(b"instead")
    recording.sync()
    assert content(recording) == b"keptinstead"
    assert content(open_recording(disk.restart())) == b"keptinstead"


def test_a_full_disk_refuses_and_goes_on_when_there_is_room() -> None:
    disk = SimulatedDisk(capacity=200)
    recording = open_recording(disk)
    recording.write(b"x" * 50)
    recording.sync()
    with pytest.raises(OSError, match="simulated"):
        recording.write(b"y" * 100)
    recording.sync()
    assert content(recording) == b"x" * 50
    disk.capacity = 1000
    recording.write(b"z" * 100)
    recording.sync()
    assert content(open_recording(disk.restart())) == b"x" * 50 + b"z" * 100


def test_a_sealed_recording_takes_no_more_and_reopens_sealed() -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk)
    recording.write(b"all of it")
    recording.seal()
    recording.seal()
    with pytest.raises(SessionClosed):
        recording.write(b"more")
    again = open_recording(disk.restart())
    assert again.sealed
    assert content(again) == b"all of it"
    assert disk.open_files == 0


def test_a_session_sealed_without_audio_is_complete_too() -> None:
    disk = SimulatedDisk()
    open_recording(disk).seal()
    again = open_recording(disk.restart())
    assert again.sealed
    assert (again.durable_bytes, again.damage(), content(again)) == (0, [], b"")


def test_a_missing_segment_is_damage_and_the_rest_is_read() -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk, segment_bytes=50)
    for piece in (b"a" * 60, b"b" * 60, b"c" * 60):
        recording.write(piece)
        recording.sync()
    recording.close()
    disk.unlink(disk.files()[1])
    again = open_recording(disk, segment_bytes=50)
    assert content(again) == b"a" * 60 + b"c" * 60
    assert again.damage() == [(60, 120)]
    again.write(b"d")
    again.sync()
    assert list(again.blocks(175)) == [(175, b"c" * 5), (180, b"d")]


def test_a_block_copied_from_another_session_is_not_read() -> None:
    disk = SimulatedDisk()
    recording = open_recording(disk)
    recording.write(b"secret")
    recording.sync()
    stolen = disk.read(disk.files()[0])
    assert scan(stolen, tenant="t", session="other", number=1).blocks == ()
    assert scan(stolen, tenant="t", session="s", number=2).blocks == ()
    assert len(scan(stolen, tenant="t", session="s", number=1).blocks) == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "a b", "é", "x" * 65, "a\n", "\0", "a.b"]
)
def test_names_that_could_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        folder_of(ROOT, name, "ok")
    with pytest.raises(BadRequest):
        folder_of(ROOT, "ok", name)
    assert folder_of(ROOT, "Az_0-", "x" * 64).parent.parent == ROOT


def test_whoever_only_reads_leaves_a_running_server_its_files() -> None:
    disk = SimulatedDisk()
    owner = open_recording(disk, segment_bytes=100)
    owner.write(bytes(90))
    owner.sync()
    folder = folder_of(ROOT, "t", "s")
    packing = disk.create(folder / "000001.part")  # the owner packs at this moment
    packing.write(b"half of it")
    segment = disk.append(max(path for path in disk.files() if path.suffix == ".gja"))
    segment.write(b"torn: the owner writes at this moment")
    before = everything(disk)
    reader = read_only(disk)
    assert content(reader) == bytes(90)
    with pytest.raises(OSError, match="to be read"):
        reader.write(b"x")
    reader.close()
    assert everything(disk) == before
    open_recording(disk)  # while the owner of a crashed server's files mends them
    assert everything(disk) != before


def test_whoever_only_reads_leaves_a_segment_that_is_being_made() -> None:
    disk = SimulatedDisk()
    owner = open_recording(disk)
    owner.write(b"sound")
    owner.sync()
    made = disk.create(folder_of(ROOT, "t", "s") / "000002.gja")
    made.write(b"GR")
    before = everything(disk)
    assert content(read_only(disk)) == b"sound"
    assert everything(disk) == before
