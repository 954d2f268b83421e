"""What the verifier finds, and where it says it is."""

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from greffier_server.bundle import verify
from greffier_server.core.events import GapFound, Recorded
from greffier_server.core.records import GENESIS, encode_record, record_hash
from tests.support.bundles import (
    FORM,
    KEY,
    OTHER_KEY,
    anchored,
    check,
    made,
    members,
    resigned,
    zipped,
)
from tests.support.sessions import meeting

pytestmark = pytest.mark.unit

AUDIO = bytes((7 * index) % 256 for index in range(200))
"""25 ms; anchors every 8."""
Files = dict[str, bytes]


def codes(found: Sequence[verify.Finding]) -> list[str]:
    return [finding.code for finding in found]


def files() -> Files:
    return members(made(anchored(AUDIO), AUDIO))


def test_a_whole_bundle_is_intact(tmp_path: Path) -> None:
    records = anchored(AUDIO)
    report = check(tmp_path, made(records, AUDIO), head=record_hash(records[-1]))
    assert (report.verdict, report.findings, report.notes) == (verify.INTACT, [], [])
    assert (report.tenant, report.session) == ("dgfip", "s1")
    assert (report.records, report.head) == (len(records), record_hash(records[-1]))
    assert (report.audio_bytes, report.audio_ms, report.anchors) == (200, 25, 4)
    engine = "whisper-ct2/4.8.5:base@905e5bf8336b:int8,cpu"
    assert report.plain()["engines"] == [
        {"engine": engine, "first_seq": 1, "last_seq": len(records), "records": len(records)}
    ]
    assert report.exit_code == 0
    assert "INTACT." in report.text()
    assert engine in report.text()
    json.dumps(report.plain())


def test_it_says_when_nobody_said_whose_key_it_is(tmp_path: Path) -> None:
    report = check(tmp_path, made(anchored(AUDIO), AUDIO), key="")
    assert report.verdict == verify.INTACT
    assert codes(report.notes) == ["key_not_compared"]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def with_lines(change: Callable[[list[bytes]], object]) -> Callable[[Files], Files]:
    def changed(found: Files) -> Files:
        lines = found["events.jsonl"].splitlines(keepends=True)
        change(lines)
        return {**found, "events.jsonl": b"".join(lines)}

    return changed


