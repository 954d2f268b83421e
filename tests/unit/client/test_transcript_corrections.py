"""What a client makes of corrections as they come."""

import pytest

from greffier.protocol import (
    Caption,
    CaptionWord,
    Correction,
    CorrectionTarget,
    Speaker,
    Translation,
)
from greffier.transcript import Transcript

pytestmark = pytest.mark.unit


def _caption(segment: int, text: str, start_ms: int = 0, speaker: str | None = None) -> Caption:
    words = tuple(
        CaptionWord(f" {word}", start_ms + 300 * n, start_ms + 300 * n + 200, 0.9)
        for n, word in enumerate(text.split())
    )
    committed = "".join(word.text for word in words)
    return Caption(1, segment, start_ms, words[-1].end_ms, committed, "", words, speaker=speaker)


def _correct(target: CorrectionTarget, old: str, new: str) -> Correction:
    return Correction(9, 1_700_000_000_000, "A", target, old, new)


def test_words_are_corrected_and_the_segment_goes_on() -> None:
    told = Transcript([_caption(1, "le butget est")])
    told.add(_correct(CorrectionTarget("words", 1, 1, 2), "butget", "budget communal"))
    assert told.segments[1].text == " le budget communal est"
    told.add(_caption(1, "voté", 2_000))
    assert told.segments[1].text == " le budget communal est voté"
    assert [word.text for word in told.segments[1].words] == [" le", " butget", " est", " voté"]
    told.add(_correct(CorrectionTarget("words", 1, 0, 2), "le budget communal", ""))
    assert told.to_object()["segments"][0]["text"] == "est voté"
    assert len(told.corrections) == 2


def test_a_correction_of_the_second_reading_is_not_of_these_words() -> None:
    told = Transcript([_caption(1, "le butget")])
    told.add(_correct(CorrectionTarget("words", 1, 0, 1, reading=1), "la", "le"))
    told.add(_correct(CorrectionTarget("words", 7, 0, 1), "nowhere", "at all"))
    assert told.segments[1].text == " le butget"


def test_a_name_holds_for_what_is_said_later() -> None:
    told = Transcript([_caption(1, "oui", speaker="1"), _caption(2, "non", speaker="2")])
    told.add(_correct(CorrectionTarget("speaker", speaker="2"), "2", "M. Adjoint"))
    told.add(_caption(3, "si", speaker="2"))
    told.add(_correct(CorrectionTarget("speaker", 3, speaker="2"), "M. Adjoint", "Mme Élue"))
    told.add(_caption(3, "donc", 900, speaker="2"))
    assert [told.segments[n].speaker for n in (1, 2, 3)] == ["1", "M. Adjoint", "Mme Élue"]
    told.add(Speaker(5, 2, "1"))  # it was the first voice after all
    told.add(_correct(CorrectionTarget("speaker", speaker="1"), "1", "Maire"))
    assert [told.segments[n].speaker for n in (1, 2, 3)] == ["Maire", "Maire", "Mme Élue"]


def test_a_translation_is_corrected() -> None:
    told = Transcript([_caption(1, "oui"), Translation(2, 1, "en", "Yess", closed=True)])
    told.add(_correct(CorrectionTarget("translation", 1, language="en"), "Yess", "Yes"))
    assert told.segments[1].translations["en"].text == "Yes"
    assert told.to_object()["translations"]["en"][0]["text"] == "Yes"
