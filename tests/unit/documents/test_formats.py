"""Every document, read back by somebody else's reader of its format."""

import csv
import io
import re
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import docx
import pypdf
import pytest
from markdown_it import MarkdownIt

from greffier.protocol import MinutesItem
from greffier_server.core.state import SessionState
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.settings import DocumentSettings
from greffier_server.errors import SettingsInvalid
from tests.support.foreign_readers import html_tree, xml_tree
from tests.support.meetings import Said
from tests.support.minuted import made, meeting, minuted

pytestmark = pytest.mark.unit

MARKING = "DIFFUSION RESTREINTE"
FRAMED = DocumentSettings(
    timezone="Europe/Paris",
    headers={"ministry": "Ministère des Essais", "other": "Ailleurs"},
    footers={"ministry": "Document de travail"},
)
HOSTILE = (
    "<script>alert(1)</script> </p><img src=x onerror=alert(2)> ]]> &amp; {{ 7*7 }} {% raw %} "
    "[lien](javascript:alert(3)) `code` **gras** | colonne \x00\x08\u202e\ud800 https://evil.example"
)
TALK: list[Said] = [
    (f"<b>Eve</b> {HOSTILE}", "fr", HOSTILE),
    ("Bob", "fr", "Nous fermons la salle."),
]


def hostile() -> SessionState:
    item = MinutesItem(HOSTILE, (1,), verified=True, who=HOSTILE, due=HOSTILE)
    sections = dict.fromkeys(
        ("summary", "topics", "decisions", "actions", "questions", "figures", "annex"), (item,)
    )
    return minuted(TALK, **sections)


def page_texts(pdf: bytes) -> list[str]:
    return [
        re.sub(r"\s+", " ", page.extract_text())
        for page in pypdf.PdfReader(io.BytesIO(pdf), strict=True).pages
    ]


def docx_parts(file: bytes) -> dict[str, Any]:
    """Every part of the package is well-formed XML."""
    with zipfile.ZipFile(io.BytesIO(file)) as package:
        assert package.testzip() is None
        return {
            name: xml_tree(package.read(name))
            for name in package.namelist()
            if name.endswith((".xml", ".rels"))
        }


def docx_text(file: bytes) -> str:
    document = docx.Document(io.BytesIO(file))
    cells = [c.text for table in document.tables for row in table.rows for c in row.cells]
    return "\n".join([*(p.text for p in document.paragraphs), *cells])


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_says_the_same_in_every_format(kind: Kind) -> None:
    state = meeting()
    html = "".join(html_tree(made(state, DocumentFormat.HTML, kind)).itertext())
    word = docx_text(made(state, DocumentFormat.DOCX, kind))
    text = made(state, DocumentFormat.TXT, kind).decode()
    wanted = {
        Kind.DIGEST: "Néant",  # no notes were taken on the way
        Kind.MAIN_COURANTE: "quarante agents inscrits",
        Kind.TRANSCRIPT: "quarante agents inscrits",
    }.get(kind, "repousser la mise en service au 15 janvier")
    for drawn in (html, word, text):
        assert wanted in drawn
        assert "Comité" in drawn
        assert "vendredi 5 décembre 2025" in drawn


def test_a_pdf_has_marking_header_footer_and_number_on_each_page() -> None:
    pdf = made(meeting(), DocumentFormat.PDF, marking=MARKING, settings=FRAMED, sources=True)
    reader = pypdf.PdfReader(io.BytesIO(pdf), strict=True)
    pages = page_texts(pdf)
    assert len(pages) >= 2
    for number, text in enumerate(pages, 1):
        assert text.count(MARKING) == 2
        assert "Ministère des Essais" in text
        assert "Ailleurs" not in text
        assert f"Document de travail – Page {number} sur {len(pages)}" in text
    whole = " ".join(pages)
    assert "[0:38]" in whole
    assert "85 000 euros" in whole.replace("\u202f", " ").replace("\u00a0", " ")
    root = cast("Any", reader.trailer["/Root"])
    assert root["/Lang"] == "fr"
    xmp = reader.xmp_metadata
    assert xmp is not None
    assert "Comité" in (xmp.dc_title or {}).values()
    told = root["/Metadata"].get_data()
    assert b"<pdfaid:part>2</pdfaid:part>" in told
    assert b"<pdfaid:conformance>U</pdfaid:conformance>" in told
    assert any(page.get("/Annots") for page in reader.pages), "citations lead to their passages"


def test_a_docx_has_marking_header_footer_and_numbers_in_its_frame() -> None:
    file = made(meeting(), DocumentFormat.DOCX, marking=MARKING, settings=FRAMED)
    docx_parts(file)
    document = docx.Document(io.BytesIO(file))
    section = document.sections[0]
    header = "\n".join(p.text for p in section.header.paragraphs)
    footer = "\n".join(p.text for p in section.footer.paragraphs)
    assert MARKING in header
    assert MARKING in footer
    assert "Ministère des Essais" in header
    assert "Document de travail – Page 1 sur 1" in footer
    codes = re.findall(
        r"<w:instrText[^>]*> (\w+) </w:instrText>", cast("Any", section.footer)._element.xml
    )
    assert codes == ["PAGE", "NUMPAGES"]
    assert document.core_properties.title == "Comité"
    styles = [p.style.name for p in document.paragraphs if p.style is not None]
    assert "Heading 1" in styles
    assert "Heading 2" in styles
    assert "List Bullet" in styles


