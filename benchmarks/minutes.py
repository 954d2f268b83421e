"""Minutes against the talk they are of: what is cited, what is found, which falsehoods get through.

``python -m benchmarks.minutes --help``. Scripted meetings whose facts are known are minuted twice
by the same model: as the server does it, and by one plain prompt that asks for the minutes of the
whole transcript. Then once more with falsehoods planted in the model's own notes (a changed digit,
a dropped negation, another name, an invented date), which shows what the checks let through
whatever the model. ``--model`` may be given again for another one.

Exits with 1 when a sentence without a verified citation reaches a reader unmarked, in the documents
of any kind; with ``--strict`` also when a planted falsehood gets a tick.

The meetings are text: what recognition loses is not measured here.
"""

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil

from benchmarks.counting import PatientGenerator
from benchmarks.readers import claiming_items, unmarked
from benchmarks.results import result_folder, write_result
from greffier.protocol import AudioFormat, Minutes, MinutesItem
from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_models.types import (
    ChatMessage,
    GenerationOptions,
    GeneratorCapabilities,
    Prompt,
    TextPiece,
    Word,
)
from greffier_server.core.claims import content_stems, evidence_of, judge
from greffier_server.core.events import (
    Event,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.invariants import facts, missing_facts
from greffier_server.core.state import SessionState, apply, fold
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage

MEETINGS = Path(__file__).with_name("minutes_meetings.json")
_PLAIN_TOKENS = 500


@dataclass(frozen=True, slots=True)
class Meeting:
    """A scripted talk, the facts that its minutes must hold, and falsehoods about it."""

    name: str
    language: str
    turns: tuple[tuple[str, str], ...]
    facts: tuple[str, ...]
    falsehoods: tuple[tuple[str, str, int], ...]
    """Kind of note, text, segment it claims to rest on."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one way of writing minutes gave for one meeting."""

    meeting: str
    way: str
    sentences: int
    verified: int
    """Sentences with a citation that the checks bear out."""
    unmarked: int
    """Sentences without one that a reader gets without a mark; of a plain prompt, all."""
    invented: int
    """Sentences shown as true whose numbers, dates or names nobody said."""
    facts: int
    found: int
    planted: int
    survived: int
    """Planted falsehoods that are shown with a tick."""
    marked: int
    """Planted falsehoods that are shown, marked as not verified or in the annex."""
    cpu_s: float
    wall_s: float


def load_meetings(path: Path = MEETINGS) -> list[Meeting]:
    """Read the scripted meetings."""
    return [
        Meeting(
            given["name"],
            given["language"],
            tuple((who, text) for who, text in given["turns"]),
            tuple(given["facts"]),
            tuple((kind, text, cite) for kind, text, cite in given["falsehoods"]),
        )
        for given in json.loads(path.read_text(encoding="utf-8"))
    ]


def events_of(meeting: Meeting) -> list[Event]:
    """Return the events of the meeting's recognition, without an error."""
    events: list[Event] = [
        SessionStarted(AudioFormat(), meeting.language, minutes_language=meeting.language)
    ]
    clock = 0
    for number, (who, text) in enumerate(meeting.turns, 1):
        parts = text.split()
        words = tuple(
            Word(f" {part}", clock + 300 * place, clock + 300 * (place + 1), 1.0)
            for place, part in enumerate(parts)
        )
        end_ms = clock + 300 * len(parts)
        events += [
            SegmentOpened(number, clock, meeting.language, who),
            WordsCommitted(number, words),
            SegmentClosed(number, clock, end_ms),
        ]
        clock = end_ms + 200
    return [*events, RecognitionFinished()]


class Planting:
    """The model, with falsehoods added to its notes."""

    def __init__(self, model: TextGenerator, meeting: Meeting) -> None:
        self._model = model
        self._meeting = meeting

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Those of the model."""
        return self._model.capabilities

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Answer as the model does, and plant."""
        return self._answer(prompt, options)

    @asynccontextmanager
    async def _answer(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        answer = await ask(self._model, prompt, options)
        schema = options.schema or {}
        if "items" in schema.get("properties", {}):
            answer = json.dumps({"items": [*_items(answer), *self._falsehoods(schema)]})

        async def pieces() -> AsyncIterator[TextPiece]:
            yield TextPiece(answer, finish="stop")

        yield pieces()

    def _falsehoods(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        item = schema["properties"]["items"]["items"]["anyOf"][0]
        known = set(item["properties"]["cites"]["items"]["enum"])
        return [
            {"cites": [cite], "kind": kind, "text": text, "who": "", "due": ""}
            for kind, text, cite in self._meeting.falsehoods
            if cite in known
        ]

    async def count_tokens(self, text: str) -> int:
        """As the model counts."""
        return await self._model.count_tokens(text)

    async def close(self) -> None:
        """The model is somebody else's to close."""


async def ask(model: TextGenerator, prompt: Prompt, options: GenerationOptions) -> str:
    """Return the whole answer."""
    async with model.generate(prompt, options) as pieces:
        return "".join([piece.text async for piece in pieces])


async def minute(model: TextGenerator, meeting: Meeting) -> SessionState:
    """Have the server's stage write the minutes."""

    async def keep(records: Sequence[Recorded]) -> None:
        del records

    log = EventLog("benchmark", meeting.name, clock=ManualClock(), sink=keep)
    await log.append(*events_of(meeting))
    await MinuteStage(model).run(log)
    return fold(log.records)


async def plain_summary(model: TextGenerator, meeting: Meeting) -> list[str]:
    """Have the model write minutes from one prompt; return their sentences."""
    french = meeting.language == "fr"
    task = (
        "Rédige le compte rendu de cette réunion : résumé, décisions, actions, questions, chiffres."
        if french
        else "Write the minutes of this meeting: summary, decisions, actions, questions, figures."
    )
    talk = "\n".join(f"{who}: {text}" for who, text in meeting.turns)
    prompt = Prompt((ChatMessage("system", task), ChatMessage("user", talk)))
    options = GenerationOptions(max_tokens=_PLAIN_TOKENS, timeout_s=300.0)
    answer = await ask(model, prompt, options)
    lines = (re.sub(r"^[\s\-*#\d.)]+", "", line) for line in answer.splitlines())
    parts = [part for line in lines for part in re.split(r"(?<=[.!?])\s+", line)]
    return [part for part in parts if len(content_stems(part, meeting.language)) >= 2]


def score_minutes(meeting: Meeting, state: SessionState, way: str) -> Score:
    """Score what the server wrote."""
    minutes = state.minutes or Minutes(0, meeting.language, "")
    shown = [item for item in claiming_items(minutes) if item not in minutes.figures]
    ticked = [item for item in shown if item.verified]
    planted = meeting.falsehoods if way == "planted" else ()
    texts = [_normal(text) for _, text, _ in planted]
    survived = sum(any(_normal(item.text) == text for item in ticked) for text in texts)
    doubtful = [item for item in (*shown, *minutes.annex) if not item.verified]
    marked = sum(any(_normal(item.text) == text for item in doubtful) for text in texts)
    return Score(
        meeting=meeting.name,
        way=way,
        sentences=len(shown),
        verified=len(ticked),
        unmarked=len(unmarked(state)),
        invented=sum(_is_invented(item.text, meeting, state) for item in ticked),
        facts=len(meeting.facts),
        found=_found(meeting, [_told(item) for item in (*shown, *minutes.figures)]),
        planted=len(planted),
        survived=survived,
        marked=marked,
        cpu_s=0.0,
        wall_s=0.0,
    )


def score_plain(meeting: Meeting, sentences: Sequence[str], state: SessionState) -> Score:
    """Score one plain prompt: none of its sentences cites, so none is verified for its reader."""
    return Score(
        meeting=meeting.name,
        way="plain",
        sentences=len(sentences),
        verified=0,
        unmarked=len(sentences),
        invented=sum(_is_invented(text, meeting, state) for text in sentences),
        facts=len(meeting.facts),
        found=_found(meeting, sentences),
        planted=0,
        survived=0,
        marked=0,
        cpu_s=0.0,
        wall_s=0.0,
    )


def _is_invented(text: str, meeting: Meeting, state: SessionState) -> bool:
    """Whether the whole talk together has not the sentence's numbers, dates or names."""
    language = meeting.language
    said = facts(" ".join(segment.text for segment in state.segments.values()), language)
    if missing_facts(facts(text, language), said):
        return True
    evidence = {key: evidence_of(segment, language) for key, segment in state.segments.items()}
    people = frozenset(who.lower() for who, _ in meeting.turns)
    verdict = judge(text, language=language, cites=(), evidence=evidence, people=people)
    return verdict.outcome == "unsupported" and verdict.reason == "name"


def _found(meeting: Meeting, sentences: Sequence[str]) -> int:
    return sum(
        any(_holds(text, fact, meeting.language) for text in sentences) for fact in meeting.facts
    )


def _holds(text: str, fact: str, language: str) -> bool:
    wanted, told = facts(fact, language), facts(text, language)
    if set(wanted.numbers) - {*told.numbers, *told.soft_numbers} or wanted.months - told.months:
        return False
    stems = content_stems(fact, language)
    return 3 * len(stems & content_stems(text, language)) >= 2 * len(stems)


def _told(item: MinutesItem) -> str:
    return " ".join(part for part in (item.who, item.text, item.due) if part)


def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()


def _items(answer: str) -> list[Any]:
    try:
        return list(cast("dict[str, list[Any]]", json.loads(answer))["items"])
    except (ValueError, KeyError, TypeError):
        return []


WAYS = ("greffier", "plain", "planted")


async def measure(
    model: TextGenerator, meetings: Sequence[Meeting], ways: Sequence[str] = WAYS
) -> list[Score]:
    """Minute every meeting in each of `ways`."""
    scores: list[Score] = []
    for meeting in meetings:
        talk = SessionState()
        for event in events_of(meeting):
            talk = apply(talk, event)
        for way in ways:
            began = _cpu_s(), time.monotonic()
            if way == "plain":
                score = score_plain(meeting, await plain_summary(model, meeting), talk)
            else:
                chosen = Planting(model, meeting) if way == "planted" else model
                state = await minute(chosen, meeting)
                score = await asyncio.to_thread(score_minutes, meeting, state, way)
            cpu_s, wall_s = _cpu_s() - began[0], time.monotonic() - began[1]
            scores.append(replace(score, cpu_s=round(cpu_s, 1), wall_s=round(wall_s, 1)))
            print(row(scores[-1]), flush=True)
    return scores


def _cpu_s() -> float:
    """Processor time of this process and of the model's."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))


HEAD = (
    "| meeting | way | sentences | verified | without citation, unmarked | invented, unmarked "
    "| facts found | falsehoods: ticked / marked / planted | CPU s |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row(score: Score) -> str:
    """Return one line of the table."""
    planted = f"{score.survived} / {score.marked} / {score.planted}" if score.planted else ""
    return (
        f"| {score.meeting} | {score.way} | {score.sentences} | {score.verified} "
        f"| {score.unmarked} | {score.invented} | {score.found} of {score.facts} | {planted} "
        f"| {score.cpu_s} |"
    )


def failed(scores: Sequence[Score], *, strict: bool) -> bool:
    """Whether something reached a reader that must not."""
    ours = [score for score in scores if score.way != "plain"]
    return any(score.unmarked for score in ours) or (strict and any(s.survived for s in ours))


async def _main(options: argparse.Namespace) -> int:
    meetings = [m for m in load_meetings() if not options.meeting or m.name in options.meeting]
    by_model: dict[str, list[Score]] = {}
    for path in options.model:
        model = load_llama(path, context_tokens=4096, parallel=1, threads=options.threads)
        print(f"\n{path.name}\n\n{HEAD}", flush=True)
        try:
            by_model[path.name] = await measure(
                PatientGenerator(model), meetings, options.way or WAYS
            )
        finally:
            await model.close()
    models = {name: [asdict(score) for score in scores] for name, scores in by_model.items()}
    write_result(options.output or result_folder(), options.name, {"models": models})
    everything = [score for scores in by_model.values() for score in scores]
    return int(failed(everything, strict=options.strict))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--model", type=Path, required=True, action="append", help="GGUF file (again for more)"
    )
    parser.add_argument("--threads", type=int, help="of the model; all cores when absent")
    parser.add_argument("--meeting", action="append", help="only this one (again for more)")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one")
    parser.add_argument("--output", type=Path, help="folder of the results")
    parser.add_argument("--name", default="minutes")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a falsehood gets a tick")
    sys.exit(asyncio.run(_main(parser.parse_args())))


if __name__ == "__main__":
    main()
