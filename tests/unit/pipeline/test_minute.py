import asyncio
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from greffier.plain import to_plain
from greffier_models.errors import EngineUnavailable, PromptTooLong
from greffier_models.types import Prompt
from greffier_server.core.events import (
    MinutesWritten,
    NotesTaken,
    RecognitionFinished,
    SegmentTranslated,
    StageFailed,
)
from greffier_server.core.note_checks import Notes
from greffier_server.core.state import fold
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import Said, new_log, spoken, started

pytestmark = pytest.mark.unit

T = TypeVar("T", NotesTaken, MinutesWritten, StageFailed)

NOTHING = json.dumps({"items": [{"cites": [1], "kind": "point", "text": "Bonjour"}]})
SUMMARY = json.dumps({"title": "Mise en service", "summary": []})


def answers(prompt: Prompt) -> str:
    is_summary = "titre" in prompt.messages[0].content or "title" in prompt.messages[0].content
    return SUMMARY if is_summary else NOTHING


async def no_sleep(seconds: float) -> None:
    del seconds


async def log_of(talk: Sequence[Said] | str = "meeting-fr", **asked: Any) -> EventLog:
    log = new_log()
    await log.append(started(**asked), *spoken(talk))
    return log


def stage(generator: ScriptedGenerator, language: str | None = None) -> MinuteStage:
    return MinuteStage(generator, language=language, sleep=no_sleep)


def of_kind(log: EventLog, kind: type[T]) -> list[T]:
    return [record.event for record in log.records if isinstance(record.event, kind)]


async def test_notes_are_taken_by_stretches_and_minutes_written_at_the_end():
    log = await log_of()
    generator = ScriptedGenerator(answers)
    await stage(generator).run(log)
    taken = of_kind(log, NotesTaken)
    assert [(note.index, note.first_segment, note.last_segment) for note in taken] == [
        (0, 1, 16),
        (1, 17, 30),
        (2, 31, 42),
    ]
    (written,) = of_kind(log, MinutesWritten)
    assert written.minutes.language == "fr"
    assert written.minutes.title == "Mise en service"
    assert written.minutes.seq == 0
    assert len(written.minutes.decisions) == 2
    priorities = [options.priority for _, options in generator.asked]
    assert priorities == [1, 1, 1, 2]
    assert all(options.schema is not None for _, options in generator.asked)
    assert generator.most_running == 1
    record = log.records[-1]
    assert record.engine == "scripted:script@:"
    assert record.audio_to_ms == 118_890


async def test_notes_come_while_the_session_runs():
    log = new_log()
    events = spoken("meeting-fr", finished=False)
    await log.append(started())
    running = asyncio.create_task(stage(ScriptedGenerator(answers)).run(log))
    for event in events[: 3 * 20]:
        await log.append(event)
    async for record in log.follow():
        if isinstance(record.event, NotesTaken):
            break
    assert not of_kind(log, MinutesWritten)
    log.close()
    await asyncio.wait_for(running, 30)


async def test_a_session_without_minutes_is_left_alone():
    log = await log_of(minutes=False)
    before = len(log.records)
    generator = ScriptedGenerator(answers)
    await stage(generator).run(log)
    assert generator.asked == []
    assert len(log.records) == before


async def test_an_empty_session_gets_minutes_without_asking_the_model():
    log = await log_of([], title="Essai")
    generator = ScriptedGenerator(answers)
    await stage(generator).run(log)
    (written,) = of_kind(log, MinutesWritten)
    assert generator.asked == []
    assert written.minutes.title == "Essai"
    assert written.minutes.annex[0].text == "No speech was recorded."


@pytest.mark.parametrize(
    ("asked", "given", "language"),
    [(None, None, "fr"), ("en", None, "en"), (None, "en", "en"), ("fr", "en", "fr")],
)
async def test_the_language_is_the_one_asked_for(
    asked: str | None, given: str | None, language: str
):
    log = await log_of(minutes_language=asked)
    await stage(ScriptedGenerator(answers), given).run(log)
    assert of_kind(log, MinutesWritten)[0].minutes.language == language


async def test_translations_are_read_where_the_minutes_are_in_another_language():
    log = new_log()
    said: list[Said] = [("Claire", "fr", "Nous décidons de fermer la salle.")]
    recognised = spoken(said)
    await log.append(started(minutes_language="en"), *recognised[:-2])
    await log.append(SegmentTranslated(1, "en", "We decide to close the room."))
    await log.append(*recognised[-2:])
    generator = ScriptedGenerator(answers)
    await stage(generator).run(log)
    assert "We decide to close" in generator.prompts[0].messages[-1].content
    (written,) = of_kind(log, MinutesWritten)
    assert written.minutes.decisions[0].text == "We decide to close the room."


