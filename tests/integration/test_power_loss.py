"""Power cuts under the database: what an append was answered for is there, whatever else is lost.

SQLite writes commits to the end of its write-ahead log and syncs it before it answers (`PRAGMA
synchronous = FULL`). So the disk holds at least the log as it was at the last answer; of what came
behind, a power cut may keep any part, torn, as zeros, or as what lay there before.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from greffier_server.core.events import Recorded, SegmentTranslated
from greffier_server.storage.sql import SqlStore
from tests.support.sessions import chain, row

pytestmark = pytest.mark.integration

APPENDS = 12
CUTS = 30


@dataclass(frozen=True)
class Answered:
    """What is on disk at the least, and what was promised, when an append returned."""

    log_bytes: int
    records: list[Recorded]


def lose(random: Random, log: bytes, synced: int) -> bytes:
    """The write-ahead log after a power cut that keeps `synced` bytes for sure."""
    kept = random.randint(synced, len(log))
    tail = bytearray(log[synced:kept])
    match random.choice(["torn", "zeroed", "scrambled"]):
        case "zeroed" if tail:
            tail[random.randrange(len(tail)) :] = bytes(len(tail))
        case "scrambled":
            for _ in range(min(len(tail), 40)):
                tail[random.randrange(len(tail))] = random.randrange(256)
        case _:
            pass
    return log[:synced] + bytes(tail)


async def stored(folder: Path) -> list[Recorded]:
    store = await SqlStore.open(f"sqlite:///{folder}/greffier.db")
    try:
        return [record async for record in store.events("dgfip", "s1")]
    finally:
        await store.close()


async def test_what_was_answered_for_survives_a_cut_anywhere_behind_it(tmp_path: Path) -> None:
    random = Random(11)
    live = tmp_path / "live"
    live.mkdir()
    database, log = live / "greffier.db", live / "greffier.db-wal"
    store = await SqlStore.open(f"sqlite:///{database}")
    await store.create(row())
    answers = [Answered(log.stat().st_size, [])]
    for number in range(APPENDS):
        text = "x" * random.randint(1, 6_000)
        fresh = chain(SegmentTranslated(number + 1, "en", text), after=answers[-1].records)
        await store.append(fresh)
        answers.append(Answered(log.stat().st_size, [*answers[-1].records, *fresh]))
    image, whole = database.read_bytes(), log.read_bytes()
    assert answers[-1].log_bytes <= len(whole)
    assert answers[0].log_bytes < answers[-1].log_bytes, "the log was not emptied in between"

    survived: set[int] = set()
    for cut in range(CUTS):
        at = random.choice(answers)
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / database.name).write_bytes(image)
        (folder / log.name).write_bytes(lose(random, whole, at.log_bytes))
        found = await stored(folder)
        assert found[: len(at.records)] == at.records
        assert found == answers[-1].records[: len(found)], "nothing that was never appended"
        survived.add(len(found))
        shutil.rmtree(folder)
    assert len(survived) > 3, "the cuts did cost something"
    await store.close()
    assert await stored(live) == answers[-1].records
