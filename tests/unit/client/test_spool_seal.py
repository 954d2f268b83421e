"""Kept recordings that are encrypted: what the disk sees, and who can send them."""

import base64
import json
import sys
from pathlib import Path

import pytest

from greffier.errors import ExtraMissing, SpoolUnusable
from greffier.protocol import Start
from greffier.spool import Recording
from greffier.spool_progress import STATE
from greffier.spool_seal import SpoolSecret
from greffier.spool_segments import segments_in

pytestmark = pytest.mark.unit

PIECE = b"une phrase que personne ne doit lire " * 100
SAMPLES = len(PIECE) // 2
SECRET = SpoolSecret(bytes(range(32)), "hkdf")
PASSPHRASE = SpoolSecret.from_passphrase("quatre mots pris au hasard")


def made(spool: Path, secret: SpoolSecret = SECRET) -> Path:
    recording = Recording.create(
        spool, server="wss://captions.example.org", start=Start(title="Patrouille"), secret=secret
    )
    for _ in range(3):
        recording.append(PIECE)
    recording.begin_session("s1", "un jeton")
    recording.close()
    return recording.folder


def kept(recording: Recording) -> dict[int, bytes]:
    at, found = 0, dict[int, bytes]()
    while (stretch := recording.read(at, limit=SAMPLES)) is not None:
        found[stretch.first_sample] = stretch.audio
        at = stretch.first_sample + len(stretch.audio) // 2
    return found


@pytest.mark.parametrize("secret", [SECRET, PASSPHRASE])
def test_the_disk_tells_nothing_and_the_key_brings_all_back(
    tmp_path: Path, secret: SpoolSecret
) -> None:
    folder = made(tmp_path, secret)
    on_disk = b"".join(path.read_bytes() for path in folder.iterdir())
    for needle in (b"phrase", b"Patrouille", b"un jeton", b"captions.example.org"):
        assert needle not in on_disk
    again = Recording.open(folder, secret=secret)
    assert again.progress.start.title == "Patrouille"
    assert again.progress.token == "un jeton"
    assert kept(again) == {number * SAMPLES: PIECE for number in range(3)}
    assert again.end_sample == 3 * SAMPLES
    again.acknowledge(SAMPLES + 5)
    again.append(PIECE)
    again.end()
    again.close()
    last = Recording.open(folder, secret=secret)
    assert (last.progress.acknowledged, last.progress.end_sample) == (SAMPLES + 5, 4 * SAMPLES)
    assert len(kept(last)) == 4
    last.acknowledge(4 * SAMPLES)
    last.mark_finish_sent()
    last.close()
    assert not folder.exists()


def test_each_recording_has_a_key_of_its_own(tmp_path: Path) -> None:
    folders = [made(tmp_path), made(tmp_path)]
    one, two = (segments_in(folder)[0] for folder in folders)
    assert one.read_bytes() != two.read_bytes()
    two.write_bytes(one.read_bytes())  # audio of another recording
    swapped = Recording.open(folders[1], secret=SECRET)
    assert kept(swapped) == {}
    swapped.close()


def test_without_the_key_it_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    folder = made(tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for wrong, text in (
        (None, "encrypted"),
        (SpoolSecret(bytes(32), "hkdf"), "does not open"),
        (PASSPHRASE, "key file"),
    ):
        with pytest.raises(SpoolUnusable, match=text):
            Recording.open(folder, secret=wrong)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SpoolUnusable, match="passphrase"):
        Recording.open(made(tmp_path, PASSPHRASE), secret=SECRET)
    Recording.open(folder, secret=SECRET).close()


def test_a_plain_recording_is_sent_whatever_key_is_given(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, server="ws://h", start=Start())
    recording.append(PIECE)
    recording.close()
    again = Recording.open(recording.folder, secret=SECRET)
    assert kept(again) == {0: PIECE}
    again.close()


@pytest.mark.parametrize("at", [0.35, 0.5, 0.6])
def test_a_damaged_block_is_left_out_alone(tmp_path: Path, at: float) -> None:
    folder = made(tmp_path)
    (path,) = segments_in(folder)
    octets = bytearray(path.read_bytes())
    octets[int(len(octets) * at)] ^= 8
    path.write_bytes(octets)
    again = Recording.open(folder, secret=SECRET)
    assert len(kept(again)) == 2
    again.close()


@pytest.mark.parametrize(
    "change",
    [
        {"salt": "AAAA"},
        {"salt": 5},
        {"format": "greffier spool 9"},
        {"sealed": "!!"},
        {"sealed": 7},
        {"sealed": base64.b64encode(bytes(60)).decode()},
        {"derivation": "scrypt", "n": 1 << 40, "r": 8, "p": 1},
        {"derivation": "scrypt", "n": "many"},
        {"derivation": "scrypt", "n": 3, "r": 8, "p": 1},
    ],
)
def test_a_note_that_was_changed_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    folder = made(tmp_path)
    note = json.loads((folder / STATE).read_text())
    (folder / STATE).write_text(json.dumps(note | change))
    secret = PASSPHRASE if "derivation" in change else SECRET
    with pytest.raises(SpoolUnusable):
        Recording.open(folder, secret=secret)


def test_a_key_is_read_from_its_file_and_nothing_else_is(tmp_path: Path) -> None:
    file = tmp_path / "field.key"
    file.write_text(base64.b64encode(SECRET.secret).decode() + "\n")
    assert SpoolSecret.from_file(file) == SECRET
    assert "secret" not in repr(SECRET)
    for text in ("", "short", base64.b64encode(bytes(31)).decode(), "é"):
        file.write_text(text)
        with pytest.raises(SpoolUnusable, match="32 random bytes"):
            SpoolSecret.from_file(file)
    with pytest.raises(SpoolUnusable, match="cannot read"):
        SpoolSecret.from_file(tmp_path / "none")
    with pytest.raises(SpoolUnusable, match="at least"):
        SpoolSecret.from_passphrase("court")


def test_without_the_package_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "cryptography.hazmat.primitives.ciphers.aead"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExtraMissing, match="spool-encryption"):
        made(tmp_path)
    assert list(tmp_path.iterdir()) == []
