"""Retention on real SQLite and a real disk: afterwards nothing of the session can be found."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from greffier_server.core.events import SegmentTranslated, SessionFinished
from greffier_server.jobs import Retention
from greffier_server.pipeline.clock import ManualClock
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.sql import SqlStore
from tests.support.sessions import NOW_MS, chain, row

pytestmark = pytest.mark.integration

SECRET = "le mot de passe est Quarante-deux"


async def test_rows_words_and_audio_are_gone_from_the_disk(tmp_path: Path) -> None:
    store = await SqlStore.open(f"sqlite:///{tmp_path}/greffier.db")
    journal = DiskJournal(tmp_path / "audio", segment_bytes=4000)
    clock = ManualClock(NOW_MS)
    audio = SECRET.encode() * 300
    for name in ("old", "young"):
        await store.create(row(name, expires_at_ms=NOW_MS + (5 if name == "old" else 500)))
        said = SECRET if name == "old" else "autre chose"
        spoken = [SegmentTranslated(n, "fr", f"{said} {n}") for n in range(400)]
        await store.append(chain(*spoken, SessionFinished("finish"), session=name))
        recording = await journal.open("dgfip", name)
        for at in range(0, len(audio), 1000):
            await recording.append(audio[at : at + 1000])
        await recording.seal()
    assert found_in(tmp_path, b"Quarante-deux 7")
    assert await journal.size_bytes("dgfip", "old") > len(audio)

    full = free_pages(tmp_path)[0]
    sweep = Retention(store, journal, clock=clock)
    assert await sweep.run_once() == 0
    clock.advance(5)
    assert await sweep.run_once() == 1

    assert await store.get("dgfip", "old") is None
    assert not (tmp_path / "audio/dgfip/old").exists()
    assert await journal.size_bytes("dgfip", "old") == 0
    assert found_in(tmp_path, b"Quarante-deux 7") == []
    pages, free = free_pages(tmp_path)
    assert free == 0
    assert pages < full * 0.7
    assert await journal.size_bytes("dgfip", "young") > len(audio)
    kept = [record async for record in store.events("dgfip", "young")]
    assert len(kept) == 401
    await journal.close()
    await store.close()


def found_in(folder: Path, needle: bytes) -> list[str]:
    """Files that hold `needle`, the database and its write-ahead log included."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if needle in path.read_bytes()]


def free_pages(folder: Path) -> tuple[int, int]:
    """Pages of the database, and the unused ones among them."""
    with closing(sqlite3.connect(folder / "greffier.db")) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return pages, connection.execute("PRAGMA freelist_count").fetchone()[0]
