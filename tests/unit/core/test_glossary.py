import pytest

from greffier.protocol import GlossaryTerm
from greffier_models.types import SAID_AS
from greffier_server.core.glossary import (
    MAX_TERMS,
    GlossaryFault,
    checked,
    merged,
    missed_terms,
    wanted_terms,
    with_terms,
)
from greffier_server.core.hotwords import choose_hotwords

pytestmark = pytest.mark.unit

LOG = GlossaryTerm("main courante", {"en": "station log"}, variants=("MC",), language="fr")
POST = GlossaryTerm("poste", {"en": "set"})
COMMAND = GlossaryTerm("poste de commandement", {"en": "command post"})
CODIS = GlossaryTerm("CODIS", do_not_translate=True, pronunciation=("codiss",))


def wanted(text: str, source: str, target: str, *terms: GlossaryTerm) -> list[str]:
    return [term.written for term in wanted_terms(text, source, target, terms)]


def test_terms_and_variants_are_found_inflected_and_the_longest_counts():
    assert wanted("Les mains courantes, la MC.", "fr", "en", LOG) == ["station log"]
    assert wanted("Au Poste de Commandement.", "fr", "en", POST, COMMAND) == ["command post"]
    assert wanted("Deux postes.", "fr", "en", POST, COMMAND) == ["set"]
    assert wanted("La poste-frontière.", "fr", "de", POST) == []
    assert wanted("Le compost est là.", "fr", "en", POST) == []


def test_a_term_with_a_language_leads_back():
    assert wanted("Write it in the station log.", "en", "fr", LOG) == ["main courante"]
    assert wanted("Write it in the set.", "en", "fr", POST) == []
    assert wanted("Le CODIS répond.", "fr", "de", CODIS) == ["CODIS"]


def test_a_missing_term_is_told_and_an_inflected_one_accepted():
    found = wanted_terms("La main courante.", "fr", "en", [LOG])
    assert missed_terms(found, "The handrail.") == found
    assert missed_terms(found, "The Station Logs.") == []


def test_terms_are_put_into_the_sentence_for_a_second_attempt():
    text = with_terms(
        "Le poste de commandement tient la main courante.", "fr", "en", [COMMAND, LOG]
    )
    assert text == "Le command post tient la station log."


def test_the_sessions_own_terms_come_first_and_redefine_the_tenants():
    own = GlossaryTerm("Main Courante", {"en": "journal"})
    assert merged([own], [LOG, POST]) == (own, POST)
    assert merged([], [LOG, POST], most=1) == (LOG,)
    other = GlossaryTerm("main courante", {"fr": "registre"}, language="it")
    assert merged([LOG], [other]) == (LOG, other)


def test_a_term_is_tidied():
    term = GlossaryTerm("  main   courante ", {"en-GB": "log", "fr": "x", "de": " "}, language="FR")
    assert checked(term) == GlossaryTerm("main courante", {"en": "log"}, language="fr")


@pytest.mark.parametrize(
    "term",
    [
        GlossaryTerm(" "),
        GlossaryTerm("a" * 201),
        GlossaryTerm("a\x00b"),
        GlossaryTerm("a", {"klingon": "b"}),
        GlossaryTerm("a", language="xx"),
        GlossaryTerm("a", variants=tuple(f"v{n}" for n in range(21))),
    ],
)
def test_what_cannot_be_a_term_is_refused_without_repeating_it(term: GlossaryTerm):
    with pytest.raises(GlossaryFault) as caught:
        checked(term)
    assert "klingon" not in str(caught.value)


def test_pronunciations_and_variants_are_listened_for_behind_all_terms():
    chosen = choose_hotwords([CODIS, LOG])
    assert chosen == ("CODIS", "main courante", f"CODIS{SAID_AS}codiss", "MC")
    assert MAX_TERMS == 2_000
