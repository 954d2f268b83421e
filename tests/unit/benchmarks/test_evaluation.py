"""The harnesses of minutes, glossary and injection tell good from bad, without weights."""

import json
import re
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.counting import QuotingGenerator
from benchmarks.glossary import load_terms
from benchmarks.glossary import measure as measure_terms
from benchmarks.injection import ATTEMPTS, PLACES
from benchmarks.injection import measure as measure_attempts
from benchmarks.minutes_after import Look, minute_talk, shape
from benchmarks.planting import Pair
from benchmarks.readers import unmarked
from benchmarks.samples import SAMPLES, page
from benchmarks.talks import load_talk, scripted_talk
from greffier.protocol import MinutesItem
from greffier_models.protocols import TextGenerator
from greffier_models.types import Prompt
from greffier_server.documents.kinds import Kind
from greffier_server.documents.settings import DocumentSettings
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import Said
from tests.support.minuted import minuted

pytestmark = pytest.mark.unit

SAID: list[Said] = [("Odile", "fr", "La réparation coûte vingt-sept mille euros.")]


def scripted(answer: Any) -> TextGenerator:
    return cast("TextGenerator", ScriptedGenerator(answer))


async def test_a_long_talk_costs_in_its_second_half_what_it_costs_in_its_first() -> None:
    turns = list(takewhile(lambda turn: turn.end_ms < 600_000, scripted_talk("en")))
    found = await minute_talk(cast("TextGenerator", QuotingGenerator()), turns, "en")
    assert found["segments"] == len(turns) > 100
    assert found["stretches"] >= 8
    assert found["chapters"] > 1
    assert found["sentences"] > 30
    assert not found["failures"]
    assert found["after_the_end"]["prompts"] < found["whole"]["prompts"] / 2
    assert 0.7 < found["shape"]["answer_tokens_second_to_first"] < 1.4


async def test_a_talk_is_cut_short_when_its_time_is_over_and_has_its_minutes() -> None:
    turns = list(takewhile(lambda turn: turn.end_ms < 900_000, scripted_talk("fr")))
    model = cast("TextGenerator", QuotingGenerator())
    found = await minute_talk(model, turns, "fr", at_most_s=0.0)
    assert found["segments"] == 14
    assert found["sentences"]


def test_growing_cost_and_memory_show_in_the_shape() -> None:
    even = [Look(10.0 * n, n, 2.0 * n, n, 100 * n, 10 * n, 500.0) for n in range(11)]
    steep = [Look(10.0 * n, n * n, n * n, n, n * n, n * n, 500.0 + n) for n in range(11)]
    flat, grown = shape(even), shape(steep)
    assert flat["answer_tokens_second_to_first"] == pytest.approx(1)
    assert flat["resident_mb_per_hour"] == pytest.approx(0)
    assert (grown["answer_tokens_second_to_first"] or 0) > 2
    assert grown["resident_mb_per_hour"] == pytest.approx(360)


def test_transcripts_of_meetings_are_joined_in_one_order_of_time(tmp_path: Path) -> None:
    said = [
        {"start": 0.5, "end": 3.0, "speaker": "A", "text": "One two. " * 20},
        {"start": 2.0, "end": 2.5, "speaker": "B", "text": "Yeah."},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"transcript": said}))
    turns = [turn for turn, _ in zip(load_talk(tmp_path), range(6), strict=False)]
    assert [len(turn.text.split()) for turn in turns[:2]] == [30, 10]
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(turns))
    with pytest.raises(ValueError, match="no transcript"):
        next(load_talk(tmp_path / "none"))


def test_a_sentence_without_a_citation_is_found_where_a_reader_gets_it_unmarked() -> None:
    true = MinutesItem("La réparation coûte 27 000 euros.", (1,), verified=True)
    marked = MinutesItem("Karim paie la réparation.", (1,), verified=False)
    good = minuted(SAID, summary=(true, marked), topics=(marked,), decisions=(marked,))
    assert unmarked(good) == []
    for wrong in (
        MinutesItem("Karim paie la réparation.", (1,), verified=True),
        MinutesItem("La réparation coûte 27 000 euros.", (), verified=True),
        MinutesItem("La réparation coûte 27 000 euros.", (9,), verified=True),
    ):
        assert unmarked(minuted(SAID, topics=(wrong,))) == [wrong.text]


def test_a_template_that_hides_the_mark_is_found(tmp_path: Path) -> None:
    marked = MinutesItem("Karim paie la réparation.", (1,), verified=False)
    state = minuted(SAID, decisions=(marked,))
    settings = DocumentSettings(templates_dir=tmp_path)
    assert unmarked(state, settings) == []
    hiding = "{% for d in decisions %}<p>{{ d.text | replace('non vérifié', '') }}</p>{% endfor %}"
    (tmp_path / "email.html").write_text(hiding)
    assert unmarked(state, settings) == [marked.text]


PAIRS = [
    Pair("Le poste de commandement recule.", "The incident command post falls back.", ("fr", "en")),
    Pair("Le quorum est atteint.", "The quorum is reached.", ("fr", "en")),
]


async def test_terms_are_rendered_at_once_repaired_or_reported() -> None:
    def obedient(prompt: Prompt) -> str:
        text = prompt.messages[-1].content
        if "incident command post" in text:
            return "The incident command post falls back."
        return "The command post falls back." if "poste" in text else "The quorum is reached."

    def deaf(prompt: Prompt) -> str:
        del prompt
        return "The command station falls back."

    hits = await measure_terms(scripted(obedient), PAIRS, load_terms())
    assert (hits.said, hits.at_once, hits.repaired, hits.reported) == (2, 1, 1, 0)
    assert hits.without_glossary == 1
    missed = await measure_terms(scripted(deaf), PAIRS, load_terms())
    assert (missed.at_once, missed.repaired, missed.silent) == (0, 0, 0)
    assert missed.reported == 2


def followed(prompt: Prompt) -> str:
    """Does whatever the last sentence it reads tells it to."""
    task, asked = prompt.messages[0].content, prompt.messages[-1].content
    if "interpreter" in task:
        french = "into French" in task
        return "Le budget est approuvé par tous." if french else "The budget is approved by all."
    numbers = [int(n) for n in re.findall(r"^\[(\d+)\]", asked, re.MULTILINE)]
    if "holds" in task:
        return json.dumps({"readings": [{"n": n, "holds": True} for n in numbers]})
    return json.dumps({"items": [], "answer": [], "title": "Pirate", "summary": []})


async def test_an_order_that_is_followed_counts_as_a_success() -> None:
    given = json.loads(ATTEMPTS.read_text("utf-8"))
    short = {"translation": [given["translation"][0], given["translation"][5]]}
    attempts, _ = await measure_attempts(scripted(followed), short, ("translation",))
    assert [(each.succeeded, bool(each.answer)) for each in attempts] == [(True, True)] * 2


def test_there_are_enough_attempts_in_both_languages_and_every_place() -> None:
    given = json.loads(ATTEMPTS.read_text("utf-8"))
    count = len(given["translation"])
    for place in set(PLACES) - {"translation"}:
        assert {each["language"] for each in given[place]} == {"fr", "en"}
        count += sum(len(each["attempts"]) for each in given[place])
    assert count >= 30


def test_the_page_of_samples_has_every_kind_and_what_came_unchanged() -> None:
    assert {sample.kind for sample in SAMPLES} == {kind.value for kind in Kind}
    text = "# Point\n\n- **Karim** ```code```"
    written = page({SAMPLES[0]: text}, models="m", on="today")
    assert f"````markdown\n{text}\n````" in written
