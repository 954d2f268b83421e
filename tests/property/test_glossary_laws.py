from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import GlossaryTerm
from greffier_server.core.glossary import GlossaryFault, checked, term_key
from greffier_server.core.glossary_csv import read_csv, write_csv
from greffier_server.core.glossary_tbx import read_tbx, write_tbx

pytestmark = pytest.mark.property

WORDS = st.text(alphabet="abcé 'œ&<>\"-;,Z", min_size=1, max_size=12).filter(str.strip)
TERMS = st.builds(
    GlossaryTerm,
    term=WORDS,
    translations=st.dictionaries(st.sampled_from(["en", "de", "es"]), WORDS, max_size=3),
    variants=st.lists(WORDS, max_size=3, unique=True).map(tuple),
    do_not_translate=st.booleans(),
    pronunciation=st.lists(WORDS, max_size=2, unique=True).map(tuple),
    language=st.sampled_from(["", "fr"]),
).map(checked)


@given(st.lists(TERMS, max_size=5, unique_by=term_key))
def test_a_glossary_survives_both_formats(terms: list[GlossaryTerm]):
    assert read_csv(write_csv(terms)) == terms
    assert read_tbx(write_tbx(terms).encode(), source="fr") == terms


@given(st.text(max_size=80))
def test_any_text_is_a_glossary_or_a_fault(text: str):
    with suppress(GlossaryFault):
        assert isinstance(read_csv(text), list)
    with suppress(GlossaryFault):
        assert isinstance(read_tbx(text.encode("utf-8", "replace")), list)


def test_a_spreadsheets_french_csv_is_read():
    head = "\ufeffTerme;Langue;Ne pas traduire;EN;de\r\n"
    table = head + "SDIS;fr;oui;;\r\nfeu;fr;;fire;Feuer\r\n;;;;\r\n"
    assert read_csv(table) == [
        GlossaryTerm("SDIS", do_not_translate=True, language="fr"),
        GlossaryTerm("feu", {"en": "fire", "de": "Feuer"}, language="fr"),
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "empty"),
        ("mot,en\nfeu,fire\n", "column 1"),
        ("en,de\nfire,Feuer\n", "no column is named term"),
        ("term,en,en\na,b,c\n", "column 3"),
        ("term\n" + "x" * 201 + "\n", "row 2"),
        ("term,en\na,b,c\n", "row 2"),
        ('term\n"a\n', "not closed"),
    ],
)
def test_a_bad_table_is_refused_by_row_or_column(table: str, message: str):
    with pytest.raises(GlossaryFault, match=message):
        read_csv(table)


OLD_TBX = """<?xml version="1.0"?>
<!DOCTYPE martif SYSTEM "TBXBasiccoreStructV02.dtd">
<martif type="TBX-Basic" xml:lang="fr"><text><body>
<termEntry id="1">
 <langSet xml:lang="fr-FR">
  <tig><term>feu de forêt</term></tig>
  <tig><term>FDF</term><termNote type="administrativeStatus">admittedTerm-admn-sts</termNote></tig>
  <tig><term>vieux</term><termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote>
  </tig>
 </langSet>
 <langSet xml:lang="en"><ntig><termGrp><term>wildfire</term></termGrp></ntig></langSet>
 <langSet xml:lang="tlh"><tig><term>qul</term></tig></langSet>
</termEntry></body></text></martif>"""


def test_the_older_tbx_with_its_doctype_is_read():
    expected = GlossaryTerm("feu de forêt", {"en": "wildfire"}, variants=("FDF",), language="fr")
    assert read_tbx(OLD_TBX.encode()) == [expected]
    turned = read_tbx(OLD_TBX.encode("utf-16"), source="en")
    assert [(term.term, term.translations) for term in turned] == [
        ("wildfire", {"fr": "feu de forêt"})
    ]


BOMB = (
    '<!DOCTYPE tbx [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 10}">' for n in range(1, 9))
    + "]><tbx>&a8;</tbx>"
)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (BOMB, "entities"),
        ('<!DOCTYPE tbx [<!ENTITY x SYSTEM "file:///etc/passwd">]><tbx>&x;</tbx>', "entities"),
        ('<!DOCTYPE tbx [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><tbx/>', "entities"),
        ("<tbx>" + "<a>" * 100 + "</a>" * 100 + "</tbx>", "inside each other"),
        ("<tbx>", "not well-formed"),
        ("<html/>", "not TBX"),
        ('<?xml version="1.0" encoding="none-such"?><tbx/>', "well-formed|encoding"),
        (OLD_TBX.replace("wildfire", "w" * 201), "entry 1"),
    ],
)
def test_hostile_xml_is_refused(document: str, message: str):
    with pytest.raises(GlossaryFault, match=message):
        read_tbx(document.encode())


def test_an_unread_dtds_entity_is_refused_and_not_fetched():
    document = '<!DOCTYPE tbx SYSTEM "http://127.0.0.1:1/x.dtd"><tbx>&unknown;</tbx>'
    with pytest.raises(GlossaryFault):
        read_tbx(document.encode())


def test_a_large_text_is_read_in_linear_time():
    body = "<note>x</note>" * 40_000
    assert read_tbx(f"<tbx><text><body>{body}</body></text></tbx>".encode()) == []
