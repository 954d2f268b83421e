"""Several sessions in one: decisions that change, actions that get done, questions that settle."""

from dataclasses import replace

import pytest

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.events import MinutesWritten
from greffier_server.core.synthesis import (
    Part,
    Synthesis,
    chapters_of,
    joined,
    own_minutes,
    place_of,
    synthesised,
)
from tests.support.meetings import Said, spoken, started
from tests.support.minuted import state_of

pytestmark = pytest.mark.unit

FIRST: list[Said] = [
    ("Ana", "fr", "Nous décidons de repousser l'ouverture de la piscine au 15 janvier."),
    ("Bob", "fr", "J'envoie le devis du carrelage à Ana avant vendredi."),
    ("Ana", "fr", "Qui paie les travaux du carrelage, on ne sait pas encore."),
    ("Ana", "fr", "Nous décidons de fermer la salle Descartes."),
]
SECOND: list[Said] = [
    ("Ana", "fr", "Nous décidons de repousser l'ouverture de la piscine au 22 mars."),
    ("Bob", "fr", "J'ai envoyé le devis du carrelage à Ana."),
    ("Ana", "fr", "Nous décidons que la ville paie les travaux du carrelage."),
    ("Ana", "fr", "Nous décidons de fermer la salle Descartes."),
]


def part(name: str, talk: list[Said], at_ms: int, **sections: tuple[MinutesItem, ...]) -> Part:
    minutes = replace(Minutes(0, "fr", name), **sections)
    state = state_of(started(title=name), *spoken(talk), MinutesWritten(minutes))
    return Part(name, name, at_ms, state, own_minutes(state))


def report() -> Synthesis:
    first = part(
        "s1",
        FIRST,
        1,
        decisions=(
            MinutesItem("L'ouverture de la piscine est repoussée au 15 janvier.", (1,), True),
            MinutesItem("La salle Descartes est fermée.", (4,), True),
        ),
        actions=(
            MinutesItem("Envoyer le devis du carrelage à Ana", (2,), True, "Bob", "vendredi"),
        ),
        questions=(MinutesItem("Qui paie les travaux du carrelage ?", (3,), True),),
    )
    second = part(
        "s2",
        SECOND,
        2,
        decisions=(
            MinutesItem("L'ouverture de la piscine est repoussée au 22 mars.", (1,), True),
            MinutesItem("La ville paie les travaux du carrelage.", (3,), True),
            MinutesItem("La salle Descartes est fermée.", (4,), True),
        ),
    )
    parts = [first, second]
    return synthesised(parts, joined(parts), language="fr", title="Piscine")


def test_a_later_decision_takes_the_place_of_the_earlier_one() -> None:
    made = report()
    (pool,) = [change for change in made.decisions if "piscine" in change.item.text]
    assert "22 mars" in pool.item.text
    assert [item.text for item in pool.before] == [
        "L'ouverture de la piscine est repoussée au 15 janvier."
    ]
    assert place_of(pool.item.cites[0]) == (1, 1)
    assert place_of(pool.before[0].cites[0]) == (0, 1)


def test_what_is_decided_twice_is_told_once_and_cites_both() -> None:
    (hall,) = [change for change in report().decisions if "Descartes" in change.item.text]
    assert hall.before == ()
    assert [place_of(cite) for cite in hall.item.cites] == [(0, 4), (1, 4)]
    assert hall.item.verified


def test_an_action_has_the_status_of_the_latest_session() -> None:
    (action,) = report().actions
    assert (action.who, action.due, action.status) == ("Bob", "vendredi", "done")
    assert (1, 2) in [place_of(cite) for cite in action.cites]


def test_a_question_that_a_later_session_decides_is_open_no_more() -> None:
    assert report().questions == ()


def test_every_citation_leads_to_a_passage_of_its_session() -> None:
    made = report()
    items = [change.item for change in made.decisions] + [*made.actions, *made.summary]
    for item in items:
        assert item.cites
        assert all(cite in made.segments for cite in item.cites)
    assert [chapter.title for chapter in made.course] == ["s1", "s2"]


def test_a_session_without_minutes_gives_quotations() -> None:
    state = state_of(started(title="s"), *spoken(FIRST))
    minutes = own_minutes(state)
    assert [item.text for item in minutes.decisions]
    assert all(item.verified for item in minutes.decisions)


def test_what_the_text_no_longer_bears_out_loses_its_tick() -> None:
    invented = MinutesItem("La piscine ouvre le 15 janvier et coûte 90 000 euros.", (1,), True)
    kept = part("s", FIRST, 1, decisions=(invented,)).minutes.decisions
    assert not any(item.verified for item in kept)


def test_the_summary_is_made_from_summaries_and_decisions() -> None:
    one = part("s", FIRST, 1, summary=(MinutesItem("On parle de la piscine.", (1,), True),))
    (chapter,) = chapters_of([one])
    assert [item.text for item in chapter.summary] == ["On parle de la piscine."]
