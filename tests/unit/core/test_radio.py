"""The radio log: who calls whom, what is one transmission, which words raise an alert."""

import pytest

from greffier_server.alert_settings import AlertSettings
from greffier_server.core.alerts import find_alerts, own_words
from greffier_server.core.radio import defused, to_csv, transmissions
from greffier_server.core.radio_calls import read_call
from greffier_server.core.state import fold
from tests.support.archived import Said, session_events
from tests.support.sessions import chain

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("message", "signs"),
    [
        ("Bravo ici Alpha, parlez.", ("Bravo", "Alpha")),
        ("CROSS Étel, ici Kermaria.", ("CROSS Étel", "Kermaria")),
        ("papa charlie ici delta deux", ("papa charlie", "delta deux")),
        ("Coast Guard, this is Blue Heron, over.", ("Coast Guard", "Blue Heron")),
        ("Mayday mayday mayday, ici Kermaria, feu à bord.", ("", "Kermaria")),
        ("Mayday, mayday, ici Goéland, feu à bord.", ("", "Goéland")),
        ("Pan-pan, CROSS Étel, ici Goéland.", ("CROSS Étel", "Goéland")),
        ("Venez ici tout de suite.", ("", "")),
        ("Nous sommes ici depuis hier.", ("", "")),
        ("Je crois que le préfet et son équipe sont ici Paul.", ("", "")),
        ("ici", ("", "")),
        ("", ("", "")),
    ],
)
def test_who_calls_whom(message: str, signs: tuple[str, str]) -> None:
    call = read_call(message, {})
    assert (call.to, call.by) == signs


def test_short_calls_and_answers_name_the_stations_of_the_net() -> None:
    said = [
        Said(0, "Zulu Control, this is Bravo Two, message, over.", "1"),
        Said(5_000, "Bravo Two, Zulu Control, send, over.", "2"),
        Said(10_000, "Mayday, mayday, this is Bravo Two, fire on board.", "1"),
    ]
    lines = transmissions(fold(chain(*session_events(said))))
    assert [(line.sent_by, line.addressed_to) for line in lines] == [
        ("Bravo Two", "Zulu Control"),
        ("Zulu Control", "Bravo Two"),
        ("Bravo Two", ""),  # a distress call is for everybody
    ]
    assert lines[2].message.startswith("Mayday")


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("MAYDAY, Mayday", ["distress", "distress"]),
        ("nous sommes en detresse", ["distress"]),
        ("Pan-pan pan pan", ["urgency", "urgency"]),
        ("Sécurité, sécurité, avis urgent", ["safety"]),
        ("Un feu, puis un mayday", ["distress", "watchword"]),  # the gravest first
        ("La sécurité routière", []),
        ("un bienfeu, des mots", []),
        ("Le panneau", []),
    ],
)
def test_which_words_raise_an_alert(text: str, levels: list[str]) -> None:
    found = find_alerts(text, ("feu",))
    assert [alert.level for alert in found] == levels
    assert all(text[alert.start : alert.end].strip() for alert in found)


def test_each_tenant_has_its_own_words() -> None:
    named = ("marine:homme à la mer", "mairie:inondation")
    assert own_words(("feu",), named, "marine") == ("feu", "homme à la mer")
    assert own_words((), named, "mar") == ()


@pytest.mark.parametrize(
    "wrong", [{"words": ("",)}, {"words": ("x" * 81,)}, {"tenant_words": ("feu",)}, {"loud": True}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"characters|tenant:word|not permitted"):
        AlertSettings(**wrong)  # type: ignore[arg-type]


def test_a_voice_without_a_pause_is_one_transmission() -> None:
    said = [
        Said(0, "Bravo ici Alpha,", "1"),
        Said(1_500, "je suis au port.", "1"),
        Said(3_000, "Alpha ici Bravo, reçu.", "1"),  # a new call, though it is the same voice
        Said(12_000, "Terminé.", "1"),
        Said(13_000, "Bien.", "2"),
    ]
    lines = transmissions(fold(chain(*session_events(said))))
    assert [line.segments for line in lines] == [(1, 2), (3,), (4,), (5,)]
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert (lines[0].message, lines[0].end_ms) == ("Bravo ici Alpha, je suis au port.", 2_680)
    assert [line.sent_by for line in lines] == ["Alpha", "Bravo", "1", "2"]
    assert all(0.9 < line.confidence <= 1 for line in lines)


@pytest.mark.parametrize("cell", ["=1+1", "+33", "-2", "@SUM", "\t=1", "\r=1", "  =1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert defused(cell) == f"'{cell}"
    assert defused(f"a{cell}") == f"a{cell}"


def test_the_log_of_nothing_has_its_head() -> None:
    assert to_csv([]).startswith("\ufeffnet,number,received,from,to,message")