def swap(lines: list[bytes]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def rename(lines: list[bytes]) -> None:
    lines[3] = lines[3].replace(b'"text":" \xc3\x87a"', b'"text":" Si"')


def adopt(lines: list[bytes]) -> None:
    lines[4] = lines[4].replace(b'"session":"s1"', b'"session":"s2"')


CHANGES: list[tuple[Callable[[Files], Files], str, int]] = [
    (with_lines(rename), "changed", 4),
    (with_lines(lambda lines: lines.pop(4)), "missing", 5),
    (with_lines(lambda lines: lines.insert(4, lines[3])), "doubled", 4),
    (with_lines(swap), "reordered", 4),
    (with_lines(lambda lines: lines.pop(0)), "missing", 1),
    (with_lines(lambda lines: lines.__setitem__(2, b"nothing\n")), "unreadable", 3),
    (with_lines(lambda lines: lines.__setitem__(2, b'{"seq":"3"}\n')), "unreadable", 3),
    (with_lines(adopt), "foreign_record", 5),
]


@pytest.mark.parametrize(("change", "code", "seq"), CHANGES)
def test_a_changed_log_is_found_although_it_was_signed_anew(
    tmp_path: Path, change: Callable[[Files], Files], code: str, seq: int
) -> None:
    """Even the server's own key does not help who has not rewritten the chain."""
    report = check(tmp_path, zipped(resigned(change(files()))))
    assert report.exit_code == 1
    assert (code, seq) in [(finding.code, finding.seq) for finding in report.findings]
    assert "NOT INTACT" in report.text()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_log_cut_off_at_its_end_is_found(tmp_path: Path, count: int) -> None:
    cut = with_lines(lambda lines: lines.__delitem__(slice(-count, None)))
    report = check(tmp_path, zipped(resigned(cut(files()))))
    assert "unfinished" in codes(report.findings)


def test_a_log_rewritten_as_a_whole_is_found_by_a_head_from_elsewhere(tmp_path: Path) -> None:
    noted = record_hash(anchored(AUDIO)[-1])
    forged = made(anchored(AUDIO, extra=[GapFound(0, 1, "engine_failed")]), AUDIO)
    assert check(tmp_path, forged).exit_code == 0
    assert codes(check(tmp_path, forged, head=noted).findings) == ["head_unknown"]


def test_a_record_that_grew_since_its_head_was_noted_says_so(tmp_path: Path) -> None:
    records = anchored(AUDIO)
    report = check(tmp_path, made(records, AUDIO), head=record_hash(records[-3]))
    assert (report.exit_code, codes(report.notes)) == (0, ["grown"])


@pytest.mark.parametrize(
    ("at", "begin_ms", "end_ms"), [(0, 0, 8), (63, 0, 8), (64, 8, 16), (199, 24, 25)]
)
def test_changed_audio_is_located(tmp_path: Path, at: int, begin_ms: int, end_ms: int) -> None:
    found = files()
    begin = len(found["audio.wav"]) - len(AUDIO)
    found["audio.wav"] = flipped(found["audio.wav"], begin + at)
    report = check(tmp_path, zipped(resigned(found)))
    (finding,) = report.findings
    assert (finding.code, finding.from_ms, finding.to_ms) == ("audio_changed", begin_ms, end_ms)


def labelled(found: Files, audio: bytes, **changes: object) -> Files:
    """Another recording, with the list of contents that fits it."""
    said = json.loads(found["manifest.json"])["audio"]
    header = verify.wave_header(said["format"], len(audio))
    changed = {**found, "audio.wav": header + audio}
    return resigned(changed, audio={**said, "bytes": len(audio), **changes})


@pytest.mark.parametrize(
    ("audio", "expected"),
    [
        (AUDIO[64:128] + AUDIO[:64] + AUDIO[128:], ["audio_changed", "audio_changed"]),
        (AUDIO[:128], ["audio_missing"]),
        (AUDIO[:150], ["audio_missing"]),
        (AUDIO + b"more", ["audio_added"]),
        (AUDIO[:64] + AUDIO[:64] + AUDIO[128:], ["audio_changed"]),
        (b"", ["audio_missing"]),
    ],
)
def test_other_audio_is_found(tmp_path: Path, audio: bytes, expected: list[str]) -> None:
    report = check(tmp_path, zipped(labelled(files(), audio)))
    assert codes(report.findings) == expected


def test_lost_audio_counts_as_damage_only_where_the_record_says_so(tmp_path: Path) -> None:
    lost = (70, 90)
    silent = made(anchored(AUDIO), AUDIO, unreadable=lost)
    report = check(tmp_path, silent)
    (finding,) = report.findings
    assert finding.code == "audio_missing"
    assert finding.from_ms is not None
    assert finding.to_ms is not None
    assert finding.from_ms <= 70 / 8 <= finding.to_ms
    for cause, expected in (("engine_failed", 1), ("audio_damaged", 0)):
        gap = GapFound(8, 12, cause)
        report = check(tmp_path, made(anchored(AUDIO, extra=[gap]), AUDIO, unreadable=lost))
        assert report.exit_code == expected
    assert codes(report.notes) == ["damaged"]


def test_a_gap_elsewhere_excuses_nothing(tmp_path: Path) -> None:
    gap = GapFound(60_000, 61_000, "audio_damaged")
    bundle = made(anchored(AUDIO, extra=[gap]), AUDIO, unreadable=(70, 90))
    assert check(tmp_path, bundle).exit_code == 1


def test_what_was_lost_before_it_was_anchored_is_told(tmp_path: Path) -> None:
    records = anchored(AUDIO, lost=(70, 90))
    report = check(tmp_path, made(records, AUDIO))
    assert (report.exit_code, codes(report.notes)) == (0, ["not_anchored"])


def test_a_log_without_anchors_is_checked_as_far_as_it_goes(tmp_path: Path) -> None:
    report = check(tmp_path, made(meeting(), AUDIO))
    assert (report.exit_code, codes(report.notes)) == (0, ["audio_not_covered"])
    report = check(tmp_path, made(anchored(AUDIO), None))
    assert (report.exit_code, codes(report.notes)) == (0, ["no_audio"])


def without(name: str) -> Callable[[Files], Files]:
    return lambda found: {key: value for key, value in found.items() if key != name}


FORM_PLAIN = {"encoding": FORM.encoding, "rate": FORM.rate, "channels": FORM.channels}
FILE_CHANGES: list[tuple[Callable[[Files], Files], str]] = [
    (without("transcript.txt"), "missing_file"),
    (without("audio.wav"), "missing_file"),
    (without("events.jsonl"), "missing_file"),
    (without("manifest.sig"), "signature"),
    (without("public_key.pem"), "missing_file"),
    (lambda found: {**found, "notes.txt": b"?"}, "foreign_file"),
    (lambda found: {**found, "transcript.txt": b"Si"}, "changed_file"),
    (lambda found: {**found, "verify.py": b"print('INTACT.')"}, "changed_file"),
    (lambda found: {**found, "manifest.sig": bytes(64)}, "signature"),
    (lambda found: {**found, "manifest.sig": OTHER_KEY.sign(b"")}, "signature"),
    (lambda found: resigned(found, OTHER_KEY), "other_key"),
    (lambda found: {**resigned(found), "public_key.pem": OTHER_KEY.public_pem}, "signature"),
    (lambda found: resigned(found, head=GENESIS), "other_records"),
    (lambda found: resigned(found, records=3), "other_records"),
    (lambda found: labelled(found, AUDIO, format={**FORM_PLAIN, "rate": 4}), "audio_format"),
]


@pytest.mark.parametrize(("change", "code"), FILE_CHANGES)
def test_a_changed_file_is_found(
    tmp_path: Path, change: Callable[[Files], Files], code: str
) -> None:
    report = check(tmp_path, zipped(change(files())))
    assert report.exit_code == 1
    assert code in codes(report.findings)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_found(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(made(anchored(AUDIO), AUDIO))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("transcript.txt", members(path.read_bytes())["transcript.txt"])
    assert "doubled_file" in codes(verify.check_bundle(path).findings)


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"format":"greffier-bundle/2"}', b"\xff", b"[" * 100_000]
)
def test_a_list_of_contents_of_another_kind_cannot_be_checked(
    tmp_path: Path, manifest: bytes
) -> None:
    report = check(tmp_path, zipped({**files(), "manifest.json": manifest}))
    assert report.exit_code == 2
    assert "CANNOT BE CHECKED" in report.text()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_archive_cannot_be_checked(tmp_path: Path, content: bytes) -> None:
    assert check(tmp_path, content).exit_code == 2


