"""Where points of an agenda were talked of."""

import pytest

from greffier.protocol import AgendaPoint
from greffier_server.core.agenda_minutes import agenda_points, point_of
from greffier_server.core.document_events import AgendaItem, DocumentAttached
from greffier_server.core.minutes import spoken_segments
from tests.support.meetings import Said, spoken
from tests.support.minuted import state_of

pytestmark = pytest.mark.unit

FRENCH: list[Said] = [
    ("Ana", "fr", "Bonjour à tous."),
    ("Ana", "fr", "On commence par le budget de la voirie."),
    ("Bob", "fr", "Il manque huit mille euros."),
    ("Ana", "fr", "Nous décidons de reporter l'achat."),
    ("Ana", "fr", "Passons au point trois."),
    ("Bob", "fr", "La piscine rouvre le 3 mai."),
    ("Ana", "fr", "Très bien."),
]
ENGLISH: list[Said] = [
    ("Emma", "en", "Let us begin with winter dredging."),
    ("Mike", "en", "The dredger arrives on the third of May."),
    ("Emma", "en", "Now the harbour dues."),
    ("Mike", "en", "We agreed to raise the dues by two percent."),
]


def agenda(*titles: str, language: str = "fr") -> DocumentAttached:
    items = tuple(
        AgendaItem(str(number), title, 2, number + 1) for number, title in enumerate(titles, 1)
    )
    return DocumentAttached(1, "", "odj.pdf", "", 1, 2, language, (), (), items)


def points(talk: list[Said], document: DocumentAttached, language: str) -> dict[str, list[int]]:
    state = state_of(*spoken(talk))
    found = agenda_points([document], spoken_segments(state), language)
    return {point.title: [*point.segments] for point in found}


def test_points_are_found_by_words_and_by_number() -> None:
    found = points(FRENCH, agenda("Budget de la voirie", "Personnel", "Réouverture"), "fr")
    assert found == {"Budget de la voirie": [2, 3, 4], "Personnel": [], "Réouverture": [5, 6, 7]}


def test_points_need_not_be_talked_of_in_order() -> None:
    found = points(ENGLISH, agenda("Harbour dues", "Winter dredging", language="en"), "en")
    assert found == {"Harbour dues": [3, 4], "Winter dredging": [1, 2]}


def test_a_point_cites_its_document() -> None:
    state = state_of(*spoken(FRENCH))
    (point,) = agenda_points([agenda("Budget de la voirie")], spoken_segments(state), "fr")
    assert (point.document, point.name, point.page, point.paragraph) == (1, "odj.pdf", 2, 2)


def test_nothing_is_found_where_nothing_was_said() -> None:
    assert points([("A", "fr", "Il fait beau.")], agenda("Budget", "Travaux"), "fr") == {
        "Budget": [],
        "Travaux": [],
    }
    assert agenda_points([], [], "fr") == ()


def test_a_sentence_belongs_where_most_of_its_passages_do() -> None:
    listed = [
        AgendaPoint("1", "A", 1, "d", 0, 1, (1, 2)),
        AgendaPoint("2", "B", 1, "d", 0, 2, (3, 4)),
    ]
    assert point_of((2, 3, 4), listed) == 1
    assert point_of((1,), listed) == 0
    assert point_of((9,), listed) is None
    assert point_of((), listed) is None
