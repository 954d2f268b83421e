"""Short answers do not fill a stretch of notes, and none of them is lost."""

import json
import re
from collections.abc import Sequence

import pytest

from greffier_models.types import GenerationOptions, Prompt
from greffier_server.core.events import NotesTaken, Recorded
from greffier_server.core.notes import notes_schema
from greffier_server.core.state import fold
from greffier_server.pipeline.minute import MOST_SEGMENTS, STRETCH_SEGMENTS, MinuteStage
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import Said, new_log, spoken, started

pytestmark = pytest.mark.unit


def answer(prompt: Prompt) -> str:
    lines = re.findall(r"^\[(\d+)\] (?:[^:\n]+: )?(.+)$", prompt.messages[-1].content, re.MULTILINE)
    if "holds" in prompt.messages[0].content:
        return json.dumps({"readings": [{"n": int(n), "holds": True} for n, _ in lines]})
    if "title" in prompt.messages[0].content:
        return json.dumps({"title": "", "summary": []})
    return json.dumps({"items": [{"cites": [int(lines[0][0])], "kind": "point", "text": "x"}]})


async def noted(said: list[Said]) -> tuple[list[tuple[int, ...]], list[GenerationOptions]]:
    log, generator = new_log(), ScriptedGenerator(answer)
    await log.append(started(minutes_language="en"), *spoken(said))
    await MinuteStage(generator).run(log)
    assert fold(log.records).minutes is not None
    taken = [record.event for record in log.records if isinstance(record.event, NotesTaken)]
    return [event.segments for event in taken], [options for _, options in generator.asked]


async def test_a_conversation_has_as_many_stretches_as_what_is_said_in_it_fills() -> None:
    said: list[Said] = []
    for number in range(4 * STRETCH_SEGMENTS):
        said.append(("Ruth", "en", f"Lamp number {number} on the pier is broken again."))
        said.append(("Omar", "en", "Yeah."))
    stretches, _ = await noted(said)
    assert len(stretches) <= 5
    assert sorted(key for each in stretches for key in each) == list(range(1, len(said) + 1))


async def test_mere_answers_fill_a_stretch_in_the_end() -> None:
    said: list[Said] = [("Omar", "en", "Yeah, right.")] * (2 * MOST_SEGMENTS + 4)
    stretches, _ = await noted(said)
    assert len(stretches) == 3
    assert max(map(len, stretches)) <= MOST_SEGMENTS
    assert sorted(key for each in stretches for key in each) == list(range(1, len(said) + 1))


async def test_no_note_is_asked_of_answers_alone() -> None:
    said: list[Said] = [("Omar", "en", "Yeah, right.")] * 9
    state = fold(await _recorded(said))
    schema = notes_schema(list(state.segments.values()))
    assert schema["properties"]["items"]["minItems"] == 1
    more = [*said, *[("Ruth", "en", "The east lamps are all broken.")] * 6]
    state = fold(await _recorded(more))
    assert notes_schema(list(state.segments.values()))["properties"]["items"]["minItems"] == 2


async def _recorded(said: list[Said]) -> Sequence[Recorded]:
    log = new_log()
    await log.append(started(), *spoken(said))
    return log.records
