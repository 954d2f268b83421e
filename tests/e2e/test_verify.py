"""A record proved from end to end: served, killed, bundled, checked offline, then forged."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from greffier_server.bundle import command
from greffier_server.bundle.heads import HEADS_FILE
from greffier_server.bundle.signing import KEY_FILE, open_signing_key
from greffier_server.child import ChildServer
from greffier_server.core.events import SessionFinished, WordsCommitted
from greffier_server.core.records import GENESIS, decode_record, encode_record, record_hash
from greffier_server.storage.disk import DiskJournal
from tests.support.desk import as_bytes
from tests.support.recordings import recording_of
from tests.support.served_process import Conversation, ask, speak

pytestmark = pytest.mark.e2e

PCM = as_bytes(recording_of([(60, 340)] * 30, stops=(9, 19, 29), end_ms=1_500).pcm)
"""13.5 s."""


@dataclass(frozen=True)
class Kept:
    """What a server has left behind, and what it gave out."""

    data_dir: Path
    session: str
    bundle: Path
    fingerprint: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    folder = tmp_path_factory.mktemp("served")
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "fake",
        "GREFFIER_INTEGRITY__ANCHOR_S": "1",
    }
    with ChildServer(data_dir=folder / "data", settings=settings) as server:
        kills: list[int] = []

        def kill(talk: Conversation) -> None:
            if not kills and talk.acknowledged_ms > 4_000:
                kills.append(talk.acknowledged_ms)
                server.kill()
                server.start()
                server.wait_until_ready()

        talk = asyncio.run(speak(server, PCM, pace=8, seen=kill, language="fr", minutes=True))
        assert kills
        assert talk.resumed
        bundle = folder / "bundle.zip"
        url = server.url.replace("ws://", "http://")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/v1/sessions/{talk.id}/bundle", timeout=60) as answer:
            assert answer.headers["content-type"] == "application/zip"
            bundle.write_bytes(answer.read())
        with opener.open(f"{url}/v1/signing-key", timeout=60) as answer:
            fingerprint = str(answer.headers["x-fingerprint"])
            (folder / "key.pem").write_bytes(answer.read())
        assert ask(server, "/v1/sessions/none/bundle").status == 404
        said = ask(server, f"/v1/sessions/{talk.id}/verification").json
        assert (said["verdict"], said["findings"], said["notes"]) == ("intact", [], [])
        assert said["audio_bytes"] == len(PCM)
        _nothing_secret(server.log)
        yield Kept(folder / "data", talk.id, bundle, fingerprint)


def _nothing_secret(log: Path) -> None:
    text = log.read_text("utf-8")
    assert "head of session" in text
    assert " w7" not in text


@pytest.fixture
def kept(served: Kept, tmp_path: Path) -> Kept:
    """A copy that a test may forge."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with (
        closing(sqlite3.connect(served.data_dir / "greffier.db")) as live,
        closing(sqlite3.connect(data_dir / "greffier.db")) as copy,
    ):
        live.backup(copy)
    shutil.copytree(served.data_dir / "audio", data_dir / "audio")
    for name in (HEADS_FILE, KEY_FILE):
        shutil.copy(served.data_dir / name, data_dir / name)
    return replace(served, data_dir=data_dir)


