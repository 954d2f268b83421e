"""Minutes of long sessions: linear work, prompts that do not grow, chapters that survive."""

import asyncio
import json
import math
import re

import pytest

from greffier_models.errors import EngineTimeout
from greffier_models.types import Prompt
from greffier_server.core.events import (
    ChapterSummarised,
    Event,
    MinutesWritten,
    NotesTaken,
    StageFailed,
)
from greffier_server.core.state import fold
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import CHAPTER_STRETCHES, STRETCH_SEGMENTS, MinuteStage
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import Said, new_log, spoken, started

pytestmark = pytest.mark.unit

TOPICS = ("budget", "salle", "serveur", "formation", "parking")


def talk(sentences: int) -> list[Event]:
    said: list[Said] = []
    for number in range(sentences):
        topic, other = TOPICS[number // 12 % 5], TOPICS[number // 120 % 5]
        text = f"Le dossier {topic} numéro {number} concerne le service {other} et ses agents."
        if number % 30 == 7:
            text = f"Nous décidons de retenir le projet {topic} numéro {number}."
        said.append((f"Agent {number % 3}", "fr", text))
    return spoken(said)


def answer(prompt: Prompt) -> str:
    task, asked = prompt.messages[0].content, prompt.messages[-1].content
    lines = re.findall(r"^\[(\d+)\] (?:[^:\n]+: )?(.+)$", asked, re.MULTILINE)
    if "holds" in task:
        return json.dumps({"readings": [{"n": int(n), "holds": True} for n, _ in lines]})
    if "titre" in task:
        told = [{"cites": [int(n)], "text": text} for n, text in lines[:2]]
        return json.dumps({"title": "Dossiers", "summary": told})
    items = [{"cites": [int(n)], "kind": "point", "text": text} for n, text in lines[::4]]
    return json.dumps({"items": items})


async def no_sleep(seconds: float) -> None:
    del seconds


async def run(sentences: int, generator: ScriptedGenerator) -> EventLog:
    log = new_log()
    await log.append(started())
    stage = asyncio.create_task(MinuteStage(generator, sleep=no_sleep).run(log))
    events = talk(sentences)
    for start in range(0, len(events), 60):
        await log.append(*events[start : start + 60])
        await asyncio.sleep(0)
    await stage
    return log


def test_two_hours_cost_what_their_parts_cost_and_no_longer_prompts() -> None:
    calls: list[int] = []
    longest: list[int] = []
    state = None
    for sentences in (350, 1400):  # at about five seconds each: half an hour, two hours
        generator = ScriptedGenerator(answer)
        # By hand: the guards around asynchronous tests would take longer than the work.
        log = asyncio.run(run(sentences, generator))
        calls.append(len(generator.asked))
        longest.append(max(sum(len(m.content) for m in p.messages) for p in generator.prompts))
        state = fold(log.records)
    assert calls[1] <= 4 * calls[0] + 4
    assert calls[1] <= 1400 / STRETCH_SEGMENTS * (1 + 1 / CHAPTER_STRETCHES) + 12
    assert longest[1] <= longest[0] * 1.1
    assert longest[1] < 9_000
    assert state is not None
    minutes = state.minutes
    assert minutes is not None
    assert len(minutes.chapters) == math.ceil(
        math.ceil(1400 / STRETCH_SEGMENTS) / CHAPTER_STRETCHES
    )
    assert len(minutes.decisions) == len([n for n in range(1400) if n % 30 == 7])
    assert all(item.verified for chapter in minutes.chapters for item in chapter.summary)
    starts = [chapter.from_ms for chapter in minutes.chapters]
    assert starts == sorted(starts)
    assert minutes.summary


async def test_a_short_session_has_no_chapters() -> None:
    generator = ScriptedGenerator(answer)
    log = await run(CHAPTER_STRETCHES * STRETCH_SEGMENTS, generator)
    assert not [r for r in log.records if isinstance(r.event, ChapterSummarised)]
    minutes = fold(log.records).minutes
    assert minutes is not None
    assert minutes.chapters == ()


async def test_after_a_restart_chapters_are_kept() -> None:
    first = await run(200, ScriptedGenerator(answer))
    records = first.records
    whole = fold(records).minutes
    assert whole is not None
    ends = [i for i, r in enumerate(records) if isinstance(r.event, ChapterSummarised)]
    # Every log that a crash can leave behind after the first chapter.
    for cut in (ends[0] + 1, ends[1], ends[1] + 1):
        kept = [r for r in records[:cut] if not isinstance(r.event, MinutesWritten)]
        log = new_log(kept)
        generator = ScriptedGenerator(answer)
        await MinuteStage(generator, sleep=no_sleep).run(log)
        again = fold(log.records).minutes
        assert again is not None
        assert again.chapters == whole.chapters
        assert again.summary == whole.summary


async def test_a_chapter_that_cannot_be_summed_up_is_told_in_its_notes_own_words() -> None:
    def dead_for_summaries(prompt: Prompt) -> str | Exception:
        return EngineTimeout("late") if "titre" in prompt.messages[0].content else answer(prompt)

    log = await run(200, ScriptedGenerator(dead_for_summaries))
    state = fold(log.records)
    assert state.minutes is not None
    assert all(chapter.summary and not chapter.title for chapter in state.minutes.chapters)
    assert [r for r in log.records if isinstance(r.event, StageFailed)]
    assert any("engine_timeout" in item.text for item in state.minutes.annex)


async def test_what_a_second_reading_did_not_reach_is_quoted_or_marked() -> None:
    said: list[Said] = [
        ("Paul", "fr", "Nous décidons de fermer la grande salle du parking."),
        ("Paul", "fr", "Le contrôle a trouvé des fuites dans le bassin."),
    ]
    decided = "La grande salle du parking est à fermer."
    told = "Des fuites dans le bassin au contrôle."
    items = [
        {"cites": [1], "kind": "decision", "text": decided},
        {"cites": [2], "kind": "point", "text": told},
    ]

    def reader_dead(prompt: Prompt) -> str | Exception:
        task = prompt.messages[0].content
        if "holds" in task:
            return EngineTimeout("late")
        return answer(prompt) if "titre" in task else json.dumps({"items": items})

    def reader_alive(prompt: Prompt) -> str | Exception:
        return answer(prompt) if "holds" in prompt.messages[0].content else reader_dead(prompt)

    for model, decision, verified in (
        (reader_dead, said[0][2], False),
        (reader_alive, decided, True),
    ):
        log = new_log()
        await log.append(started(), *spoken(said))
        await MinuteStage(ScriptedGenerator(model), sleep=no_sleep).run(log)
        minutes = fold(log.records).minutes
        assert minutes is not None
        assert [(item.text, item.verified) for item in minutes.decisions] == [(decision, True)]
        assert [(item.text, item.verified) for item in minutes.topics] == [(told, verified)]


async def test_notes_are_proofread_before_they_are_on_record() -> None:
    log = await run(40, ScriptedGenerator(answer))
    taken = [r.event for r in log.records if isinstance(r.event, NotesTaken)]
    assert len(taken) == 4
