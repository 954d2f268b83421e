import asyncio
from collections.abc import Callable

import pytest

from greffier_models.errors import EngineError, EngineTimeout, EngineUnavailable
from greffier_models.types import Prompt
from greffier_server.core.events import (
    Event,
    SegmentTranslated,
    StageFailed,
    TranslationRevised,
)
from greffier_server.core.state import fold
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.translate import TranslateStage
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import Said, new_log, spoken, started

pytestmark = pytest.mark.unit

TALK: list[Said] = [
    ("Claire", "fr", "Bonjour à tous."),
    ("Emma", "en", "We need six channels."),
    ("Alexandre", "fr", "Nous avons douze postes."),
    ("Claire", "fr", "La radio ne marche pas."),
]
ENGLISH = {
    "Bonjour à tous.": "Hello everyone.",
    "Nous avons douze postes.": "We have twelve sets.",
    "Nous avons 12 postes.": "We have 12 sets.",
    "La radio ne marche pas.": "The radio does not work.",
}


def dictionary(prompt: Prompt) -> str:
    return ENGLISH[prompt.messages[-1].content]


async def log_of(talk: list[Said] = TALK, *, finished: bool = True) -> EventLog:
    log = new_log()
    await log.append(started(), *spoken(talk, finished=finished))
    return log


def translated(log: EventLog) -> list[tuple[int, str]]:
    return [
        (record.event.segment, record.event.text)
        for record in log.records
        if isinstance(record.event, SegmentTranslated)
    ]


def failures(log: EventLog) -> list[StageFailed]:
    return [r.event for r in log.records if isinstance(r.event, StageFailed)]


async def no_sleep(seconds: float) -> None:
    del seconds


def stage(generator: ScriptedGenerator, language: str = "en") -> TranslateStage:
    return TranslateStage(generator, language, sleep=no_sleep)


async def test_segments_are_translated_in_order_and_speech_in_the_target_passes_through():
    log = await log_of()
    generator = ScriptedGenerator(dictionary)
    await stage(generator).run(log)
    assert translated(log) == [
        (1, "Hello everyone."),
        (2, "We need six channels."),
        (3, "We have twelve sets."),
        (4, "The radio does not work."),
    ]
    assert len(generator.asked) == 3
    assert generator.most_running == 1
    assert failures(log) == []
    assert all(options.priority == 0 for _, options in generator.asked)


async def test_events_carry_the_engine_and_the_audio_they_rest_on():
    log = await log_of(TALK[:2])
    await stage(ScriptedGenerator(dictionary)).run(log)
    one, two = [r for r in log.records if isinstance(r.event, SegmentTranslated)]
    assert one.engine == "scripted:script@:"
    assert (one.audio_from_ms, one.audio_to_ms) == (0, 900)
    assert two.engine == ""


async def test_earlier_sentences_of_the_same_language_are_the_context():
    log = await log_of()
    generator = ScriptedGenerator(dictionary)
    await stage(generator).run(log)
    last = [message.content for message in generator.prompts[-1].messages[-5:]]
    assert last == [
        "Bonjour à tous.",
        "Hello everyone.",
        "Nous avons douze postes.",
        "We have twelve sets.",
        "La radio ne marche pas.",
    ]


async def test_the_text_is_shown_while_it_grows():
    log = await log_of([TALK[3]], finished=False)
    seen: list[str] = []

    async def watch() -> None:
        async for record in log.follow(after=log.seq):
            if isinstance(record.event, TranslationRevised):
                seen.append(record.event.tail)
            elif isinstance(record.event, SegmentTranslated):
                return

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    running = asyncio.create_task(stage(ScriptedGenerator(dictionary)).run(log))
    await watching
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen
    assert all("The radio does not work.".startswith(tail) for tail in seen)


async def test_a_wrong_number_is_tried_again_and_the_better_answer_kept():
    log = await log_of([TALK[2]])
    generator = ScriptedGenerator(["We have two sets.", "We have 12 sets."])
    await stage(generator).run(log)
    assert translated(log) == [(1, "We have 12 sets.")]
    assert generator.prompts[1].messages[-1].content == "Nous avons 12 postes."
    assert failures(log) == []


async def test_a_translation_that_stays_doubtful_is_kept_and_said_to_be():
    log = await log_of([TALK[2]])
    await stage(ScriptedGenerator(["We have ten sets.", "We have thirteen."])).run(log)
    assert translated(log) == [(1, "We have ten sets.")]
    (failure,) = failures(log)
    assert (failure.stage, failure.code) == ("translate", "translation_doubtful")
    assert failure.message == "segment 1: the translation into en may be wrong (number)"


async def test_what_is_no_translation_is_refused():
    log = await log_of([TALK[3]])
    answers = ["La radio ne marche pas du tout avec nous.", "I cannot translate this."]
    await stage(ScriptedGenerator(answers)).run(log)
    assert translated(log) == [(1, "")]
    assert [failure.code for failure in failures(log)] == ["translation_rejected"]
    assert "radio" not in failures(log)[0].message


