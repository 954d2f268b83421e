#!/usr/bin/env python3
"""Checks a record that Greffier exported: ``python3 verify.py BUNDLE.zip``.

One file, the standard library alone, Python 3.9 or newer, no network. It answers whether any record
or any byte of audio was changed, removed, added or put elsewhere since it was written, and by whose
key the whole was signed. Exit code: 0 intact, 1 not intact, 2 cannot be checked.

A bundle brings a copy of this file. Whoever could forge a bundle could forge that copy too: run one
that you have from elsewhere. The format is described in Greffier's documentation, "Export bundle".
"""

import argparse
import base64
import hashlib
import json
import sys
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Optional, Union, cast

if sys.version_info < (3, 9):  # noqa: UP036 - said in words, and not with the code of a forgery
    sys.stderr.write("This verifier needs Python 3.9 or newer.\n")
    sys.exit(2)

BUNDLE_FORMAT = "greffier-bundle/1"
ANCHOR_DOMAIN = b"greffier audio anchor 1\0"
GENESIS = "0" * 64
INTACT, CHANGED, UNCHECKED = "intact", "not intact", "cannot be checked"
EXIT_CODES = {INTACT: 0, CHANGED: 1, UNCHECKED: 2}
DAMAGE_CAUSES = frozenset({"audio_damaged"})
"""Causes of gaps that say: this audio could not be read from its disk any more."""

_GAP_TOLERANCE_MS = 100
_BLOCK = 1 << 20
_LONGEST_LINE = 64 << 20
_LONGEST_MANIFEST = 16 << 20
_SAMPLE_BYTES = {
    "pcm_s16le": 2,
    "pcm_s24le": 3,
    "pcm_s32le": 4,
    "pcm_f32le": 4,
    "mulaw": 1,
    "alaw": 1,
}
_WAVE_TAGS = {"pcm_s16le": 1, "pcm_s24le": 1, "pcm_s32le": 1, "pcm_f32le": 3, "alaw": 6, "mulaw": 7}
_BROKEN_FILE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    KeyError,
)
"""What reading a damaged archive raises."""

Reader = Callable[[int, int], Iterable[tuple[int, bytes]]]
"""Audio between two bytes in pieces with their places; what is lost is left out."""


class Finding(NamedTuple):
    """Something that is not as it was written, and where."""

    code: str
    message: str
    seq: Optional[int] = None
    """Number of the record."""
    from_ms: Optional[int] = None
    to_ms: Optional[int] = None
    """Place in the recording."""

    def __str__(self) -> str:
        if self.from_ms is None or self.to_ms is None:
            return self.message
        return f"{clock(self.from_ms)} to {clock(self.to_ms)}: {self.message}"


class Anchor(NamedTuple):
    """What the log says of a stretch of audio."""

    seq: int
    from_byte: int
    to_byte: int
    digest: str
    sure: bool = True
    """No record between it and the anchor before is missing or unreadable."""


