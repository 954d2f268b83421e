"""Hours of speech through a real server as fast as it takes them: does anything grow?

``python -m benchmarks.soak --help``. Recordings are repeated with silences between them. The feed
is held back only by what the server has acknowledged and decoded, so two hours of audio take what
the machine needs for them. Exits with 1 when memory grew more than ``--allowed-mb``.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import greffier
from benchmarks.corpora import RATE, Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.growth import Sample, growth
from benchmarks.processes import resident_mb, usage
from benchmarks.results import result_folder, write_result
from greffier.protocol import Caption, Gap, Withheld
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

__all__ = ["main"]

BYTES_PER_S = RATE * 2
CHUNK_S = 0.5
SILENCE_S = 3.0
# How far the feed runs ahead of the captions: enough to keep the server busy.
AHEAD_S = 12.0
# Speech may be withheld or unheard: after so long without a caption the feed goes on. Short, and a
# slow machine would be fed until the server stops reading.
PATIENCE_S = 30.0
POLL_S = 0.5
# What decodes hold at one instant differs by tens of MB: a sample is the middle of so many looks.
LOOKS = 9
LOOK_S = 0.25


@dataclass(slots=True)
class Feed:
    """One stream: how far it was fed, and how far the server's captions have come."""

    sent_s: float = 0.0
    captioned_s: float = 0.0
    words: int = 0
    gap_ms: int = 0
    reconnections: int = 0
    speech_ends_s: float = 0.0
    """Audio sent up to the end of the last speech: no caption can be expected beyond it."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, write the result, print it."""
    options = _options(arguments)
    recordings = _recordings(options)
    if not recordings:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.model,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__MAX_SESSIONS": str(max(options.streams, 8)),
    }
    with (
        tempfile.TemporaryDirectory(prefix="greffier-soak-") as scratch,
        ChildServer(
            data_dir=Path(scratch), models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        samples, feeds = asyncio.run(_soak(server, recordings, options))
    result = _result(samples, feeds, options)
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    for name, value in result["figures"].items():
        print(f"{name:>24} {value:.4g}")
    print(f"\nwritten to {path}")
    return int(result["figures"]["growth_mb"] > options.allowed_mb)


async def _soak(
    server: ChildServer, recordings: Sequence[Recording], options: argparse.Namespace
) -> tuple[list[Sample], list[Feed]]:
    """Feed all streams to their end; a sample whenever the slowest has gone so much further."""
    seconds = options.hours * 3600
    speech = [await asyncio.to_thread(read_pcm, recording.path) for recording in recordings]
    feeds = [Feed() for _ in range(options.streams)]
    language = recordings[0].language if len({r.language for r in recordings}) == 1 else "auto"
    playing = [
        asyncio.create_task(
            _stream(server.url, feed, _audio(speech, seconds, first=number), language),
            name=f"soak-{number}",
        )
        for number, feed in enumerate(feeds)
    ]
    samples: list[Sample] = []
    try:
        while not all(task.done() for task in playing):
            at_s = min(feed.sent_s for feed in feeds)
            if not samples or at_s - samples[-1].audio_s >= options.sample_s:
                samples.append(await asyncio.to_thread(_sample, server.pid, at_s))
                _print(samples[-1])
            done, _ = await asyncio.wait(playing, timeout=POLL_S)
            for task in done:
                task.result()
        samples.append(await asyncio.to_thread(_sample, server.pid, min(f.sent_s for f in feeds)))
        _print(samples[-1])
    finally:
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)
    return samples, feeds


async def _stream(
    url: str, feed: Feed, audio: AsyncIterator[tuple[bytes, bool]], language: str
) -> None:
    def reconnected(attempt: greffier.Reconnection) -> None:
        feed.reconnections += attempt.resumed

    async with greffier.connect(
        url, language=language, title="soak", on_reconnect=reconnected
    ) as session:
        reader = asyncio.create_task(_read(session, feed))
        try:
            async for chunk, spoken in audio:
                await session.send(chunk)
                feed.sent_s += len(chunk) / BYTES_PER_S
                if spoken:
                    feed.speech_ends_s = feed.sent_s
                await _held_back(feed, reader)
            await session.finish()
            await reader
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _read(session: greffier.LiveSession | greffier.SpooledSession, feed: Feed) -> None:
    async for message in session:
        match message:
            case Caption():
                feed.captioned_s = max(feed.captioned_s, message.end_ms / 1000)
                feed.words += len(message.words)
                feed.moved.set()
            case Withheld():
                feed.captioned_s = max(feed.captioned_s, message.end_ms / 1000)
                feed.moved.set()
            case Gap():
                feed.gap_ms += message.to_ms - message.from_ms
            case _:
                pass


async def _held_back(feed: Feed, reader: "asyncio.Task[None]") -> None:
    """Wait while the captions are far behind the speech that was sent."""
    while feed.speech_ends_s - feed.captioned_s > AHEAD_S and not reader.done():
        feed.moved.clear()
        try:
            await asyncio.wait_for(feed.moved.wait(), PATIENCE_S)
        except TimeoutError:
            feed.captioned_s = feed.speech_ends_s
    if reader.done():
        reader.result()
        raise ConnectionError("the server ended the session before its audio did")


async def _audio(
    speech: Sequence[bytes], seconds: float, *, first: int
) -> AsyncIterator[tuple[bytes, bool]]:
    """Chunks of all recordings in turn, each followed by a silence, until the time is over."""
    step = int(CHUNK_S * BYTES_PER_S)
    left = int(seconds) * BYTES_PER_S
    number = first
    while left > 0:
        pcm = speech[number % len(speech)]
        number += 1
        for part, spoken in ((pcm, True), (bytes(int(SILENCE_S * BYTES_PER_S)), False)):
            for offset in range(0, len(part), step):
                chunk = part[offset : offset + min(step, left)]
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk, spoken


def _sample(pid: int, audio_s: float) -> Sample:
    """Look for some seconds (blocking)."""
    looks: list[tuple[float, float]] = []
    for _ in range(LOOKS):
        looks.append(resident_mb(pid))
        time.sleep(LOOK_S)
    now = usage(pid)
    return Sample(
        audio_s=audio_s,
        resident_mb=statistics.median(server + engine for server, engine in looks),
        shared_once_mb=now.memory_mb,
        open_files=now.open_files,
        threads=now.threads,
        server_mb=statistics.median(server for server, _ in looks),
        engine_mb=statistics.median(engine for _, engine in looks),
    )


def _result(
    samples: Sequence[Sample], feeds: Sequence[Feed], options: argparse.Namespace
) -> dict[str, Any]:
    after = [sample for sample in samples if sample.audio_s >= options.warm_up_s]
    memory = growth([(sample.audio_s, sample.resident_mb) for sample in after])
    server = growth([(sample.audio_s, sample.server_mb) for sample in after])
    engine = growth([(sample.audio_s, sample.engine_mb) for sample in after])
    files = growth([(sample.audio_s, float(sample.open_files)) for sample in after])
    threads = growth([(sample.audio_s, float(sample.threads)) for sample in after])
    return {
        "what": "soak",
        "settings": {
            "model": options.model,
            "streams": options.streams,
            "hours": options.hours,
            "warm_up_s": options.warm_up_s,
        },
        "figures": {
            "growth_mb": memory.settled,
            "growth_server_mb": server.settled,
            "growth_engine_mb": engine.settled,
            "last_minus_first_mb": memory.last_minus_first,
            "fitted_growth_mb": memory.fitted,
            "growth_mb_per_hour": memory.per_hour,
            "resident_first_mb": after[0].resident_mb,
            "resident_last_mb": after[-1].resident_mb,
            "resident_most_mb": max(sample.resident_mb for sample in samples),
            "open_files_growth": files.last_minus_first,
            "threads_growth": threads.last_minus_first,
            "words": sum(feed.words for feed in feeds),
            "reconnections": sum(feed.reconnections for feed in feeds),
            "gap_ms": sum(feed.gap_ms for feed in feeds),
            "audio_s": sum(feed.sent_s for feed in feeds),
        },
        "samples": [asdict(sample) for sample in samples],
    }


def _print(sample: Sample) -> None:
    print(
        f"  {sample.audio_s:6.0f} s of audio: {sample.resident_mb:.1f} MB resident "
        f"(server {sample.server_mb:.1f}, engine {sample.engine_mb:.1f}), "
        f"{sample.open_files} files, {sample.threads} threads",
        flush=True,
    )


def _recordings(options: argparse.Namespace) -> list[Recording]:
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    return select(every, sets=options.set, languages=options.language, ids=options.id)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, help="of audio, each stream")
    parser.add_argument("--streams", type=int, default=4, help="sessions at once")
    parser.add_argument("--model", default="whisper-base", help="speech model")
    parser.add_argument("--sample-s", type=float, default=60.0, help="audio between two samples")
    parser.add_argument("--warm-up-s", type=float, default=600.0, help="audio before the first")
    parser.add_argument("--allowed-mb", type=float, default=20.0, help="growth that passes")
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--id", action="append", default=[], help="only this recording")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="soak", help="name of the result file")
    parser.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    if options.hours * 3600 <= options.warm_up_s + options.sample_s:
        parser.error("--hours must leave more than one sample after --warm-up-s")
    return options


if __name__ == "__main__":
    sys.exit(main())
