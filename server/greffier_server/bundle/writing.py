"""A session as one signed archive that anyone can check offline, streamed.

The format is described in ``docs/reference/bundle.md``; `verify.py`, which checks it, goes along.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.resources import files

from greffier._version import __version__
from greffier.plain import to_plain
from greffier.protocol import AudioFormat
from greffier_server.bundle.archive import ArchiveMember, ArchiveStream
from greffier_server.bundle.signing import SigningKey
from greffier_server.bundle.verify import BUNDLE_FORMAT, wave_header
from greffier_server.core import captions, minutes_document
from greffier_server.core.corrections import shown
from greffier_server.core.events import AudioAnchored, Recorded
from greffier_server.core.records import GENESIS, encode_record, record_hash
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import SessionNotFound, SessionUnfinished, StorageFailed
from greffier_server.pipeline.damage import record_damage
from greffier_server.pipeline.read_back import locate_audio, silence
from greffier_server.storage.journal import AudioJournal, SearchedJournal, SessionJournal
from greffier_server.storage.store import SessionRow, SessionStore
from greffier_server.transport.frames import closing

__all__ = ["Bundle", "open_bundle"]

_BATCH = 256
"""Records packed at once."""
_AUDIO_BYTES = 1 << 20
_RECORD_BYTES = 4_096
"""A generous mean, to know whether the log may pass 2 GB."""

_README = """\
This is the record of a session as Greffier wrote it.

  events.jsonl   every event of the session, one a line; each holds the SHA-256 of the line before
  audio.wav      the recording, byte for byte as it was received
  transcript.*, translation.*, minutes.*, attachment.*
                 the same for reading, as people have set it right; they prove nothing
  manifest.json  SHA-256 of every file here; manifest.sig is its Ed25519 signature
  verify.py      checks all of it: python3 verify.py (Python 3.9 or newer, no network)

Whoever could forge this archive could forge its verify.py and its key. Check it with a verify.py
that you have from elsewhere, and give it the key that the server's operator has published:

  python3 verify.py BUNDLE.zip --key SHA256:...
"""


@dataclass(slots=True)
class _Contents:
    """What is known of the session while it passes by."""

    state: SessionState = field(default_factory=SessionState)
    records: int = 0
    head: str = GENESIS
    anchor: str = GENESIS
    anchors: int = 0
    engines: dict[str, None] = field(default_factory=dict[str, None])

    def take(self, records: list[Recorded]) -> bytes:
        """Return the lines of `records` (blocking)."""
        self.state = fold(records, self.state)
        self.records += len(records)
        self.head = record_hash(records[-1])
        for record in records:
            if record.engine:
                self.engines[record.engine] = None
            if isinstance(record.event, AudioAnchored):
                self.anchors, self.anchor = self.anchors + 1, record.event.digest
        return b"".join(encode_record(record).encode() + b"\n" for record in records)


class Bundle:
    """The archive of a finished session; see `open_bundle`.

    Args:
        store: events.
        row: the session.
        journal: its audio; None = it is not kept.
        key: signs.
        made_at_ms: now.
    """

    def __init__(
        self,
        store: SessionStore,
        row: SessionRow,
        *,
        journal: SessionJournal | None,
        key: SigningKey,
        made_at_ms: int,
    ) -> None:
        self._store = store
        self._row = row
        self._journal = journal
        self._key = key
        self._made_at_ms = made_at_ms
        self._contents = _Contents()

    @property
    def name(self) -> str:
        """A file name for it."""
        return f"{self._row.session}.greffier.zip"

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the archive; one pass, the session never lies in memory as a whole.

        Raises:
            StorageFailed: something cannot be read; what was yielded is no archive then.
        """
        archive = ArchiveStream(self._made_at_ms)
        yield archive.add("README.txt", _README.encode())
        yield archive.add("verify.py", await asyncio.to_thread(_verifier))
        yield archive.add("public_key.pem", self._key.public_pem)
        async with aclosing(self._events(archive)) as pieces:
            async for piece in pieces:
                yield piece
        audio: dict[str, object] | None = None
        if self._journal is not None and (started := self._contents.state.started) is not None:
            recording = _Recording(self._journal, started.format)
            async with aclosing(recording.pieces(archive)) as pieces:
                async for piece in pieces:
                    yield piece
            audio = recording.described()
        texts = await asyncio.to_thread(lambda: dict(_texts(self._contents.state)))
        for name, text in texts.items():
            yield await asyncio.to_thread(archive.add, name, text.encode())
        manifest = self._manifest(archive, audio)
        yield archive.add("manifest.json", manifest)
        yield archive.add("manifest.sig", await asyncio.to_thread(self._key.sign, manifest))
        yield archive.close()

    async def _events(self, archive: ArchiveStream) -> AsyncGenerator[bytes, None]:
        last = self._row.last_seq
        with archive.member("events.jsonl", size=last * _RECORD_BYTES) as member:
            async with aclosing(_batches(self._store, self._row)) as batches:
                async for batch in batches:
                    yield await asyncio.to_thread(self._write, member, batch)
        if self._contents.records != last:
            raise StorageFailed("The session's events are not all there; it cannot be exported.")

    def _write(self, member: ArchiveMember, batch: list[Recorded]) -> bytes:
        return member.write(self._contents.take(batch))

    def _manifest(self, archive: ArchiveStream, audio: dict[str, object] | None) -> bytes:
        contents = self._contents
        manifest = {
            "format": BUNDLE_FORMAT,
            "tenant": self._row.tenant,
            "session": self._row.session,
            "made_at_ms": self._made_at_ms,
            "made_by": f"greffier/{__version__}",
            "records": contents.records,
            "head": contents.head,
            "anchors": contents.anchors,
            "anchors_head": contents.anchor,
            "engines": list(contents.engines),
            "audio": audio,
            "members": archive.members,
            "key": {"algorithm": "Ed25519", "public": self._key.public.hex()},
        }
        return json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