class Report:
    """What was checked and what was found."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self.unchecked = ""
        self.tenant = self.session = ""
        self.records = 0
        self.head = GENESIS
        self.anchors = 0
        self.audio_bytes = 0
        self.audio_ms = 0
        self.key = ""
        self.engines: dict[str, list[int]] = {}

    @property
    def verdict(self) -> str:
        """`INTACT`, `CHANGED` or `UNCHECKED`."""
        if self.findings:
            return CHANGED
        return UNCHECKED if self.unchecked else INTACT

    @property
    def exit_code(self) -> int:
        """0 intact, 1 not intact, 2 cannot be checked."""
        return EXIT_CODES[self.verdict]

    def plain(self) -> dict[str, Any]:
        """Return all of it as JSON-ready values."""
        return {
            "verdict": self.verdict,
            "reason": self.unchecked,
            "tenant": self.tenant,
            "session": self.session,
            "records": self.records,
            "head": self.head,
            "anchors": self.anchors,
            "audio_bytes": self.audio_bytes,
            "audio_ms": self.audio_ms,
            "key": self.key,
            "engines": [
                {"engine": engine, "first_seq": first, "last_seq": last, "records": count}
                for engine, (first, last, count) in self.engines.items()
            ],
            "findings": [finding._asdict() for finding in self.findings],
            "notes": [note._asdict() for note in self.notes],
        }

    def text(self) -> str:
        """Return all of it for people."""
        lines: list[str] = []
        if self.session:
            lines.append(f"Session {self.session} of {self.tenant}")
            lines.append(f"  records    {self.records}, the last one with hash {self.head}")
            length = f"{clock(self.audio_ms)} ({self.audio_bytes} bytes)"
            lines.append(f"  audio      {length}, {self.anchors} anchors")
            for engine, (first, last, count) in self.engines.items():
                lines.append(f"  written by {engine}: {count} records, {first} to {last}")
        if self.key:
            lines.append(f"  key        {self.key}")
        lines += [f"Note: {note}" for note in self.notes]
        lines += [f"FOUND: {finding}" for finding in self.findings]
        lines.append(" ".join(filter(None, [_CLOSING[self.verdict], self._limits, self.unchecked])))
        return "\n".join(lines) + "\n"

    @property
    def _limits(self) -> str:
        limits = {note.code for note in self.notes} - {"key_not_compared", "grown"}
        if self.verdict != INTACT or not limits:
            return ""
        return "Read the notes: they say what this does not cover."


_CLOSING = {
    INTACT: "INTACT. Nothing was changed, removed, added or moved.",
    CHANGED: "NOT INTACT. This is not the record as it was written.",
    UNCHECKED: "CANNOT BE CHECKED.",
}


def clock(ms: int) -> str:
    """Return a place in a recording as ``h:mm:ss.mmm``."""
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


# --- the chain of records -------------------------------------------------------------------------


class LogCheck:
    """Takes the records of one session in order, as their canonical JSON.

    Args:
        report: where findings go.
        head: hash of a record that must be in the chain; empty = none is known.
    """

    def __init__(self, report: Report, *, head: str = "") -> None:
        self._report = report
        self._wanted = head.lower()
        self._seen_at = 0
        self._last_seq = 0
        self._broken = False
        self.anchors: list[Anchor] = []
        self.damage: list[tuple[int, int]] = []
        """Gaps (from, to) in ms that say that audio was lost on disk."""
        self.format: dict[str, Any] = {}
        self.finished = False

    def add(self, line: bytes) -> None:
        """Take the next record."""
        report = self._report
        report.records += 1
        before, report.head = report.head, hashlib.sha256(line).hexdigest()
        try:
            record = _object(json.loads(line))
            seq, said = _number(record["seq"]), str(record["prev_hash"])
            event = _object(record["event"])
            self._place(seq, follows=before in (said, ""))
            self._last_seq = seq
            if report.records == 1:
                report.tenant, report.session = str(record["tenant"]), str(record["session"])
            if (record["tenant"], record["session"]) != (report.tenant, report.session):
                self._find("foreign_record", f"record {seq} belongs to another session", seq)
            self._count(str(record["engine"]), seq)
            self._read(seq, str(event["type"]), event)
        except (KeyError, TypeError, ValueError, RecursionError):
            self._last_seq += 1
            self._broken = True
            self._find("unreadable", f"record {self._last_seq} cannot be read", self._last_seq)
        if report.head == self._wanted:
            self._seen_at = report.records

    def miss(self, seq: int) -> None:
        """Take note of a record that its store cannot give."""
        self._last_seq, self._broken = seq, True
        self._report.records += 1
        self._report.head = ""
        self._find("unreadable", f"record {seq} cannot be read", seq)

    def finish(self) -> None:
        """All records were taken."""
        report = self._report
        if not report.records:
            self._find("no_records", "there are no records at all")
        elif not self.format:
            self._find("no_beginning", "the record does not begin with the start of a session")
        if self._wanted and not self._seen_at:
            text = (
                "the expected hash is not in the chain: records were changed, or cut off at the end"
            )
            self._find("head_unknown", text)
        elif self._wanted and self._seen_at < report.records:
            more = report.records - self._seen_at
            note = f"the record has grown by {more} since the expected hash was noted"
            report.notes.append(Finding("grown", note))

    def _place(self, seq: int, *, follows: bool) -> None:
        expected = self._last_seq + 1
        if seq == expected and follows:
            return
        if seq != expected:
            self._broken = True
        if seq > expected:
            these = (
                f"record {expected} is"
                if seq == expected + 1
                else f"records {expected} to {seq - 1} are"
            )
            self._find("missing", f"{these} missing, or stood elsewhere", expected)
        elif seq == self._last_seq:
            self._find("doubled", f"record {seq} stands there twice", seq)
        elif seq < expected:
            self._find("reordered", f"record {seq} stands behind record {self._last_seq}", seq)
        elif seq == 1:
            self._find("changed", "record 1 was changed: nothing can come before it", seq)
        else:
            text = (
                f"record {seq} does not follow from record {seq - 1}: record {seq - 1} was changed"
            )
            self._find("changed", f"{text}, or the reference to it", seq - 1)

    def _count(self, engine: str, seq: int) -> None:
        if engine:
            known = self._report.engines.setdefault(engine, [seq, seq, 0])
            known[1], known[2] = seq, known[2] + 1

    def _read(self, seq: int, kind: str, event: dict[str, Any]) -> None:
        if kind == "SessionStarted" and seq == 1:
            self.format = _object(event["format"])
            bytes_a_second(self.format)
        elif kind == "SessionFinished":
            self.finished = True
        elif kind == "GapFound" and event["cause"] in DAMAGE_CAUSES:
            self.damage.append((_number(event["from_ms"]), _number(event["to_ms"])))
        elif kind == "AudioAnchored":
            begin, to = _number(event["from_byte"]), _number(event["to_byte"])
            anchor = Anchor(seq, begin, to, str(event["digest"]), not self._broken)
            bytes.fromhex(anchor.digest)
            self._broken = False
            end = self.anchors[-1].to_byte if self.anchors else 0
            if not end <= anchor.from_byte <= anchor.to_byte:
                self._find("anchor_order", f"the anchor of record {seq} is out of order", seq)
            self.anchors.append(anchor)

    def _find(self, code: str, message: str, seq: Optional[int] = None) -> None:
        self._report.findings.append(Finding(code, message, seq))


# --- the audio ------------------------------------------------------------------------------------


def bytes_a_second(form: dict[str, Any]) -> int:
    """Return how many bytes a second of audio takes."""
    width = _SAMPLE_BYTES[str(form["encoding"])]
    a_second = width * _number(form["rate"]) * _number(form["channels"])
    if a_second < 1:
        raise ValueError("format")
    return a_second


def check_audio(report: Report, log: LogCheck, *, length: int, read: Reader) -> None:
    """Hold the audio against the anchors of its log.

    Args:
        report: where findings go.
        log: all records.
        length: of the audio in bytes.
        read: gives the audio; every call begins where the one before ended, or later.
    """
    if not log.format:
        return
    a_second = bytes_a_second(log.format)
    report.audio_bytes, report.audio_ms = length, length * 1000 // a_second
    report.anchors = len(log.anchors)
    if not log.anchors:
        if length:
            text = "the log has no anchors of audio: the chain covers the records alone"
            report.notes.append(Finding("audio_not_covered", text))
        return
    before, end = GENESIS, 0
    for anchor in log.anchors:
        if not anchor.sure:
            text = "cannot be checked: a record with an anchor before it is not there"
            _place(report.notes, "no_anchor", text, a_second, end, anchor.to_byte, anchor.seq)
        elif anchor.from_byte > end:
            text = "could not be read any more when its hash was to be taken, as the record says"
            _place(report.notes, "not_anchored", text, a_second, end, anchor.from_byte, anchor.seq)
        if anchor.sure and anchor.from_byte >= end:
            _check_stretch(report, log, anchor, before, length, read, a_second)
        before, end = anchor.digest, max(end, anchor.to_byte)
    if end < length and log.finished:
        _place(report.findings, "audio_added", "audio was added", a_second, end, length)
    elif end < length:
        text = "is not anchored yet: the session goes on"
        _place(report.notes, "not_anchored", text, a_second, end, length)


def _check_stretch(
    report: Report,
    log: LogCheck,
    anchor: Anchor,
    before: str,
    length: int,
    read: Reader,
    a_second: int,
) -> None:
    begin, end, seq = anchor.from_byte, anchor.to_byte, anchor.seq
    running = hashlib.sha256(ANCHOR_DOMAIN + bytes.fromhex(before) + begin.to_bytes(8, "big"))
    at, lost = begin, list[tuple[int, int]]()
    for offset, piece in read(begin, min(end, length)):
        if offset > at:
            lost.append((at, offset))
        running.update(piece)
        at = offset + len(piece)
    if at < min(end, length):
        lost.append((at, min(end, length)))
    if length < end:
        text = "audio is missing: the recording was cut off"
        _place(report.findings, "audio_missing", text, a_second, max(begin, length), end, seq)
        return
    for gone in lost:
        if _covered(log.damage, gone, a_second):
            text = "was lost on its disk; the record says so"
            _place(report.notes, "damaged", text, a_second, *gone, seq)
        else:
            text = "audio is missing, and nothing in the record says so"
            _place(report.findings, "audio_missing", text, a_second, *gone, seq)
    running.update(end.to_bytes(8, "big"))
    if not lost and running.hexdigest() != anchor.digest:
        text = "the audio was changed, or moved from elsewhere"
        _place(report.findings, "audio_changed", text, a_second, begin, end, seq)


def _covered(damage: list[tuple[int, int]], lost: tuple[int, int], a_second: int) -> bool:
    from_ms, to_ms = (at * 1000 // a_second for at in lost)
    for gap_from_ms, gap_to_ms in sorted(damage):
        if gap_from_ms - _GAP_TOLERANCE_MS <= from_ms:
            from_ms = max(from_ms, gap_to_ms + _GAP_TOLERANCE_MS)
    return from_ms >= to_ms


def _place(
    to: list[Finding],
    code: str,
    message: str,
    a_second: int,
    begin: int,
    end: int,
    seq: Optional[int] = None,
) -> None:
    found = Finding(code, message, seq, begin * 1000 // a_second, -(-end * 1000 // a_second))
    last = to[-1] if to else None
    if (
        code in ("audio_missing", "damaged")
        and last is not None
        and (last.code, last.message) == (code, message)
        and last.to_ms is not None
        and last.to_ms >= begin * 1000 // a_second
    ):
        to[-1] = last._replace(to_ms=found.to_ms)  # one loss over several anchors
        return
    to.append(found)


def wave_header(form: dict[str, Any], length: int) -> bytes:
    """Return the header of a WAV file, or of an RF64 one (EBU Tech 3306) where it is too long."""
    encoding, channels, rate = str(form["encoding"]), int(form["channels"]), int(form["rate"])
    width = _SAMPLE_BYTES[encoding]

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little")

    fmt = b"fmt " + number(18, 4) + number(_WAVE_TAGS[encoding], 2) + number(channels, 2)
    fmt += number(rate, 4) + number(rate * channels * width, 4)
    fmt += number(channels * width, 2) + number(8 * width, 2) + number(0, 2)
    frames = length // (channels * width)
    fact = b"fact" + number(4, 4) + number(min(frames, 0xFFFFFFFF), 4)
    riff = 4 + len(fmt) + len(fact) + 8 + length
    if riff <= 0xFFFFFFFF:
        return b"RIFF" + number(riff, 4) + b"WAVE" + fmt + fact + b"data" + number(length, 4)
    large = b"ds64" + number(28, 4) + number(riff + 36, 8) + number(length, 8)
    large += number(frames, 8) + number(0, 4)
    unknown = b"\xff" * 4
    return b"RF64" + unknown + b"WAVE" + large + fmt + fact + b"data" + unknown


# --- Ed25519 (RFC 8032) ---------------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)
_PEM_PREFIX = bytes.fromhex("302a300506032b6570032100")
_Point = tuple[int, int, int, int]


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the Ed25519 signature is right.

    As strict as RFC 8032 (section 5.1.7) lets one be: one encoding alone of every number and
    point, no key of small order; the equation without the cofactor, as OpenSSL has it.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key, scalar = _decode_point(public), int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _L:
        return False
    if _encode_point(_multiply(8, key)) == _encode_point(_NEUTRAL):
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    factor = int.from_bytes(digest, "little") % _L
    x, y, z, t = key
    minus_key = (_P - x, y, z, _P - t)
    found = _add(_multiply(scalar, _BASE), _multiply(factor, minus_key))
    return _encode_point(found) == signature[:32]


def fingerprint(public: bytes) -> str:
    """Return the short name of a public key, to be read out and compared."""
    return "SHA256:" + hashlib.sha256(public).hexdigest()


def read_public_key(text: str) -> bytes:
    """Read a PEM public key.

    Raises:
        ValueError: it is not one of Ed25519.
    """
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or "BEGIN PUBLIC KEY" not in lines[0] or "END PUBLIC KEY" not in lines[-1]:
        raise ValueError("not a PEM public key")
    octets = base64.b64decode("".join(lines[1:-1]), validate=True)
    if not octets.startswith(_PEM_PREFIX) or len(octets) != len(_PEM_PREFIX) + 32:
        raise ValueError("not an Ed25519 key")
    return octets[len(_PEM_PREFIX) :]


def _add(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


_NEUTRAL: _Point = (0, 1, 1, 0)


def _multiply(factor: int, point: _Point) -> _Point:
    result = _NEUTRAL
    while factor:
        if factor & 1:
            result = _add(result, point)
        point = _add(point, point)
        factor >>= 1
    return result


def _decode_point(octets: bytes) -> Optional[_Point]:
    y = int.from_bytes(octets, "little")
    odd, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_M1 % _P
    if (x * x - square) % _P or (x == 0 and odd):
        return None
    if x & 1 != odd:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode_point(point: _Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = cast("_Point", _decode_point(bytes.fromhex("58" + "66" * 31)))


# --- bundles --------------------------------------------------------------------------------------


class _Zip:
    """The members of an archive; nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self.names = [info.filename for info in self._archive.infolist()]

    def open(self, name: str) -> BinaryIO:
        return cast("BinaryIO", self._archive.open(name))

    def close(self) -> None:
        self._archive.close()


