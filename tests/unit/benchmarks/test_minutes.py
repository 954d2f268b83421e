"""The harness, and what the checks let through whatever the model says."""

import json
import re
from typing import cast

import pytest

from benchmarks.minutes import Meeting, load_meetings, measure, row
from greffier_models.protocols import TextGenerator
from greffier_models.types import Prompt
from tests.support.generator import ScriptedGenerator

pytestmark = pytest.mark.unit


def credulous(prompt: Prompt) -> str:
    """Takes nothing of note, agrees to everything, and summarises in one invented sentence."""
    task, asked = prompt.messages[0].content, prompt.messages[-1].content
    numbers = [int(n) for n in re.findall(r"^\[(\d+)\]", asked, re.MULTILINE)]
    if "holds" in task:
        return json.dumps({"readings": [{"n": n, "holds": True} for n in numbers]})
    if "titre" in task or "title" in task:
        return json.dumps({"title": "X", "summary": [{"cites": [1], "text": "Karim pays 77."}]})
    if task.startswith(("Rédige", "Write")):
        return "Karim a payé 77 euros.\n- Bonjour à tous les participants."
    return json.dumps({"items": []})


@pytest.mark.parametrize("meeting", load_meetings(), ids=lambda meeting: meeting.name)
async def test_falsehoods_planted_in_the_notes_of_a_credulous_model(meeting: Meeting) -> None:
    model = cast("TextGenerator", ScriptedGenerator(credulous))
    greffier, plain, planted = await measure(model, [meeting])
    assert greffier.invented == planted.invented == 0
    assert greffier.verified == greffier.sentences > 0
    assert plain.invented == 1
    assert plain.verified == plain.found == 0
    assert greffier.found >= 0.6 * greffier.facts
    assert planted.planted == 12
    assert planted.survived <= 1, "who does what to whom is the second reading's to see"
    assert f"/ {planted.planted} |" in row(planted)


def test_each_meeting_tells_its_facts_and_none_of_its_falsehoods() -> None:
    for meeting in load_meetings():
        said = {text for _, text in meeting.turns}
        assert not said & {text for _, text, _ in meeting.falsehoods}
        assert all(0 < cite <= len(meeting.turns) for _, _, cite in meeting.falsehoods)