async def open_bundle(
    store: SessionStore,
    journal: AudioJournal | None,
    tenant: str,
    session: str,
    *,
    key: SigningKey,
    now_ms: int,
) -> Bundle:
    """Make sure that a session can be exported; what the disk has lost of it is recorded first.

    Raises:
        SessionNotFound, SessionUnfinished, StorageFailed.
    """
    row = await store.get(tenant, session)
    if row is None:
        raise SessionNotFound("no such session")
    if row.state != "finished":
        raise SessionUnfinished("The session goes on; ask again when it has finished.")
    recording: SessionJournal | None = None
    if journal is not None and await journal.size_bytes(tenant, session):
        recording = await journal.open(tenant, session)
        await recording.seal()  # it is already; so that it is not held open for this reader
        if isinstance(recording, SearchedJournal):
            await asyncio.to_thread(recording.search)
        if await record_damage(store, recording, row):  # else the bundle would not be intact
            row = await store.get(tenant, session) or row
    return Bundle(store, row, journal=recording, key=key, made_at_ms=now_ms)


class _Recording:
    """The journal of a session as a WAV file."""

    def __init__(self, journal: SessionJournal, form: AudioFormat) -> None:
        self._journal = journal
        self._form = form
        self._length = journal.durable_bytes
        self._lost: list[list[int]] = []

    def described(self) -> dict[str, object]:
        """Return what the manifest says of it."""
        return {
            "member": "audio.wav",
            "bytes": self._length,
            "format": to_plain(self._form),
            "lost": self._lost,
        }

    async def pieces(self, archive: ArchiveStream) -> AsyncGenerator[bytes, None]:
        """Yield the member; it is not packed, so that sound comes out as fast as it is read."""
        header = wave_header(to_plain(self._form), self._length)
        size = len(header) + self._length
        with archive.member("audio.wav", size=size, packed=False) as member:
            yield member.write(header)
            for at in range(0, self._length, _AUDIO_BYTES):
                upto = min(self._length, at + _AUDIO_BYTES)
                yield await asyncio.to_thread(self._write, member, at, upto)

    def _write(self, member: ArchiveMember, from_byte: int, to_byte: int) -> bytes:
        written: list[bytes] = []
        at = from_byte
        for offset, audio in locate_audio(self._journal, from_byte, to_byte):
            written.append(self._fill(member, at, offset) + member.write(audio))
            at = offset + len(audio)
        return b"".join(written) + self._fill(member, at, to_byte)

    def _fill(self, member: ArchiveMember, from_byte: int, to_byte: int) -> bytes:
        """Keep the place of what the disk has lost."""
        if from_byte == to_byte:
            return b""
        if self._lost and self._lost[-1][1] == from_byte:
            self._lost[-1][1] = to_byte
        else:
            self._lost.append([from_byte, to_byte])
        return member.write(silence(self._form, 1)[:1] * (to_byte - from_byte))


def _verifier() -> bytes:
    return files("greffier_server.bundle").joinpath("verify.py").read_bytes()


async def _batches(store: SessionStore, row: SessionRow) -> AsyncGenerator[list[Recorded], None]:
    batch: list[Recorded] = []
    async with closing(store.events(row.tenant, row.session)) as records:
        async for record in records:
            if record.seq > row.last_seq:  # a second pass ends just now
                break
            batch.append(record)
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _texts(state: SessionState) -> Iterator[tuple[str, str]]:
    """What was said and written, as readers see it; the events hold what stood there before."""
    seen = shown(state)
    yield "transcript.txt", captions.to_txt(seen)
    yield "transcript.vtt", captions.to_vtt(seen)
    live = shown(state, second=False)
    languages = {code for segment in live.segments.values() for code in segment.translations}
    for code in sorted(languages):
        yield f"translation.{code}.txt", captions.to_txt(live, code)
        yield f"translation.{code}.vtt", captions.to_vtt(live, code)
    if seen.minutes is not None:
        quoted = seen if state.minutes_revised else live
        yield "minutes.md", minutes_document.to_markdown(seen.minutes, quoted)
        yield "minutes.json", json.dumps(to_plain(seen.minutes), indent=1, ensure_ascii=False)
    for document in state.documents:
        text = "\n\n".join(one.text for one in document.paragraphs)
        yield f"attachment.{document.number}.txt", f"{document.name}\n\n{text}\n"
