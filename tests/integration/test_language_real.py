"""Translation and minutes with a real, small language model: what must hold even then."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_server.core.events import MinutesWritten, RecognitionFinished, SegmentTranslated
from greffier_server.core.invariants import check
from greffier_server.core.languages import written_in
from greffier_server.core.minutes_document import to_markdown
from greffier_server.core.state import fold
from greffier_server.pipeline.minute import MinuteStage
from greffier_server.pipeline.translate import TranslateStage
from tests.support.meetings import Said, new_log, spoken, started
from tests.support.weights import llm_path

pytestmark = [pytest.mark.models, pytest.mark.language_model, pytest.mark.slow]

SPEECH: list[Said] = [
    ("Claire", "fr", "Bonjour et bienvenue."),
    ("Emma", "en", "About the budget, our share is eighteen thousand euros."),
    ("Claire", "fr", "Notre part est de vingt-deux mille euros."),
    ("Michael", "en", "The helicopter cannot land on the north field."),
    ("Claire", "fr", "Nous n'avons pas encore décidé."),
    ("Emma", "en", "Our team can be on site from the ninth to the thirteenth of March."),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def generator() -> AsyncIterator[TextGenerator]:
    model = load_llama(llm_path(), context_tokens=4096, parallel=1)
    yield model
    await model.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_translations_keep_what_must_be_kept(generator: TextGenerator, language: str):
    log = new_log()
    await log.append(started(translate_to=(language,)), *spoken(SPEECH))
    await TranslateStage(generator, language).run(log)
    state = fold(log.records)
    assert len([r for r in log.records if isinstance(r.event, SegmentTranslated)]) == len(SPEECH)
    sound = 0
    for segment in state.segments.values():
        text = segment.translations[language].text
        assert segment.translations[language].closed
        assert written_in(text, language)
        assert len(text) < 4 * len(segment.text)
        sound += not check(segment.text, text, segment.language, language)
    # what the model got wrong after two attempts is on record, so that readers are warned
    assert sound + len(state.failures) >= len(SPEECH)
    assert sound >= len(SPEECH) - 1


@pytest.mark.asyncio(loop_scope="module")
async def test_minutes_of_a_meeting_hold_its_decision_and_its_tasks(generator: TextGenerator):
    log = new_log()
    events = spoken("meeting-fr", finished=False)
    await log.append(started(), *events[3 * 12 : 3 * 24], RecognitionFinished())
    await MinuteStage(generator).run(log)
    state = fold(log.records)
    assert isinstance(log.records[-1].event, MinutesWritten)
    minutes = state.minutes
    assert minutes is not None
    assert minutes.language == "fr"
    assert any("15 janvier" in item.text and item.verified for item in minutes.decisions)
    assert all(item.verified for item in minutes.decisions)
    tasks = {(item.who, item.due) for item in minutes.actions}
    assert ("Sarah", "avant le 8 janvier") in tasks
    assert "Alexandre" in {who for who, _ in tasks}
    sections = (minutes.summary, minutes.topics, minutes.decisions, minutes.actions)
    for item in (item for section in sections for item in section):
        assert item.cites
        assert set(item.cites) <= set(state.segments)
        cited = " ".join(state.segments[cite].text for cite in item.cites)
        assert not [m for m in check(cited, item.text, "fr", "fr") if m.invented]
    assert "## Décisions" in to_markdown(minutes, state)
