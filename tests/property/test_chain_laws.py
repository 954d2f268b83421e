"""Laws of the hash chain: what was written is intact, and no single change of it is."""

import asyncio
import copy
import functools
import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greffier.protocol import Resume
from greffier_models.fakes import FakeRecognizer
from greffier_server.bundle.checking import check_session
from greffier_server.bundle.verify import Report, check_bundle
from greffier_server.core.chain import AudioChain
from greffier_server.core.events import AudioAnchored
from greffier_server.core.records import record_hash
from greffier_server.storage.memory import MemoryStore
from tests.support.bundles import (
    KEY,
    OTHER_KEY,
    anchored,
    made,
    members,
    resigned,
    zipped,
)
from tests.support.desk import TENANT, Disk, MemoryJournal, as_bytes, desk_kit
from tests.support.recordings import Listener, Recording, recordings
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

AUDIO = bytes((7 * index + index // 256) % 256 for index in range(700))
STEP = 64


fewer = settings(max_examples=max(1, settings().max_examples * 2 // 5))
"""Each example packs an archive and checks a signature in plain Python."""


@functools.cache
def whole() -> bytes:
    return made(anchored(AUDIO, step_bytes=STEP), AUDIO)


@functools.cache
def contents() -> dict[str, bytes]:
    return members(whole())


def checked(archive: bytes, *, key: str = KEY.fingerprint, head: str = "") -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.zip"
        path.write_bytes(archive)
        return check_bundle(path, key=key, head=head)


def test_the_bundle_of_these_laws_is_intact() -> None:
    assert checked(whole()).exit_code == 0


@fewer
@given(data=st.data())
def test_no_byte_of_any_file_may_differ(data: st.DataObject) -> None:
    files = dict(contents())
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    changed = bytearray(files[name])
    changed[at] ^= data.draw(st.integers(1, 255))
    files[name] = bytes(changed)
    assert checked(zipped(files)).exit_code != 0


@fewer
@given(at=st.integers(0, len(whole()) - 1), flip=st.integers(1, 255))
def test_a_changed_archive_holds_the_same_or_is_not_intact(at: int, flip: int) -> None:
    """Some bytes of an archive mean nothing to its reader: times, attributes."""
    changed = bytearray(whole())
    changed[at] ^= flip
    if checked(bytes(changed)).exit_code == 0:
        assert members(bytes(changed)) == contents()


@given(length=st.integers(0, len(whole()) - 1))
def test_an_archive_cut_off_is_not_intact(length: int) -> None:
    assert checked(whole()[:length]).exit_code != 0


@fewer
@given(data=st.data())
def test_no_record_may_differ_although_it_is_signed_anew(data: st.DataObject) -> None:
    """By the key itself: the chain alone must tell, or the head that was noted elsewhere."""
    files = dict(contents())
    lines = files["events.jsonl"].splitlines()
    head = sha256(lines[-1]).hexdigest()
    place = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.integers(0, len(lines) - 1).filter(lambda index: index != place))
    match data.draw(st.sampled_from(["change", "remove", "double", "swap", "move"])):
        case "change":
            at = data.draw(st.integers(0, len(lines[place]) - 1))
            line = bytearray(lines[place])
            line[at] ^= data.draw(st.integers(1, 127))
            lines[place] = bytes(line)
        case "remove":
            del lines[place]
        case "double":
            lines.insert(other, lines[place])
        case "swap":
            lines[place], lines[other] = lines[other], lines[place]
        case _:
            lines.insert(other, lines.pop(place))
    files["events.jsonl"] = b"\n".join(lines) + b"\n"
    assert checked(zipped(resigned(files)), head=head).exit_code == 1


@fewer
@given(data=st.data())
def test_no_byte_of_audio_may_differ_although_it_is_signed_anew(data: st.DataObject) -> None:
    files = dict(contents())
    begin = len(files["audio.wav"]) - len(AUDIO)
    at = data.draw(st.integers(0, len(AUDIO) - 1))
    changed = bytearray(files["audio.wav"])
    changed[begin + at] ^= data.draw(st.integers(1, 255))
    files["audio.wav"] = bytes(changed)
    report = checked(zipped(resigned(files)))
    (finding,) = report.findings
    assert finding.code == "audio_changed"
    assert finding.from_ms is not None
    assert finding.to_ms is not None
    assert finding.from_ms <= at / 8 <= finding.to_ms
    assert finding.to_ms - finding.from_ms <= STEP // 8 + 1


@given(name=st.sampled_from(sorted(members(whole()))))
def test_whoever_signs_anew_needs_the_key(name: str) -> None:
    files = {**contents(), name: contents()[name] + b" "}
    if not name.startswith(("manifest", "public")):
        files = resigned(files, OTHER_KEY)
    assert checked(zipped(files)).exit_code != 0


@settings(max_examples=max(1, settings().max_examples // 8))
@given(
    recording=recordings(max_words=20),
    stops=st.lists(st.integers(0, 9_000), max_size=3),
)
def test_deaths_leave_a_whole_chain(recording: Recording, stops: list[int]) -> None:
    """Anchors are those of the audio, wherever a server died; and the whole is intact."""

    async def scene() -> None:
        audio = as_bytes(recording.pcm)
        store, disk, session, token = MemoryStore(), Disk(), "", ""
        for stop_ms in [*sorted(stops), None]:
            left = store, disk
            async with desk_kit(
                store=store, disk=disk, recognizer=Listener(FakeRecognizer()), anchor_ms=1_000
            ) as kit:
                await kit.desk.recover()
                if session:
                    holder = await kit.desk.resume(TENANT, Resume(session, token, 0))
                else:
                    holder, token = await kit.open()
                    session = holder.id
                sent = holder.durable_samples * 2
                end = len(audio) if stop_ms is None else min(len(audio), stop_ms * 32)
                while sent < end:
                    await holder.push(audio[sent : sent + 6_400])
                    sent += 6_400
                    await asyncio.sleep(0.2)
                if stop_ms is None:
                    await holder.finish()
                    await kit.ended()
                else:
                    left = copy.deepcopy((store, disk))
            store, disk = left
        records = [record async for record in store.events(TENANT, session)]
        chain = AudioChain(step_bytes=32_000)
        kept = [record.event for record in records if isinstance(record.event, AudioAnchored)]
        assert kept == chain.add(audio) + chain.finish()
        journal = MemoryJournal(disk)
        head = record_hash(records[-1])
        report = await check_session(store, journal, TENANT, session, head=head)
        assert (report.findings, report.notes) == ([], [])

    run(scene())


def test_the_list_of_contents_names_every_file() -> None:
    manifest = json.loads(contents()["manifest.json"])
    named = {*manifest["members"], "manifest.json", "manifest.sig"}
    assert named == set(contents())