def verify(kept: Kept, *options: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(
        command.verify, [kept.session, "--data-dir", str(kept.data_dir), "--json", *options]
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def codes(report: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in report["findings"]]


def offline(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Unpack what was handed over, and run its own verifier with nothing else installed."""
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_record_that_survived_a_kill_is_intact(kept: Kept) -> None:
    code, report = verify(kept)
    assert (code, report["findings"], report["notes"]) == (0, [], [])
    assert report["audio_bytes"] == len(PCM)
    assert report["anchors"] == 14
    assert [each["engine"].split(":")[0] for each in report["engines"]] == ["fake", "fake"]


def test_a_bundle_is_intact_offline(kept: Kept, tmp_path: Path) -> None:
    path = shutil.copy(kept.bundle, tmp_path / "b.zip")
    done = offline(Path(path), "--key", kept.fingerprint)
    assert (done.returncode, done.stderr) == (0, "")
    assert "INTACT." in done.stdout
    assert kept.session in done.stdout
    names = zipfile.ZipFile(kept.bundle).namelist()
    assert {"audio.wav", "events.jsonl", "transcript.txt", "minutes.md"} <= set(names)


def test_the_command_makes_the_same_bundle(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    options = [kept.session, "--data-dir", str(kept.data_dir), "-o", str(path)]
    done = CliRunner().invoke(command.bundle, options)
    assert done.exit_code == 0, done.output
    assert kept.fingerprint in done.output
    with zipfile.ZipFile(path) as made, zipfile.ZipFile(kept.bundle) as other:
        for name in made.namelist():
            if not name.startswith("manifest"):
                assert made.read(name) == other.read(name)
    done = CliRunner().invoke(command.verify, [str(path), "--key", kept.fingerprint])
    assert done.exit_code == 0
    assert "INTACT." in done.output
    assert list(tmp_path.glob(".made*")) == []


def test_a_tampered_bundle_is_told_in_plain_words(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "forged.zip"
    with zipfile.ZipFile(kept.bundle) as whole, zipfile.ZipFile(path, "w") as forged:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "events.jsonl":
                content = content.replace(b'" w7"', b'" w8"')
            forged.writestr(name, content)
    done = offline(path)
    assert done.returncode == 1
    assert "FOUND: events.jsonl was changed" in done.stdout
    assert "was changed, or the reference to it" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("NOT INTACT.")


def rows(kept: Kept) -> list[str]:
    with closing(sqlite3.connect(kept.data_dir / "greffier.db")) as database:
        found = database.execute("select payload from events order by seq").fetchall()
    return [str(payload) for (payload,) in found]


def write(kept: Kept, change: Callable[[sqlite3.Connection], object]) -> None:
    with closing(sqlite3.connect(kept.data_dir / "greffier.db")) as database:
        database.execute("pragma foreign_keys = off")
        change(database)
        database.commit()


def committed(kept: Kept) -> int:
    """Number of the first event with words."""
    found = [decode_record(row) for row in rows(kept)]
    return next(r.seq for r in found if isinstance(r.event, WordsCommitted))


def test_a_changed_word_in_the_database_is_located(kept: Kept) -> None:
    seq = committed(kept)
    changed = rows(kept)[seq - 1].replace('" w0"', '" no"')
    write(kept, lambda db: db.execute("update events set payload=? where seq=?", (changed, seq)))
    code, report = verify(kept)
    assert code == 1
    assert [(finding["code"], finding["seq"]) for finding in report["findings"]] == [
        ("changed", seq)
    ]


def test_a_record_that_cannot_be_read_is_located(kept: Kept) -> None:
    write(kept, lambda db: db.execute("update events set payload='{}' where seq=3"))
    code, report = verify(kept)
    assert (code, report["findings"][0]["code"], report["findings"][0]["seq"]) == (
        1,
        "unreadable",
        3,
    )
    assert len(report["findings"]) == 1


@pytest.mark.parametrize(("where", "expected"), [("seq=4", "missing"), ("seq>8", "cut_off")])
def test_removed_records_are_found(kept: Kept, where: str, expected: str) -> None:
    write(kept, lambda db: db.execute(f"delete from events where {where}"))  # noqa: S608
    code, report = verify(kept)
    assert code == 1
    assert expected in codes(report)


def test_a_record_rewritten_from_end_to_end_does_not_pass(kept: Kept) -> None:
    """Every hash fits; only the head that was signed says otherwise."""
    before, forged = GENESIS, list[tuple[str, int]]()
    for row in rows(kept):
        record = replace(decode_record(row.replace('" w3"', '" no"')), prev_hash=before)
        before = record_hash(record)
        forged.append((encode_record(record), record.seq))
    write(kept, lambda db: db.executemany("update events set payload=? where seq=?", forged))
    code, report = verify(kept)
    assert (code, codes(report)) == (1, ["head_unknown"])
    # Whoever also removes the register leaves a trace, and a head noted elsewhere finds it.
    honest = decode_record(json.loads((kept.data_dir / HEADS_FILE).read_text()) and rows(kept)[-1])
    assert isinstance(honest.event, SessionFinished)
    noted = json.loads((kept.data_dir / HEADS_FILE).read_text())["statement"]["head"]
    (kept.data_dir / HEADS_FILE).unlink()
    code, report = verify(kept)
    assert (code, [note["code"] for note in report["notes"]]) == (0, ["no_head"])
    assert verify(kept, "--head", noted)[0] == 1


def rewrite_audio(kept: Kept, audio: bytes) -> None:
    async def written() -> None:
        journal = DiskJournal(kept.data_dir / "audio")
        await journal.delete("default", kept.session)
        recording = await journal.open("default", kept.session)
        if audio:
            await recording.append(audio)
        await recording.seal()
        await journal.close()

    asyncio.run(written())


FORGERIES: list[tuple[Callable[[bytes], bytes], str, int]] = [
    (lambda pcm: pcm[:90_000] + b"\x01" + pcm[90_001:], "audio_changed", 2_000),
    (lambda pcm: pcm[32_000:64_000] + pcm[:32_000] + pcm[64_000:], "audio_changed", 0),
    (lambda pcm: pcm[:300_000], "audio_missing", 9_000),
    (lambda pcm: pcm + bytes(3_200), "audio_added", 13_500),
]


@pytest.mark.parametrize(("forge", "expected", "begin_ms"), FORGERIES)
def test_forged_audio_is_located(
    kept: Kept, forge: Callable[[bytes], bytes], expected: str, begin_ms: int
) -> None:
    rewrite_audio(kept, forge(PCM))
    code, report = verify(kept)
    first = report["findings"][0]
    assert (code, first["code"]) == (1, expected)
    assert begin_ms <= first["from_ms"] < begin_ms + 1_000


def test_a_recording_that_is_gone_is_found(kept: Kept) -> None:
    shutil.rmtree(kept.data_dir / "audio")
    code, report = verify(kept)
    assert (code, codes(report)) == (1, ["audio_missing"])


def test_rot_on_the_disk_is_missing_audio_that_nothing_explains(kept: Kept) -> None:
    (segment,) = sorted((kept.data_dir / "audio" / "default" / kept.session).iterdir())[:1]
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(bytes(content))
    code, report = verify(kept)
    assert (code, codes(report)) == (1, ["audio_missing"])


@pytest.mark.parametrize("session", ["none", "20260101-000000-00000000"])
def test_a_session_that_is_not_there_cannot_be_checked(kept: Kept, session: str) -> None:
    for run in (command.verify, command.bundle):
        done = CliRunner().invoke(run, [session, "--data-dir", str(kept.data_dir)])
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert "Traceback" not in done.output


def test_a_session_that_goes_on_is_checked_as_far_as_it_goes(kept: Kept) -> None:
    write(kept, lambda db: db.execute("delete from events where seq > 9"))
    write(kept, lambda db: db.execute("update sessions set state='open', last_seq=9"))
    (kept.data_dir / HEADS_FILE).unlink()
    code, report = verify(kept)
    assert (code, [note["code"] for note in report["notes"]]) == (0, ["unfinished"])
    done = CliRunner().invoke(command.bundle, [kept.session, "--data-dir", str(kept.data_dir)])
    assert done.exit_code == 2
    assert "goes on" in done.stderr


def test_a_wrong_data_directory_is_not_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(command.verify, ["s", "--data-dir", str(tmp_path / "none")])
    assert done.exit_code == 2
    assert not (tmp_path / "none").exists()


def test_the_key_given_out_is_the_one_that_signs(kept: Kept) -> None:
    key = open_signing_key(kept.data_dir)
    assert key.fingerprint == kept.fingerprint
    assert (kept.bundle.parent / "key.pem").read_bytes() == key.public_pem
