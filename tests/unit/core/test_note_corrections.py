"""What was set right after notes were taken of it."""

import pytest

from greffier.protocol import CorrectionTarget, MinutesItem
from greffier_server.core.events import Corrected, NotesTaken
from greffier_server.core.note_checks import Notes
from greffier_server.core.note_corrections import Changes, renamed
from tests.support.sessions import chain

pytestmark = pytest.mark.unit

NOTED = NotesTaken(0, 1, 3, "{}", (1, 2, 3))


def corrected(segment: int, kind: str = "words", speaker: str = "") -> Corrected:
    target = CorrectionTarget(kind, segment=segment, speaker=speaker)  # type: ignore[arg-type]
    return Corrected("Eva", target, "1", "Claire")


def changes(*events: NotesTaken | Corrected) -> Changes:
    found = Changes()
    for record in chain(*events):
        found.take(record)
    return found


def test_only_what_comes_after_the_notes_counts() -> None:
    assert changes(NOTED, corrected(2)).touched((1, 2, 3))
    assert changes(NOTED, corrected(2, "speaker")).touched((1, 2, 3))
    assert not changes(corrected(2), NOTED).touched((1, 2, 3))
    assert not changes(NOTED, corrected(9)).touched((1, 2, 3))
    assert not changes(NOTED, corrected(2, "translation")).touched((1, 2, 3))
    assert not changes(NOTED, corrected(2), NOTED).touched((1, 2, 3))


def test_a_name_given_afterwards_is_put_in() -> None:
    given = changes(NOTED, corrected(0, "speaker", "1")).names_since((1, 2, 3))
    assert given == {"1": "Claire"}
    action = MinutesItem("Envoyer 1 devis", (1,), True, who="1")
    (kept,) = renamed(Notes("fr", actions=(action,)), given).actions
    assert (kept.who, kept.text) == ("Claire", "Envoyer 1 devis")
    assert changes(corrected(0, "speaker", "1"), NOTED).names_since((1, 2, 3)) == {}


def test_a_name_with_letters_is_put_into_sentences() -> None:
    topic = MinutesItem("Claire rappelle que Clairefontaine livre.", (1,))
    (kept,) = renamed(Notes("fr", topics=(topic,)), {"Claire": "Mme Valbonnais"}).topics
    assert kept.text == "Mme Valbonnais rappelle que Clairefontaine livre."