def test_a_file_that_is_not_there_cannot_be_checked(tmp_path: Path) -> None:
    assert verify.check_bundle(tmp_path / "none.zip").exit_code == 2


def test_a_key_is_given_as_file_or_fingerprint(tmp_path: Path) -> None:
    archive = made(anchored(AUDIO), AUDIO)
    for key, code in ((KEY, 0), (OTHER_KEY, 1)):
        pem = tmp_path / "key.pem"
        pem.write_bytes(key.public_pem)
        assert check(tmp_path, archive, key=str(pem)).exit_code == code
        assert check(tmp_path, archive, key=key.fingerprint.upper()).exit_code == code
    assert check(tmp_path, archive, key=str(tmp_path / "none.pem")).exit_code == 2


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier as it lies in a bundle, by a Python that has nothing else."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_bundled_file_checks_the_folder_it_lies_in(tmp_path: Path) -> None:
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    shipped = Path(verify.__file__).read_bytes()
    assert (tmp_path / "verify.py").read_bytes() == shipped
    done = run(tmp_path, "--key", KEY.fingerprint)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.rstrip().splitlines()[-1].startswith("INTACT.")
    (tmp_path / "transcript.txt").write_bytes(b"Si")
    done = run(tmp_path, "--json")
    assert done.returncode == 1
    assert codes([verify.Finding(**each) for each in json.loads(done.stdout)["findings"]]) == [
        "changed_file"
    ]
    (tmp_path / "manifest.json").unlink()
    assert run(tmp_path).returncode == 2


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


def test_it_is_one_file_for_an_old_python() -> None:
    """Types and library calls are held to 3.9 by the type checker (pyproject.toml)."""
    source = Path(verify.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _names(node)
    }
    assert imported <= sys.stdlib_module_names


def plain_lines(records: Sequence[Recorded]) -> list[bytes]:
    return [encode_record(record).encode() for record in records]


def test_nothing_is_no_record() -> None:
    report = verify.Report()
    verify.LogCheck(report).finish()
    assert codes(report.findings) == ["no_records"]


def test_a_log_that_begins_otherwise_is_found() -> None:
    report = verify.Report()
    log = verify.LogCheck(report)
    for line in plain_lines(meeting()[1:]):
        log.add(line)
    log.finish()
    assert codes(report.findings) == ["missing", "no_beginning"]


@pytest.mark.parametrize("rate", [8_000, 48_000])
@pytest.mark.parametrize("length", [0, 2 * 48_000, (1 << 32) - 60, 1 << 33])
def test_the_header_of_a_recording(rate: int, length: int) -> None:
    header = verify.wave_header({"encoding": "pcm_s16le", "rate": rate, "channels": 2}, length)
    large = length > 0xFFFFFFFF - 50
    assert header[:4] == (b"RF64" if large else b"RIFF")
    assert header[8:12] == b"WAVE"
    at, sizes = 12, dict[bytes, int]()
    while at < len(header):
        sizes[header[at : at + 4]] = int.from_bytes(header[at + 4 : at + 8], "little")
        body = header[at + 8 : at + 8 + sizes[header[at : at + 4]]]
        if header[at : at + 4] == b"ds64":
            assert int.from_bytes(body[:8], "little") == len(header) + length - 8
            assert int.from_bytes(body[8:16], "little") == length
        at += 8 + (0 if header[at : at + 4] == b"data" else sizes[header[at : at + 4]])
    assert at == len(header)
    if not large:
        assert sizes[b"data"] == length
        assert int.from_bytes(header[4:8], "little") == len(header) + length - 8