async def test_retryable_errors_are_tried_again_with_growing_waits():
    log = await log_of([TALK[0]])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    gone = EngineUnavailable("gone")
    generator = ScriptedGenerator([gone, gone, "Hello everyone."])
    await TranslateStage(generator, "en", sleep=sleep).run(log)
    assert translated(log) == [(1, "Hello everyone.")]
    assert waits == [0.5, 2.0]
    assert failures(log) == []


async def test_a_dead_engine_costs_its_waits_once_and_one_report():
    log = await log_of()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def dead(prompt: Prompt) -> Exception:
        del prompt
        return EngineUnavailable("gone")

    generator = ScriptedGenerator(dead)
    await TranslateStage(generator, "en", sleep=sleep).run(log)
    assert [text for _, text in translated(log)] == ["", "We need six channels.", "", ""]
    assert len(waits) == 3
    assert len(generator.asked) == 6
    (failure,) = failures(log)
    assert (failure.code, failure.retryable) == ("engine_unavailable", True)


async def test_an_error_that_cannot_pass_is_not_tried_again():
    log = await log_of([TALK[0], TALK[3]])
    generator = ScriptedGenerator([EngineError("broken"), "The radio does not work."])
    await stage(generator).run(log)
    assert translated(log) == [(1, ""), (2, "The radio does not work.")]
    assert [failure.code for failure in failures(log)] == ["engine_failed"]


async def test_after_a_restart_nothing_is_translated_twice():
    first = await log_of()
    history = list(first.records)
    await first.append(SegmentTranslated(1, "en", "Hello everyone."))
    await first.append(SegmentTranslated(3, "de", "Anderes."))
    log = new_log(first.records)
    generator = ScriptedGenerator(dictionary)
    await stage(generator).run(log)
    assert [segment for segment, _ in translated(log)] == [1, 3, 2, 3, 4]
    assert len(generator.asked) == 2
    context = [message.content for message in generator.prompts[0].messages]
    assert "Hello everyone." in context
    assert len(log.records) == len(history) + 5


async def test_two_languages_go_side_by_side_on_one_log():
    log = await log_of()
    french = {"We need six channels.": "Il nous faut six canaux."}
    await asyncio.gather(
        stage(ScriptedGenerator(dictionary)).run(log),
        stage(ScriptedGenerator(lambda prompt: french[prompt.messages[-1].content]), "fr").run(log),
    )
    state = fold(log.records)
    assert state.segments[2].translations["fr"].text == "Il nous faut six canaux."
    assert state.segments[2].translations["en"].text == "We need six channels."
    assert all(set(segment.translations) == {"en", "fr"} for segment in state.segments.values())


async def test_it_follows_a_live_log_and_ends_with_recognition():
    log = new_log()
    await log.append(started())
    running = asyncio.create_task(stage(ScriptedGenerator(dictionary)).run(log))
    for event in spoken(TALK):
        await log.append(event)
        await asyncio.sleep(0)
    await asyncio.wait_for(running, 30)
    assert len(translated(log)) == 4


@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_it_ends_when_cancelled_or_when_the_log_closes(end: str):
    log = await log_of(finished=False)
    generator = ScriptedGenerator(dictionary)
    running = asyncio.create_task(stage(generator).run(log))
    async for record in log.follow():
        if isinstance(record.event, SegmentTranslated) and record.event.segment == 4:
            break
    stop: Callable[[], object] = running.cancel if end == "cancel" else log.close
    stop()
    await asyncio.wait([running], timeout=30)
    assert running.done()
    assert generator.running == 0


async def test_a_model_that_never_answers_is_left_alone_after_two_segments():
    log = await log_of([TALK[0]] * 9)
    generator = ScriptedGenerator(lambda prompt: EngineTimeout("no answer"))
    await stage(generator).run(log)
    assert len(generator.asked) == 2
    assert translated(log) == [(number, "") for number in range(1, 10)]
    assert [(failure.code, failure.retryable) for failure in failures(log)] == [
        ("engine_timeout", True)
    ]


async def test_one_timeout_costs_one_segment():
    log = await log_of([TALK[0]] * 3)
    answers = iter([EngineTimeout("no answer"), "Hello everyone.", EngineTimeout("no answer")])
    await stage(ScriptedGenerator(lambda prompt: next(answers))).run(log)
    assert translated(log) == [(1, ""), (2, "Hello everyone."), (3, "")]


async def test_when_behind_it_does_not_spend_time_on_second_attempts():
    talk = [TALK[2]] * 5
    log = await log_of(talk)
    generator = ScriptedGenerator(lambda prompt: "We have ten sets.")
    await stage(generator).run(log)
    assert len(generator.asked) == 5 + 3
    assert len(failures(log)) == 5


def test_nothing_it_reads_is_what_it_writes():
    def empty(prompt: Prompt) -> str:
        return prompt.messages[0].content

    one = stage(ScriptedGenerator(empty))
    written: frozenset[type[Event]] = one.writes
    assert not one.reads & written
