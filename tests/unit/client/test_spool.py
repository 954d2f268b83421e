"""A recording on disk: bounds, what is deleted and when, and what another process finds."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from greffier import spool
from greffier.errors import SpoolUnusable
from greffier.protocol import Start
from greffier.spool import Recording, recordings_in
from greffier.spool_segments import SegmentFile, segments_in

pytestmark = pytest.mark.unit

PIECE = bytes(range(200)) * 16
SAMPLES = len(PIECE) // 2


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    monkeypatch.setattr(spool, "_SEGMENT_BYTES", 4 * len(PIECE))
    made = Recording.create(tmp_path, server="ws://h", start=Start(title="Note"))
    yield made
    made.close()


def kept(recording: Recording) -> bytes:
    at, audio = recording.progress.acknowledged, b""
    while (stretch := recording.read(at, limit=100)) is not None:
        assert stretch.first_sample == at
        audio += stretch.audio
        at += len(stretch.audio) // 2
    return audio


def test_files_are_deleted_when_all_of_them_is_acknowledged_and_not_before(
    recording: Recording,
) -> None:
    for _ in range(10):
        recording.append(PIECE)
    files = len(segments_in(recording.folder))
    assert files >= 2
    recording.acknowledge(SAMPLES // 2)
    assert len(segments_in(recording.folder)) == files
    assert kept(recording) == PIECE[SAMPLES:] + PIECE * 9
    recording.acknowledge(SAMPLES * 9 + 1)
    assert len(segments_in(recording.folder)) == 1
    assert kept(recording) == PIECE[2:]
    recording.acknowledge(5)  # an older one changes nothing
    assert recording.progress.acknowledged == SAMPLES * 9 + 1


def test_another_process_finds_what_was_left(recording: Recording) -> None:
    for _ in range(10):
        recording.append(PIECE)
    recording.begin_session("s1", "secret")
    recording.acknowledge(SAMPLES * 3)
    recording.close()
    again = Recording.open(recording.folder)
    assert (again.progress.session, again.progress.token) == ("s1", "secret")
    assert again.progress.start == Start(title="Note")
    assert not again.ended
    assert kept(again) == PIECE * 7
    again.end()
    assert again.waiting_samples == SAMPLES * 7
    again.close()


def test_a_note_is_changed_and_not_replaced_by_an_older_one(recording: Recording) -> None:
    recording.append(PIECE)
    recording.end()
    recording.begin_session("s1", "secret")
    recording.mark_finish_sent()
    assert recording.progress.end_sample == SAMPLES
    assert not recording.complete
    recording.acknowledge(SAMPLES)
    assert recording.complete
    recording.close()
    assert not recording.folder.exists()


def test_what_is_not_complete_is_not_deleted(recording: Recording) -> None:
    recording.append(PIECE)
    recording.acknowledge(SAMPLES)
    recording.close()
    assert recordings_in(recording.folder.parent) == [recording.folder]


def test_the_limit_counts_all_recordings_of_the_folder(tmp_path: Path) -> None:
    first = Recording.create(tmp_path, server="ws://h", start=Start(), limit_bytes=5 * len(PIECE))
    for _ in range(3):
        first.append(PIECE)
    second = Recording.create(tmp_path, server="ws://h", start=Start(), limit_bytes=5 * len(PIECE))
    for _ in range(4):
        second.append(PIECE)
    assert first.lost_samples == 0
    assert second.lost_samples == 3 * SAMPLES
    assert second.end_sample == 4 * SAMPLES
    assert kept(second) == PIECE
    first.close()
    second.close()


def test_a_disk_that_fails_costs_audio_and_no_exception(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording.append(PIECE)

    def full(self: SegmentFile, first_sample: int, audio: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SegmentFile, "append", full)
        recording.append(PIECE)
    recording.append(PIECE)
    assert recording.lost_samples == SAMPLES
    assert recording.read(SAMPLES, limit=SAMPLES) == spool.Stretch(2 * SAMPLES, PIECE)


def test_only_the_owner_can_read_the_token(recording: Recording) -> None:
    assert recording.folder.stat().st_mode & 0o077 == 0
    assert (recording.folder / "recording.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"server": 1}', "\x00"])
def test_a_damaged_note_is_an_error(recording: Recording, text: str) -> None:
    recording.close()
    (recording.folder / "recording.json").write_text(text)
    with pytest.raises(SpoolUnusable):
        Recording.open(recording.folder)


def test_a_newer_version_may_say_more(recording: Recording) -> None:
    recording.close()
    note = recording.folder / "recording.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "later": [1]}))
    Recording.open(recording.folder).close()


def test_a_spool_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnusable):
        recordings_in(tmp_path / "nowhere")
