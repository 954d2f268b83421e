"""How soon after its end a session has its minutes, and what the minutes of hours of talk cost.

    python -m benchmarks.minutes_after session --llm NAME            # ten minutes at real time
    python -m benchmarks.minutes_after transcript --model FILE.gguf --hours 2 --texts FOLDER
    python -m benchmarks.minutes_after transcript --hours 4          # without a model: seconds

``session`` plays recordings, one behind the other, to a real server with real models and measures
from the end of speech to the minutes. ``transcript`` gives a long talk, as a recogniser would have
written it, to the product's minutes stage as fast as the stage takes it, and looks at time,
processor time, tokens and resident memory as the talk grows: the first half and the second must
cost the same, and memory must not grow with length. ``--at-most-s`` ends the talk when so much time
has gone; its minutes are written all the same. Processor seconds mean the same on a busy machine.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
import soundfile

import greffier
from benchmarks.corpora import RATE, Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.counting import CountedGenerator, QuotingGenerator
from benchmarks.growth import growth
from benchmarks.results import result_folder, write_result
from benchmarks.streaming import play
from benchmarks.talks import Turn, load_talk, scripted_talk, segment_events
from greffier.protocol import AudioFormat, Minutes, MinutesItem
from greffier_models.catalog import default_models_dir
from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_server.child import ChildServer
from greffier_server.core.events import (
    InputEnded,
    NotesTaken,
    RecognitionFinished,
    Recorded,
    SessionStarted,
)
from greffier_server.core.state import fold
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage

__all__ = ["Look", "main", "minute_talk", "shape"]

MOST_AFTER_S = 60.0
"""From the end of speech to the minutes."""
MOST_SLOWER = 1.25
"""An hour of the second half costs at most so many times one of the first."""
MOST_GROWTH_MB_PER_HOUR = 40.0
_STEP_TURNS = 14
_POLL_S = 0.002
_QUIET_POLLS = 20
_SILENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """What had been spent when notes had been taken so far into the talk."""

    talk_s: float
    wall_s: float
    cpu_s: float
    prompts: int
    prompt_tokens: int
    answer_tokens: int
    resident_mb: float


async def minute_talk(
    model: TextGenerator, turns: Sequence[Turn], language: str, *, at_most_s: float = 1e9
) -> dict[str, Any]:
    """Write the minutes of `turns` and return what that took.

    Args:
        model: takes the notes.
        turns: the talk.
        language: of the talk and of the minutes.
        at_most_s: no more of the talk is given once so much time has gone.
    """

    async def keep(records: Sequence[Recorded]) -> None:
        del records

    counted = CountedGenerator(model)
    log = EventLog("benchmark", "talk", clock=ManualClock(), sink=keep)
    await log.append(SessionStarted(AudioFormat(), language, minutes_language=language))
    stage = asyncio.create_task(MinuteStage(counted).run(log))
    watch = _Watch(counted)
    looks: list[Look] = [watch.look(0.0)]
    said, seen = 0, 0
    try:
        for turn in turns:
            said += 1
            await log.append(*segment_events(said, turn, language))
            if said % _STEP_TURNS:
                continue
            await _idle(counted, stage)
            for record in log.records[seen:]:
                if isinstance(record.event, NotesTaken):
                    looks.append(watch.look(record.audio_to_ms / 1000))
            seen = len(log.records)
            if watch.wall_s > at_most_s:
                break
        end_ms = turns[said - 1].end_ms
        before = watch.look(end_ms / 1000)
        await log.append(InputEnded("finish", end_ms), RecognitionFinished())
        await stage
        after = watch.look(end_ms / 1000)
    finally:
        stage.cancel()
        await asyncio.gather(stage, return_exceptions=True)
    state = fold(log.records)
    return {
        "talk_s": end_ms / 1000,
        "segments": said,
        "stretches": sum(isinstance(record.event, NotesTaken) for record in log.records),
        "after_the_end": {
            "wall_s": after.wall_s - before.wall_s,
            "cpu_s": after.cpu_s - before.cpu_s,
            "prompts": after.prompts - before.prompts,
            "answer_tokens": after.answer_tokens - before.answer_tokens,
        },
        "whole": asdict(after),
        "longest_prompt_tokens": counted.longest_prompt,
        "failures": [failure.code for failure in state.failures],
        **_counts(state.minutes),
        "shape": shape([*looks, before]),
        "looks": [asdict(look) for look in looks],
    }


def shape(looks: Sequence[Look]) -> dict[str, float | None]:
    """Compare the second half of a talk with the first, and say how fast memory grows.

    The first fifth is left out of the memory's line: caches fill then.
    """
    last_s = looks[-1].talk_s
    middle = min(looks, key=lambda look: abs(look.talk_s - last_s / 2))
    found: dict[str, float | None] = {}
    for name in ("wall_s", "cpu_s", "prompt_tokens", "answer_tokens"):
        first, second = (
            (getattr(to, name) - getattr(since, name)) / max(1.0, to.talk_s - since.talk_s)
            for since, to in ((looks[0], middle), (middle, looks[-1]))
        )
        found[f"{name}_second_to_first"] = second / first if first else None
    settled = [(look.talk_s, look.resident_mb) for look in looks if look.talk_s >= last_s / 5]
    different = len({at_s for at_s, _ in settled}) > 1
    found["resident_mb_per_hour"] = growth(settled).per_hour if different else None
    return found


class _Watch:
    def __init__(self, counted: CountedGenerator) -> None:
        self._counted = counted
        self._process = psutil.Process()
        self._began_s = time.monotonic()
        self._cpu_began_s = self._cpu_s()

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self._began_s

    def look(self, talk_s: float) -> Look:
        return Look(
            talk_s=talk_s,
            wall_s=self.wall_s,
            cpu_s=self._cpu_s() - self._cpu_began_s,
            prompts=self._counted.prompts,
            prompt_tokens=self._counted.prompt_tokens,
            answer_tokens=self._counted.answer_tokens,
            resident_mb=self._process.memory_info().rss / 1e6,
        )

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system


async def _idle(counted: CountedGenerator, stage: "asyncio.Task[None]") -> None:
    """Wait until the stage has taken what there is."""
    quiet = 0
    while quiet < _QUIET_POLLS and not stage.done():
        await asyncio.sleep(_POLL_S)
        quiet = 0 if counted.running else quiet + 1


def _counts(minutes: Minutes | None) -> dict[str, Any]:
    if minutes is None:
        return {"sentences": 0, "verified": 0, "chapters": 0}
    shown = _sentences(minutes)
    return {
        "sentences": len(shown),
        "verified": sum(item.verified and bool(item.cites) for item in shown),
        "chapters": len(minutes.chapters),
    }


def _sentences(minutes: Minutes) -> list[MinutesItem]:
    sections = (minutes.summary, minutes.topics, minutes.decisions)
    return [i for s in (*sections, minutes.actions, minutes.questions) for i in s]


def _transcript(options: argparse.Namespace) -> int:
    given = load_talk(options.texts) if options.texts else scripted_talk(options.language)
    turns = list(_first(given, options.hours))
    print(f"{len(turns)} segments, {turns[-1].end_ms / 3_600_000:.2f} h", flush=True)

    async def run() -> dict[str, Any]:
        if options.model is None:
            return await minute_talk(
                cast("TextGenerator", QuotingGenerator()), turns, options.language
            )
        model = load_llama(options.model, context_tokens=4096, parallel=1, threads=options.threads)
        try:
            await model.start()
            return await minute_talk(model, turns, options.language, at_most_s=options.at_most_s)
        finally:
            await model.close()

    measured = asyncio.run(run())
    found = measured["shape"]
    name = options.model.name if options.model else "none (sentences are quoted)"
    source = options.texts.name if options.texts else "scripted meetings, repeated"
    result = {"what": "minutes of a long talk", "model": name, "talk": source, **measured}
    print({key: value for key, value in measured.items() if key != "looks"})
    print(write_result(options.out or result_folder(options.machine), options.name, result))
    slower = found["answer_tokens_second_to_first"] or 0.0
    grown = found["resident_mb_per_hour"] or 0.0
    written = measured["sentences"] > 0
    return int(not written or slower > MOST_SLOWER or grown > MOST_GROWTH_MB_PER_HOUR)


def _first(turns: Iterator[Turn], hours: float) -> Iterator[Turn]:
    return takewhile(lambda turn: turn.end_ms <= hours * 3_600_000, turns)


def _session(options: argparse.Namespace) -> int:
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    chosen = select(every, sets=options.set, languages=options.language, ids=options.id)
    if not chosen:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.recognition,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "llama",
        "GREFFIER_LANGUAGE_MODEL__MODEL": options.llm,
    }
    with (
        tempfile.TemporaryDirectory(prefix="greffier-bench-") as scratch,
        ChildServer(
            data_dir=Path(scratch) / "data", models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        recording = _joined(chosen, options.minutes, Path(scratch) / "session.flac")
        print(f"{recording.duration_ms / 1000:.0f} s at real time", flush=True)
        figures = asyncio.run(_served(server, recording))
    result = {
        "what": "minutes after a session",
        "llm": options.llm,
        "recordings": [each.id for each in chosen],
        "talk_s": recording.duration_ms / 1000,
        **figures,
    }
    print(figures)
    print(write_result(options.out or result_folder(options.machine), options.name, result))
    after_s = figures["minutes_after_s"]
    return int(after_s is None or after_s > MOST_AFTER_S)


async def _served(server: ChildServer, recording: Recording) -> dict[str, Any]:
    process = psutil.Process(server.pid)
    played = await play(recording, server.url, minutes=True)
    minutes: Minutes | None = None
    async for message in greffier.watch(server.url, played.session, reconnect=False):
        minutes = message if isinstance(message, Minutes) else minutes
    parts = (process, *process.children(recursive=True))
    cpu_s = sum(sum(part.cpu_times()[:4]) for part in parts)
    after_ms = None if played.minutes_ms is None else played.minutes_ms - played.finish_sent_ms
    return {
        "minutes_after_s": None if after_ms is None else after_ms / 1000,
        "finished_after_s": ((played.finished_ms or 0.0) - played.finish_sent_ms) / 1000,
        "segments": len({caption.segment for caption in played.captions}),
        "words": sum(len(caption.words) for caption in played.captions),
        "cpu_s": cpu_s,
        **_counts(minutes),
    }


def _joined(recordings: Sequence[Recording], minutes: float, path: Path) -> Recording:
    """Write recordings one behind the other, from the first again, until `minutes` are full."""
    wanted = round(minutes * 60) * RATE
    silence = np.zeros(round(_SILENCE_S * RATE), np.int16)
    parts: list[np.ndarray[Any, np.dtype[np.int16]]] = []
    length = 0
    while length < wanted:
        for recording in recordings:
            samples = np.frombuffer(read_pcm(recording.path), np.int16)
            parts += [samples, silence]
            length += len(samples) + len(silence)
            if length >= wanted:
                break
    joined = np.concatenate(parts)[:wanted]
    soundfile.write(path, joined, RATE)  # pyright: ignore[reportUnknownMemberType]
    languages = {recording.language for recording in recordings}
    language = languages.pop() if len(languages) == 1 else "auto"
    return Recording("session", path, language, len(joined) * 1000 // RATE, "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.minutes_after")
    commands = parser.add_subparsers(required=True)
    session = commands.add_parser("session", help="served, at real time")
    session.set_defaults(run=_session)
    session.add_argument("--llm", required=True, help="language model of the catalogue")
    session.add_argument("--recognition", default="whisper-base", help="speech model")
    session.add_argument("--minutes", type=float, default=10.0, help="of talk")
    session.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    session.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    session.add_argument("--language", action="append", default=[], help="only this language")
    session.add_argument("--id", action="append", default=[], help="only this recording")
    transcript = commands.add_parser("transcript", help="a long talk as text")
    transcript.set_defaults(run=_transcript)
    transcript.add_argument("--model", type=Path, help="GGUF file; without: no model")
    transcript.add_argument("--threads", type=int, help="of the model")
    transcript.add_argument("--hours", type=float, default=2.0, help="of talk")
    transcript.add_argument("--language", default="en", choices=["en", "fr"])
    transcript.add_argument("--texts", type=Path, help="folder of transcripts")
    transcript.add_argument("--at-most-s", type=float, default=1e9, help="give no more talk then")
    for command, name in ((session, "minutes-after"), (transcript, "minutes-long")):
        command.add_argument("--name", default=name, help="name of the result file")
        command.add_argument("--machine", help="name of the machine in the result's folder")
        command.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    return int(options.run(options))


if __name__ == "__main__":
    sys.exit(main())
