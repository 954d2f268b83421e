import pytest

from greffier_server.documents.cleaning import clean, clean_line
from greffier_server.documents.dates import written_date
from greffier_server.documents.markup import read_markup
from greffier_server.documents.pages import Heading, Listing, Paragraph, Run, Table
from greffier_server.documents.typography import typeset_text

pytestmark = pytest.mark.unit

N, T = "\u00a0", "\u202f"


@pytest.mark.parametrize(
    ("text", "french"),
    [
        ("Qui vient ?", f"Qui vient{T}?"),
        ("Qui vient?", f"Qui vient{T}?"),
        ("Attention !", f"Attention{T}!"),
        ("Ordre du jour : budget", f"Ordre du jour{N}: budget"),
        ("« oui »", f"«{N}oui{N}»"),
        ("«oui»", f"«{N}oui{N}»"),
        ("85 000 euros", f"85{T}000{N}euros"),
        ("59 %", f"59{N}%"),
        ("l'agent d'accueil", "l’agent d’accueil"),
        ("attendez...", "attendez…"),
        ("14:30", "14:30"),
        ("http://exemple.fr/?a=1", "http://exemple.fr/?a=1"),
        ("12 000 000", f"12{T}000{T}000"),
        ("groupe 4 1234", "groupe 4 1234"),
    ],
)
def test_french(text: str, french: str) -> None:
    assert typeset_text(text, "fr") == french
    assert typeset_text(french, "fr") == french


def test_english_and_others() -> None:
    assert typeset_text("It's due: 5 %?", "en") == "It’s due: 5 %?"
    assert typeset_text("Es ist 'so'...", "de") == "Es ist 'so'..."


def test_what_no_document_can_hold_is_dropped() -> None:
    assert clean("a\x00b\x1bc\u202ed\ud800e\ufffff\ng\th") == "abcdef\ng\th"
    assert clean_line(" a\n b\u2028c\u00a0d ") == "a b c\u00a0d"


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("<h2>A <em>b</em></h2>", (Heading(2, (Run("A "), Run("b", "em"))),)),
        ("text", (Paragraph((Run("text"),)),)),
        (
            "<p class='note' id='t=3'>a<br> b</p>",
            (Paragraph((Run("a"), Run("", "break"), Run("b")), True, 3),),
        ),
        ("<ol><li>a<li>b</ol>", (Listing(((Run("a"),), (Run("b"),)), ordered=True),)),
        ("<ul></ul><p></p><table></table>", ()),
        (
            "<table><tr><th>A<th>B<tr><td>1",
            (Table(((Run("A"),), (Run("B"),)), (((Run("1"),), ()),)),),
        ),
        ("<p>a <a href='#t=5'>[0:05]</a></p>", (Paragraph((Run("a "), Run("[0:05]", "cite", 5))),)),
        ("<p>&lt;b&gt;</p>", (Paragraph((Run("<b>"),)),)),
        ("<ul><li>open", (Listing(((Run("open"),),)),)),
        ("</strong></p></table>", ()),
    ],
)
def test_markup(markup: str, blocks: tuple[object, ...]) -> None:
    assert read_markup(markup) == blocks


def test_dates() -> None:
    from datetime import date

    assert written_date(date(2026, 5, 1), "fr") == "vendredi 1er mai 2026"
    assert written_date(date(2026, 5, 1), "en") == "Friday 1 May 2026"
    assert written_date(date(2026, 5, 1), "de") == "2026-05-01"