class _Folder:
    """The same of a bundle that was unpacked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        inside = (entry for entry in path.rglob("*") if not entry.is_dir())
        self.names = [entry.relative_to(path).as_posix() for entry in inside]

    def open(self, name: str) -> BinaryIO:
        return (self._path / name).open("rb")

    def close(self) -> None:
        pass


def check_bundle(path: Path, *, key: str = "", head: str = "") -> Report:
    """Check a bundle.

    Args:
        path: of the archive, or of the folder it was unpacked into.
        key: the public key that must have signed it: a PEM file, or its fingerprint.
        head: hash of a record that must be in the chain.
    """
    report = Report()
    try:
        files: Union[_Zip, _Folder] = _Folder(path) if path.is_dir() else _Zip(path)
    except _BROKEN_FILE:
        report.unchecked = "This is no bundle, or one that is cut off or damaged as a whole."
        return report
    try:
        _check_files(report, files, key=key, head=head)
    finally:
        files.close()
    return report


def _check_files(report: Report, files: Union[_Zip, _Folder], *, key: str, head: str) -> None:
    try:
        written = _read(files, "manifest.json", _LONGEST_MANIFEST)
        manifest = _object(json.loads(written))
        form = manifest["format"]
        if form != BUNDLE_FORMAT:
            report.unchecked = "It is not of a version that this verifier knows."
            return
        members = {name: _object(said) for name, said in _object(manifest["members"]).items()}
        public = bytes.fromhex(str(_object(manifest["key"])["public"]))
    except (*_BROKEN_FILE, TypeError, RecursionError):
        report.unchecked = "Its list of contents (manifest.json) is missing or cannot be read."
        return
    _check_signature(report, files, written, public, key)
    whole = _check_members(report, files, members)
    log = LogCheck(report, head=head)
    if "events.jsonl" in whole:
        for line in _lines(files):
            log.add(line)
    log.finish()
    if not log.finished:
        text = "the record does not end as a finished session does: its end is cut off"
        report.findings.append(Finding("unfinished", text))
    if (report.records, report.head) != (manifest.get("records"), manifest.get("head")):
        text = "the records are not those that the signed list of contents names"
        report.findings.append(Finding("other_records", text))
    _check_recording(report, log, files, manifest.get("audio"), whole)


def _check_signature(
    report: Report, files: Union[_Zip, _Folder], written: bytes, public: bytes, key: str
) -> None:
    report.key = fingerprint(public)
    try:
        signature = _read(files, "manifest.sig", 64)
        beside = read_public_key(_read(files, "public_key.pem", 4096).decode())
    except _BROKEN_FILE:
        signature, beside = b"", b""
    if not verify_signature(public, signature, written):
        text = "the signature is wrong: the list of contents was changed, or signed by nobody"
        report.findings.append(Finding("signature", text))
    elif beside != public:
        text = "public_key.pem is not the key that signed"
        report.findings.append(Finding("signature", text))
    if not key:
        text = (
            "whose key it is, this file cannot know: compare it with the one you were given (--key)"
        )
        report.notes.append(Finding("key_not_compared", text))
        return
    try:
        wanted = key if ":" in key[:8] else fingerprint(read_public_key(Path(key).read_text()))
    except (OSError, ValueError):
        report.unchecked = "The key given cannot be read: name a PEM file or a fingerprint."
        return
    if wanted.lower() != report.key.lower():
        text = "it was signed with another key than the one given"
        report.findings.append(Finding("other_key", text))


def _check_members(
    report: Report, files: Union[_Zip, _Folder], members: dict[str, dict[str, Any]]
) -> set[str]:
    """Compare every file with its hash; return the names of those that can be read."""
    known = {*members, "manifest.json", "manifest.sig"}
    for name in sorted(set(files.names) - known):
        text = f"{name} does not belong to the bundle"
        (report.notes if isinstance(files, _Folder) else report.findings).append(
            Finding("foreign_file", text)
        )
    for name in sorted({name for name in files.names if files.names.count(name) > 1}):
        report.findings.append(Finding("doubled_file", f"{name} is in the bundle twice"))
    whole: set[str] = set()
    for name, said in members.items():
        if name not in files.names:
            report.findings.append(Finding("missing_file", f"{name} is missing"))
            continue
        running, size = hashlib.sha256(), 0
        try:
            with files.open(name) as file:
                while block := file.read(_BLOCK):
                    running.update(block)
                    size += len(block)
                    if size > _number(said["bytes"]):
                        break
        except _BROKEN_FILE:
            report.findings.append(Finding("broken_file", f"{name} is damaged"))
            continue
        whole.add(name)
        if (size, running.hexdigest()) != (said.get("bytes"), said.get("sha256")):
            report.findings.append(Finding("changed_file", f"{name} was changed"))
    return whole


def _check_recording(
    report: Report, log: LogCheck, files: Union[_Zip, _Folder], said: object, whole: set[str]
) -> None:
    if said is None:
        if any(anchor.to_byte for anchor in log.anchors):
            text = "the bundle was made without the recording, so that only the records are checked"
            report.notes.append(Finding("no_audio", text))
        return
    try:
        audio = _object(said)
        name, length = str(audio["member"]), _number(audio["bytes"])
        lost = [(_number(begin), _number(end)) for begin, end in audio["lost"]]
        if name not in whole:
            return  # said already
        if log.format and _object(audio["format"]) != log.format:
            text = "the recording is labelled with another format than the record has"
            report.findings.append(Finding("audio_format", text))
        with files.open(name) as file:
            header = wave_header(log.format, length) if log.format else b""
            if file.read(len(header)) != header:
                text = "the header of the recording does not fit the record"
                report.findings.append(Finding("audio_format", text))
            read = _Forward(file, lost)
            check_audio(report, log, length=length, read=read)
    except (*_BROKEN_FILE, TypeError):
        report.findings.append(Finding("audio_unreadable", "the recording cannot be read"))


class _Forward:
    """Reads the recording once from front to back, and leaves out what is marked as lost."""

    def __init__(self, file: BinaryIO, lost: list[tuple[int, int]]) -> None:
        self._file = file
        self._lost = sorted(lost)
        self._at = 0

    def __call__(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        while self._at < begin:
            if not self._take(begin):
                return
        edges = sorted({edge for pair in self._lost for edge in pair if begin < edge < end} | {end})
        for edge in edges:
            gone = any(lost_from <= self._at < lost_to for lost_from, lost_to in self._lost)
            while self._at < edge:
                at = self._at
                piece = self._take(edge)
                if not piece:
                    return
                if not gone:
                    yield at, piece

    def _take(self, end: int) -> bytes:
        piece = self._file.read(min(_BLOCK, end - self._at))
        self._at += len(piece)
        return piece


def _lines(files: Union[_Zip, _Folder]) -> Iterator[bytes]:
    with files.open("events.jsonl") as file:
        rest = b""
        while block := file.read(_BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
            if len(rest) > _LONGEST_LINE:
                break
        if rest:
            yield rest


def _read(files: Union[_Zip, _Folder], name: str, most: int) -> bytes:
    with files.open(name) as file:
        octets = file.read(most + 1)
    if len(octets) > most:
        raise ValueError("too long")
    return octets


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return cast("dict[str, Any]", value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError("not a number")
    return value


def main() -> int:
    """Run from a command line; return the exit code."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Checks a record that Greffier exported.")
    parser.add_argument("bundle", nargs="?", type=Path, default=here, help="archive or folder")
    parser.add_argument(
        "--key", default="", help="public key it must be signed with: PEM file or fingerprint"
    )
    parser.add_argument("--head", default="", help="hash of a record that must be in it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    report = check_bundle(given.bundle, key=given.key, head=given.head)
    shown = json.dumps(report.plain(), indent=2) + "\n" if given.json else report.text()
    sys.stdout.write(shown)
    return report.exit_code


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # noqa: BLE001 - an error of this program must not look like a forgery
        traceback.print_exc()
        code = EXIT_CODES[UNCHECKED]
    sys.exit(code)
