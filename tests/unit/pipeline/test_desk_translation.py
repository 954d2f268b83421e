"""What a session is opened with: the tenant's terms, and languages the model translates."""

import pytest

from greffier.protocol import GlossaryTerm, Start
from greffier_models.fakes import FakeGenerator
from greffier_server.core.admission import Room
from greffier_server.core.events import SessionStarted
from greffier_server.errors import TranslationUnsupported
from greffier_server.options import desk_settings
from greffier_server.pipeline.stages import Translating
from greffier_server.settings import Settings
from greffier_server.storage.glossaries import MemoryGlossaries
from tests.support.desk import TENANT, desk_kit

pytestmark = pytest.mark.unit

KNOWN = Translating(languages=frozenset({"fr", "it", "de"}))


async def test_a_session_gets_its_own_terms_and_then_its_tenants():
    kept = MemoryGlossaries()
    await kept.put(TENANT, [GlossaryTerm("feu", {"en": "fire"}), GlossaryTerm("SDIS")])
    await kept.put("another", [GlossaryTerm("eau")])
    own = GlossaryTerm("Feu", {"en": "blaze"})
    async with desk_kit(glossaries=kept) as kit:
        session, _ = await kit.open(glossary=(own,))
        (first, *_) = await kit.events(session.id)
        assert isinstance(first, SessionStarted)
        assert first.glossary == (own, GlossaryTerm("SDIS"))


@pytest.mark.parametrize(
    ("language", "targets", "refused"),
    [
        ("fr", ("it", "de"), None),
        ("auto", ("it",), None),
        ("en", ("en",), None),
        ("fr", ("it", "sv"), "Swedish"),
        ("auto", ("uk",), "Ukrainian"),
        ("en", ("it",), "English"),
    ],
)
async def test_a_pair_the_model_does_not_know_is_refused_by_name(
    language: str, targets: tuple[str, ...], refused: str | None
):
    async with desk_kit(generator=FakeGenerator(), translating=KNOWN) as kit:
        start = Start(language=language, translate_to=targets, minutes=False)
        if refused is None:
            await kit.desk.open(TENANT, start)
            return
        with pytest.raises(TranslationUnsupported, match=refused) as caught:
            await kit.desk.open(TENANT, start)
        assert "de, fr, it" in caught.value.message


async def test_without_a_language_model_or_knowledge_of_it_nothing_is_refused():
    async with desk_kit(translating=KNOWN) as kit:
        await kit.desk.open(TENANT, Start(language="fr", translate_to=("sv",)))
    async with desk_kit(generator=FakeGenerator()) as kit:
        await kit.desk.open(TENANT, Start(language="fr", translate_to=("sv",), minutes=False))


def test_the_languages_are_those_of_the_catalogue_unless_they_are_set():
    def known(**settings: object) -> frozenset[str]:
        wanted = Settings.model_validate(settings)
        return desk_settings(wanted, Room(1)).sessions.translating.languages

    assert {"fr", "en"} <= known()
    assert "sv" not in known()
    assert known(language_model={"model": "/models/own.gguf"}) == frozenset()
    assert known(translation={"languages": ["en-GB", "sv"]}) == {"en", "sv"}
    assert known(language_model={"engine": "fake"}) == frozenset()
