"""Bundles made by the real writer, and what a forger does to them."""

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.bundle.signing import SigningKey
from greffier_server.bundle.verify import Report, check_bundle
from greffier_server.bundle.writing import open_bundle
from greffier_server.core.chain import AudioChain
from greffier_server.core.events import (
    Event,
    InputEnded,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import Disk, MemoryJournal
from tests.support.sessions import NOW_MS, chain, row

__all__ = ["FORM", "KEY", "OTHER_KEY", "anchored", "check", "made", "members", "resigned", "zipped"]

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
FORM = AudioFormat(encoding="mulaw", rate=8_000, channels=1)
"""A byte a sample, 8 bytes a millisecond."""


def anchored(
    audio: bytes,
    *,
    step_bytes: int = 64,
    form: AudioFormat = FORM,
    extra: Sequence[Event] = (),
    lost: tuple[int, int] | None = None,
) -> list[Recorded]:
    """A whole session over `audio`, a part of which may have been lost before it was anchored."""
    audio_chain = AudioChain(step_bytes=step_bytes)
    begin, end = lost or (len(audio), len(audio))
    anchors = audio_chain.add(audio[:begin]) + audio_chain.skip(end)
    anchors += audio_chain.add(audio[end:]) + audio_chain.finish()
    return chain(
        SessionStarted(form, "fr"),
        SegmentOpened(1, 0, "fr"),
        *anchors[:1],
        WordsCommitted(1, (Word(" Ça", 0, 10, 0.5),)),
        *extra,
        SegmentClosed(1, 0, 10),
        InputEnded("finish", 10),
        *anchors[1:],
        SessionFinished("finish"),
    )


def made(
    records: Sequence[Recorded],
    audio: bytes | None,
    *,
    key: SigningKey = KEY,
    unreadable: tuple[int, int] | None = None,
) -> bytes:
    """The archive of a session in memory."""
    return asyncio.run(_made(records, audio, key, unreadable))


async def _made(
    records: Sequence[Recorded],
    audio: bytes | None,
    key: SigningKey,
    unreadable: tuple[int, int] | None,
) -> bytes:
    store, disk = MemoryStore(), Disk(unreadable=unreadable)
    await store.create(row())
    await store.append(records)
    if audio is not None:
        disk.files["dgfip", "s1"] = bytearray(audio)
    bundle = await open_bundle(
        store, MemoryJournal(disk), "dgfip", "s1", key=key, now_ms=NOW_MS + 5
    )
    return b"".join([piece async for piece in bundle.pieces()])


def members(archive: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(files: dict[str, bytes]) -> bytes:
    """An archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def resigned(files: dict[str, bytes], key: SigningKey = KEY, **changes: object) -> dict[str, bytes]:
    """The files with a list of contents that fits them, signed by `key`."""
    manifest = json.loads(files["manifest.json"])
    lines = files["events.jsonl"].splitlines()
    files = {**files, "public_key.pem": key.public_pem}
    manifest["members"] = {
        name: {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        for name, content in files.items()
        if not name.startswith("manifest.")
    }
    manifest["records"], manifest["head"] = len(lines), sha256(lines[-1]).hexdigest()
    manifest["key"]["public"] = key.public.hex()
    manifest.update(changes)
    written = json.dumps(manifest).encode()
    return {**files, "manifest.json": written, "manifest.sig": key.sign(written)}


def check(folder: Path, archive: bytes, *, key: str = KEY.fingerprint, head: str = "") -> Report:
    """What the verifier says of an archive."""
    path = folder / "bundle.zip"
    path.write_bytes(archive)
    return check_bundle(path, key=key, head=head)
