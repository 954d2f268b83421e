"""Names of attached documents are listened for from then on, and a replay knows from when."""

import asyncio
from dataclasses import replace

import pytest

from greffier.protocol import GlossaryTerm
from greffier_models.fakes import FakeVad
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.document_events import DocumentAttached, DocumentDetached
from greffier_server.core.events import DecisionsTimed, SegmentTranslated
from greffier_server.core.state import fold
from greffier_server.pipeline.listening import Ears
from greffier_server.pipeline.replaying import SessionReplay
from greffier_server.pipeline.translate import TranslateStage
from greffier_server.pipeline.vocabulary import Vocabulary
from tests.support.desk import TENANT, MemoryJournal, as_bytes, desk_kit, until
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import new_log, spoken, started
from tests.support.recordings import Listener, recording_of
from tests.support.sessions import chain

pytestmark = pytest.mark.unit

RECORDING = recording_of([(90, 310)] * 60, stops=[19, 39], end_ms=900)


def document(number: int, *terms: str) -> DocumentAttached:
    given = tuple(GlossaryTerm(term, do_not_translate=True) for term in terms)
    return DocumentAttached(number, "", "d.txt", str(number), 1, 0, "fr", (), given)


class Attentive(Listener):
    """Writes down what it was told to expect, and is less sure where it expects *Hermès*."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[tuple[str, ...]] = []

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        self.expected.append(options.hotwords)
        heard = await super().transcribe(window, options)
        if "Hermès" not in options.hotwords:
            return heard
        return replace(heard, words=tuple(replace(word, probability=0.5) for word in heard.words))


def test_terms_come_and_go() -> None:
    own = (GlossaryTerm("CODIS"),)
    vocabulary = Vocabulary(own)
    assert (vocabulary.seq, vocabulary.hotwords) == (0, ("CODIS",))
    records = chain(
        started(glossary=own), document(1, "Hermès"), document(2, "Privas"), DocumentDetached(1, "")
    )
    for record in records:
        vocabulary.take(record)
        vocabulary.take(record)
    assert vocabulary.seq == 4
    assert vocabulary.hotwords == ("CODIS", "Privas")
    assert vocabulary.as_of(3) == ("CODIS", "Hermès", "Privas")
    assert vocabulary.as_of(99) == ("CODIS",)


@pytest.mark.virtual_time
async def test_a_document_is_heard_from_the_next_decode_on_and_the_replay_hears_the_same() -> None:
    recognizer = Attentive()
    audio = as_bytes(RECORDING.pcm)
    half = len(audio) // 4 * 2
    async with desk_kit(recognizer=recognizer) as kit:
        session, _ = await kit.open(glossary=(GlossaryTerm("CODIS"),))
        for start in range(0, half, 6_400):
            await session.push(audio[start : min(half, start + 6_400)])
            await asyncio.sleep(0.2)
        await until(lambda: len(recognizer.expected) > 2)
        await session.log.append(document(1, "Hermès"))
        for start in range(half, len(audio), 6_400):
            await session.push(audio[start : start + 6_400])
            await asyncio.sleep(0.2)
        await session.finish()
        await kit.ended()
        records = await kit.records(session.id)
        journal = await MemoryJournal(kit.disk).open(TENANT, session.id)
        again = await SessionReplay(records, journal).faithful(Ears(Attentive(), FakeVad()))
    assert recognizer.expected[0] == ("CODIS",)
    assert recognizer.expected[-1] == ("CODIS", "Hermès")
    sure = [word.probability for s in fold(records).in_order() for word in s.words]
    assert sure[0] > 0.5
    assert sure[-1] == 0.5
    learned = [r.event.learned for r in records if isinstance(r.event, DecisionsTimed)]
    (told,) = [each for each in learned if each]
    (attached,) = [r.seq for r in records if isinstance(r.event, DocumentAttached)]
    assert told[0][1] == attached
    assert again.same, again.epochs
    without = [
        replace(r, event=replace(r.event, learned=())) if isinstance(r.event, DecisionsTimed) else r
        for r in records
    ]
    other = await SessionReplay(without, journal).faithful(Ears(Attentive(), FakeVad()))
    assert not other.same


@pytest.mark.virtual_time
async def test_a_recording_sent_at_once_has_the_terms_too() -> None:
    recognizer = Attentive()
    async with desk_kit(recognizer=recognizer) as kit:
        session, _ = await kit.open(recorded=True)
        await session.log.append(document(1, "Hermès"))
        await session.push(as_bytes(RECORDING.pcm))
        await session.finish()
        await kit.ended()
    assert recognizer.expected
    assert set(recognizer.expected) == {("Hermès",)}


async def test_names_of_a_document_are_kept_in_translation() -> None:
    log = new_log()
    *recognised, ended, finished = spoken([("A", "fr", "Le projet Hermès avance bien.")])
    await log.append(started(translate_to=("en",)), document(1, "Hermès"), *recognised)
    await log.append(ended, finished)
    generator = ScriptedGenerator(lambda _: "The Hermes project is on track.")
    await TranslateStage(generator, "en").run(log)
    assert '"Hermès" is always "Hermès".' in generator.prompts[0].messages[0].content
    (told,) = [r.event for r in log.records if isinstance(r.event, SegmentTranslated)]
    assert told.text