async def test_a_dead_model_means_no_minutes_and_one_failure():
    log = await log_of()

    def dead(prompt: Prompt) -> Exception:
        del prompt
        return EngineUnavailable("gone")

    await stage(ScriptedGenerator(dead)).run(log)
    assert of_kind(log, MinutesWritten) == []
    (failure,) = of_kind(log, StageFailed)
    assert (failure.stage, failure.code, failure.retryable) == (
        "minutes",
        "engine_unavailable",
        True,
    )


async def test_a_stretch_that_failed_is_tried_again_at_the_end():
    log = await log_of()
    calls = 0

    def flaky(prompt: Prompt) -> str | Exception:
        nonlocal calls
        calls += 1
        return EngineUnavailable("gone") if calls <= 4 else answers(prompt)

    await stage(ScriptedGenerator(flaky)).run(log)
    noted = {
        segment
        for note in of_kind(log, NotesTaken)
        for segment in range(note.first_segment, note.last_segment + 1)
    }
    assert noted == set(range(1, 43))
    assert len(of_kind(log, StageFailed)) == 1
    assert len(of_kind(log, MinutesWritten)[0].minutes.decisions) == 2


async def test_without_a_summary_the_decisions_stand_in():
    log = await log_of()

    def no_summary(prompt: Prompt) -> str | Exception:
        text = answers(prompt)
        return EngineUnavailable("gone") if text == SUMMARY else text

    await stage(ScriptedGenerator(no_summary)).run(log)
    (written,) = of_kind(log, MinutesWritten)
    assert written.minutes.summary[:2] == written.minutes.decisions
    assert written.minutes.title == "Compte rendu"
    assert any("engine_unavailable" in item.text for item in written.minutes.annex)


async def test_a_stretch_too_long_for_the_model_is_halved():
    log = await log_of([("A", "fr", "Nous décidons de fermer la salle.")] * 4)

    def narrow(prompt: Prompt) -> str | Exception:
        long = prompt.messages[-1].content.count("salle") > 2
        return PromptTooLong("too long") if long else answers(prompt)

    await stage(ScriptedGenerator(narrow)).run(log)
    assert [(n.first_segment, n.last_segment) for n in of_kind(log, NotesTaken)] == [(1, 2), (3, 4)]
    assert len(of_kind(log, MinutesWritten)) == 1


async def test_after_a_restart_the_notes_taken_are_kept():
    first = await log_of()
    await stage(ScriptedGenerator(answers)).run(first)
    until = next(
        i for i, r in enumerate(first.records) if isinstance(r.event, NotesTaken) and r.event.index
    )
    log = new_log(first.records[: until + 1])
    generator = ScriptedGenerator(answers)
    await stage(generator).run(log)
    assert len(generator.asked) == 2
    again, before = of_kind(log, MinutesWritten)[0], of_kind(first, MinutesWritten)[0]
    assert again.minutes == before.minutes


async def test_minutes_are_written_once():
    log = await log_of()
    await stage(ScriptedGenerator(answers)).run(log)
    again = new_log(log.records)
    generator = ScriptedGenerator(answers)
    await stage(generator).run(again)
    assert generator.asked == []
    assert len(again.records) == len(log.records)


async def test_notes_of_a_broken_answer_still_hold_what_was_plainly_said():
    log = await log_of()
    await stage(ScriptedGenerator(lambda prompt: "```json nonsense")).run(log)
    state = fold(log.records)
    assert state.minutes is not None
    assert len(state.minutes.decisions) == 2


def test_nothing_it_reads_is_what_it_writes():
    one = stage(ScriptedGenerator(answers))
    assert not one.reads & one.writes


async def test_a_segment_that_was_open_among_those_noted_is_noted_after_a_restart():
    log = new_log()
    talk = spoken([("A", "fr", f"Nous parlons du point {number}.") for number in range(1, 14)])
    noted = tuple(number for number in range(1, 14) if number != 7)
    empty = json.dumps(to_plain(Notes(language="fr")))
    await log.append(started(), *talk[:-1], NotesTaken(0, 1, 13, empty, noted), talk[-1])
    assert isinstance(talk[-1], RecognitionFinished)
    await stage(ScriptedGenerator(answers)).run(log)
    (_, taken) = of_kind(log, NotesTaken)
    assert taken.segments == (7,)
