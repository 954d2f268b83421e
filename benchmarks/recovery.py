"""How long a server takes to go on with an unfinished session, by the session's length.

``python -m benchmarks.recovery --help``. Journal and log are made of what a meeting leaves behind
(a batch of words every two seconds, a sentence every ten, each translated); engines are fakes.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import result_folder, write_result
from greffier.protocol import AudioFormat
from greffier_models.fakes import FakeGenerator, FakeRecognizer, FakeVad
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import Word
from greffier_server.core.events import (
    ClientAttached,
    Event,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.pipeline.building import Engines
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.desk import Desk
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.store import SessionRow
from greffier_server.storage.writer import StoreWriter

_TENANT, _SESSION = "default", "recovered"
_SECOND = bytes(range(256)) * 125
"""One second of 16 kHz, 16 bits."""
_BATCH_MS = 2_000
_SENTENCE_MS = 10_000
_WORDS_A_BATCH = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each length, write the result, print it."""
    options = _options(arguments)
    rows = [asyncio.run(_measure(minutes)) for minutes in options.minutes]
    for row in rows:
        print(
            f"{row['minutes']:>5} min: {row['events']} events, {row['journal_mb']} MB: "
            f"goes on after {row['recover_s']} s ({row['recover_cpu_s']} s of processor)"
        )
    path = write_result(
        options.out or result_folder(options.machine), "recovery", {"lengths": rows}
    )
    print(f"\nwritten to {path}")
    return 0


async def _measure(minutes: int) -> dict[str, Any]:
    async with RecognitionRuntime(FakeRecognizer()) as recognizer:
        return await _recover(minutes, recognizer)


async def _recover(minutes: int, recognizer: RecognitionRuntime) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="greffier-recovery-") as scratch:
        folder = Path(scratch)
        events = await _make(folder, minutes * 60)
        begun, cpu = time.monotonic(), time.process_time()
        store = await SqlStore.open(f"sqlite:///{folder}/greffier.db")
        opened_s = time.monotonic() - begun
        writer = StoreWriter(store)
        journal = DiskJournal(folder / "audio")
        desk = Desk(
            store=store,
            sink=writer.append,
            journal=journal,
            engines=Engines(recognizer, FakeVad(), FakeGenerator()),
            clock=SystemClock(),
        )
        count = await desk.recover()
        took_s, cpu_s = time.monotonic() - begun, time.process_time() - cpu
        size = await journal.size_bytes(_TENANT, _SESSION)
        await desk.close()
        await journal.close()
        await writer.close()
        await store.close()
        if count != 1:
            raise RuntimeError("the session did not go on")
    return {
        "minutes": minutes,
        "events": events,
        "journal_mb": round(size / 1e6, 1),
        "database_s": round(opened_s, 3),
        "recover_s": round(took_s, 3),
        "recover_cpu_s": round(cpu_s, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


async def _make(folder: Path, seconds: int) -> int:
    """Leave behind a session of so many seconds whose server died; return its events."""
    journal = DiskJournal(folder / "audio")
    audio = await journal.open(_TENANT, _SESSION)
    for at in range(0, seconds, 60):
        await audio.append(_SECOND * min(60, seconds - at))
    await journal.close()
    store = await SqlStore.open(f"sqlite:///{folder}/greffier.db")
    row = SessionRow(
        tenant=_TENANT,
        session=_SESSION,
        title="",
        created_at_ms=0,
        updated_at_ms=0,
        state="open",
        language="en",
        translate_to=("fr",),
        duration_ms=0,
        last_seq=0,
        token_hash="",
        expires_at_ms=None,
    )
    await store.create(row)
    records = list(_chained(_events(seconds * 1000)))
    for at in range(0, len(records), 1_000):
        await store.append(records[at : at + 1_000])
    await store.close()
    return len(records)


def _events(duration_ms: int) -> Iterator[Event]:
    yield SessionStarted(format=AudioFormat(), language="en", translate_to=("fr",))
    yield ClientAttached(0)
    for segment, start_ms in enumerate(range(0, duration_ms, _SENTENCE_MS), start=1):
        yield SegmentOpened(segment, start_ms, "en", None)
        for at_ms in range(start_ms, min(start_ms + _SENTENCE_MS, duration_ms), _BATCH_MS):
            step = _BATCH_MS // _WORDS_A_BATCH
            words = tuple(
                Word(" greffier", at_ms + n * step, at_ms + (n + 1) * step, 0.9)
                for n in range(_WORDS_A_BATCH)
            )
            yield WordsCommitted(segment, words, "", 1_000)
        end_ms = min(start_ms + _SENTENCE_MS, duration_ms)
        yield SegmentClosed(segment, start_ms, end_ms)
        yield SegmentTranslated(segment, "fr", "greffier " * 25, closed=True)


def _chained(events: Iterator[Event]) -> Iterator[Recorded]:
    before = GENESIS
    for seq, event in enumerate(events, start=1):
        record = Recorded(
            tenant=_TENANT,
            session=_SESSION,
            seq=seq,
            at_ms=seq,
            audio_from_ms=0,
            audio_to_ms=0,
            prev_hash=before,
            engine="",
            event=event,
        )
        before = record_hash(record)
        yield record


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60, 240])
    parser.add_argument("--machine", help="names the folder of results")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
