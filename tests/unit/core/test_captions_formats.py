"""ASS and TTML, read back by other people's readers."""

import pysubs2
import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.captions_ass import to_ass
from greffier_server.core.captions_ttml import to_ttml
from greffier_server.core.events import (
    GapFound,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.state import SessionState
from tests.support.foreign_readers import imsc_document, xml_tree
from tests.support.meetings import spoken, started
from tests.support.minuted import state_of

pytestmark = pytest.mark.unit

HOSTILE = " {\\an8\\fs200}<br/>&lt;]]>\x00\\N--> </p>"


def scene() -> SessionState:
    return state_of(started(), *spoken("meeting-fr"), GapFound(62_000, 65_500, "connection lost"))


def hostile() -> SessionState:
    return state_of(
        SessionStarted(
            AudioFormat(channels=2), "fr", channels="separate", speakers=("<E,v;e>{b}", "Bob")
        ),
        SegmentOpened(1, 0, "fr", "<E,v;e>{b}", channel=1),
        WordsCommitted(1, (Word(HOSTILE, 0, 2000, 0.9),)),
        SegmentClosed(1, 0, 2000),
        SegmentTranslated(1, "en", "Hello {there}"),
    )


def test_ass_is_read_by_pysubs2() -> None:
    subs = pysubs2.SSAFile.from_string(to_ass(scene()), format_="ass")
    assert subs.info["ScriptType"] == "v4.00+"
    text = " ".join(event.plaintext.replace("\n", " ") for event in subs)
    assert "repousser la mise en service" in text
    assert "[gap 3.5 s: connection lost]" in text
    assert all(0 <= event.start < event.end for event in subs)


def test_nothing_spoken_becomes_a_command_of_ass() -> None:
    (event,) = pysubs2.SSAFile.from_string(to_ass(hostile()), format_="ass")
    assert "{" not in event.text.replace(r"\N", "")
    assert "an8" in event.plaintext
    assert event.name.startswith("<E v e>")
    (translated,) = pysubs2.SSAFile.from_string(to_ass(hostile(), "en"), format_="ass")
    assert "Hello ｛there｝" in translated.plaintext
    assert to_ass(SessionState()).rstrip().endswith("Text")


def test_ttml_is_read_by_an_imsc_reader() -> None:
    root = xml_tree(to_ttml(scene()).encode())
    assert root.get("{http://www.w3.org/ns/ttml#parameter}contentProfiles") == (
        "http://www.w3.org/ns/ttml/profile/imsc1.1/text"
    )
    document = imsc_document(to_ttml(scene()))
    assert document.get_lang() == "fr"
    elements = list(document.get_body().dfs_iterator())
    paragraphs = [element for element in elements if type(element).__name__ == "P"]
    assert len(paragraphs) > 30
    assert all(p.get_begin() < p.get_end() for p in paragraphs)


def test_nothing_spoken_becomes_markup_of_ttml() -> None:
    root = xml_tree(to_ttml(hostile()).encode())
    space = "{http://www.w3.org/ns/ttml}"
    (paragraph,) = root.iter(f"{space}p")
    assert "</p>" in "".join(paragraph.itertext())
    assert {child.tag for child in paragraph.iter()} <= {f"{space}p", f"{space}span", f"{space}br"}
    assert "<E,v;e>{b}" in "".join(root.itertext())
    assert xml_tree(to_ttml(SessionState()).encode()).tag == f"{space}tt"