def test_an_html_page_is_valid_and_framed() -> None:
    page = made(meeting(), DocumentFormat.HTML, marking=MARKING, settings=FRAMED, sources=True)
    tree = html_tree(page)
    assert "".join(tree.itertext()).count(MARKING) == 2
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    links = [element.get("href") for element in tree.iter("a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert tree.get("lang") == "fr"


def test_hostile_text_stays_text_in_html() -> None:
    for kind in Kind:
        tree = html_tree(made(hostile(), DocumentFormat.HTML, kind, title=HOSTILE, marking="<i>"))
        tags = {element.tag for element in tree.iter() if isinstance(element.tag, str)}
        assert not tags & {"script", "img", "b", "i", "iframe", "form", "object"}
        for element in tree.iter():
            assert not any(name.startswith("on") for name in element.attrib)
            assert not (element.get("href") or "#").startswith(("javascript", "http", "data"))
        assert "<script>alert(1)</script>" in "".join(tree.itertext())


def test_hostile_text_stays_text_in_word_and_pdf() -> None:
    for kind in (Kind.COMPTE_RENDU, Kind.PROCES_VERBAL, Kind.MAIN_COURANTE):
        file = made(hostile(), DocumentFormat.DOCX, kind, title=HOSTILE)
        parts = docx_parts(file)
        links = [link.attrib for part in parts.values() for link in part.iter()]
        assert not any(link.get("TargetMode") == "External" for link in links)
        text = docx_text(file)
        assert "<script>alert(1)</script>" in text
        assert "{{ 7*7 }}" in text
        pdf = made(hostile(), DocumentFormat.PDF, kind, title=HOSTILE)
        assert "<script>alert(1)</script>" in " ".join(page_texts(pdf)).replace("> ", ">").replace(
            "( ", "("
        )
        root = cast("Any", pypdf.PdfReader(io.BytesIO(pdf), strict=True).trailer["/Root"])
        assert "/OpenAction" not in root or "/JS" not in str(root["/OpenAction"])
        assert "/AcroForm" not in root
        assert b"/URI" not in pdf


def test_hostile_text_stays_text_in_markdown() -> None:
    for kind in Kind:
        text = made(hostile(), DocumentFormat.MD, kind, title=HOSTILE).decode()
        reader = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table")
        tokens = [t for token in reader.parse(text) for t in (token, *(token.children or ()))]
        assert not [
            t for t in tokens if t.type in ("html_block", "html_inline", "image", "code_inline")
        ]
        links = [str(t.attrs["href"]) for t in tokens if t.type == "link_open"]
        assert all(re.fullmatch(r"#t=\d+", link) for link in links)


def test_a_page_holds_no_unknown_signs_silently() -> None:
    said: list[Said] = [("Wei", "zh", "我们决定关闭房间。"), ("Bob", "en", "We close it.")]
    state = minuted(said, language="en", decisions=(MinutesItem("我们决定", (1,), verified=True),))
    text = " ".join(page_texts(made(state, DocumentFormat.PDF)))
    assert "???? [0:00]" in text
    assert "4 signs are in none of the fonts available" in text
    assert "我们决定" in docx_text(made(state, DocumentFormat.DOCX))


def test_further_fonts_are_taken_from_the_settings(tmp_path: Path) -> None:
    # The same outlines under another name: what matters is that the folder is read.
    ours = Path(str(files("font_source_sans_pro"))) / "files" / "SourceSansPro-Light.ttf"
    (tmp_path / "Extra.ttf").write_bytes(ours.read_bytes())
    settings = DocumentSettings(fonts_dir=tmp_path)
    pdf = made(meeting(), DocumentFormat.PDF, Kind.SUMMARY, settings=settings)
    assert "15 janvier" in " ".join(page_texts(pdf))
    (tmp_path / "Broken.ttf").write_bytes(b"no font")
    with pytest.raises(SettingsInvalid, match=r"Broken\.ttf"):
        made(meeting(), DocumentFormat.PDF, Kind.SUMMARY, settings=settings)


def test_a_message_longer_than_a_page_is_drawn_whole() -> None:
    words = " ".join(f"mot{number}" for number in range(2500))
    state = minuted([("Alpha", "fr", words)])
    pages = page_texts(made(state, DocumentFormat.PDF, Kind.MAIN_COURANTE))
    assert len(pages) > 2
    assert "mot2499" in pages[-1].replace(" ", "")
    assert all(f"mot{number}" in " ".join(pages).replace(" ", "") for number in (1, 777, 1500))


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_radio_log_as_csv_runs_nothing_in_a_spreadsheet(language: str) -> None:
    bombs = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "  =1", "\t=1", 'a";"=1', "|x", "%x"]
    said: list[Said] = [(bomb, language, bomb) for bomb in bombs]
    text = made(minuted(said, language=language), DocumentFormat.CSV, Kind.MAIN_COURANTE).decode(
        "utf-8-sig"
    )
    delimiter = ";" if language == "fr" else ","
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    assert len(rows) == len(bombs) + 1
    assert all(len(row) == 6 for row in rows)
    for row in rows[1:]:
        assert not any(cell.lstrip().startswith(tuple("=+-@|%\t")) for cell in row)
    assert rows[0][0] == ("N°" if language == "fr" else "No.")
