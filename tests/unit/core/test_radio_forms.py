import pytest

from greffier_server.core.invariants import compare
from greffier_server.core.radio_forms import code_kind, date_time_group, find_codes

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "language", "codes"),
    [
        ("Bravo Two, this is Zulu Control.", "en", ["B2"]),
        ("Bravo Deux, ici Alpha Unité.", "fr", ["B2", "A1"]),
        ("Tango Uniform quatre cinq deux neuf.", "fr", ["TU4529"]),
        ("grid TU 4529", "en", ["TU4529"]),
        ("fox golf kilo x-ray sierra", "en", ["FGKXS"]),
        ("F-GKXS et BAW117", "fr", ["FGKXS", "BAW117"]),
        ("three one tango foxtrot kilo one two three four", "en", ["31TFK1234"]),
        ("31T FK 12345 67890", "en", ["31TFK1234567890"]),
        ("31T 643210 4856321", "fr", ["31T6432104856321"]),
        ("le 221430ZNOV26", "fr", ["221430ZNOV26"]),
        ("221430Z NOV 2026", "en", ["221430ZNOV26"]),
        ("deux deux un quatre trois zéro Zoulou novembre vingt-six", "fr", ["221430ZNOV26"]),
        ("zero five zero six zero zero alpha May twenty-six", "en", ["050600AMAY26"]),
        ("Berthe Célestin Désiré quatre deux", "fr", ["BCD42"]),
        ("Nicolas et Pierre sont là.", "fr", []),
        ("le douze novembre deux mille vingt-six", "fr", []),
        ("12 November 2026", "en", []),
        ("20 % de TVA en 4G, 10 kilos", "fr", []),
        ("TVA 20, 15H30, 5KG", "fr", []),
        ("deux kilos et un hôtel", "fr", []),
        ("", "xx", []),
    ],
)
def test_codes_are_read_however_they_are_said(text: str, language: str, codes: list[str]):
    assert [code.value for code in find_codes(text, language)] == codes


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("221430ZNOV26", "date-time group"),
        ("221430Z", "date-time group"),
        ("991430Z", "call sign"),
        ("31TFK1234", "grid reference"),
        ("31T6432104856321", "grid reference"),
        ("TU4529", "grid reference"),
        ("B2", "call sign"),
    ],
)
def test_a_code_is_known_by_its_form(value: str, kind: str):
    assert code_kind(value) == kind


def test_a_date_time_group_has_its_parts():
    group = date_time_group("221430ZNOV26")
    assert group is not None
    assert (group.day, group.hour, group.minute, group.zone) == (22, 14, 30, "Z")
    assert (group.month, group.year) == (11, 26)
    assert date_time_group("221475Z") is None


@pytest.mark.parametrize(
    ("source", "target", "kind", "code"),
    [
        ("Ici Bravo Deux.", "This is Bravo Three.", "call sign", "B2"),
        ("En 31T FK 1234 5678.", "At 31T FK 1234 5679.", "grid reference", "31TFK12345678"),
        ("Le 221430ZNOV26.", "On 221430ZDEC26.", "date-time group", "221430ZNOV26"),
        ("Le 221430ZNOV26.", "On 23 November 2026 at 14:30.", "date-time group", "221430ZNOV26"),
    ],
)
def test_a_changed_code_is_shown_as_it_was_said(source: str, target: str, kind: str, code: str):
    found = compare(source, target, ("fr", "en"))
    first = next(mismatch for mismatch in found if mismatch.kind == kind)
    assert first.expected == code
    assert not first.invented
    assert first.source
    assert first.source in source


def test_a_date_time_group_may_be_told_in_words():
    told = "Departure is on 22 November 2026 at 14:30."
    assert compare("Départ le 221430ZNOV26.", told, ("fr", "en")) == ()


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ("sur unité unité huit décimale trois", "on one one eight decimal three"),
        ("fréquence unité deux un décimale cinq", "frequency 121.5"),
        ("niveau trois cinq zéro", "flight level 350"),
        ("transpondeur zéro quatre deux unité", "squawk zero fower two one"),
        ("piste zéro neuf", "runway zero niner"),
        ("une unité mobile et deux unités fixes", "a mobile unit and two fixed units"),
        ("l'unité deux part", "unit two leaves"),
    ],
)
def test_digits_said_one_by_one_are_one_number(french: str, english: str):
    assert compare(french, english, ("fr", "en")) == ()
    assert compare(english, french, ("en", "fr")) == ()
