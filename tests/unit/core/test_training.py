"""What models can learn from editors: of words, translations, names and minutes."""

import pytest

from greffier.protocol import CorrectionTarget, Minutes, MinutesItem
from greffier_server.core.events import Corrected, MinutesWritten, SegmentTranslated
from greffier_server.core.state import SessionState
from greffier_server.core.training import (
    minutes_pairs,
    proposals,
    speaker_pairs,
    translation_pairs,
)
from tests.support.meetings import spoken, started
from tests.support.minuted import state_of

pytestmark = pytest.mark.unit


def corrected(*corrections: tuple[CorrectionTarget, str, str]) -> SessionState:
    minutes = Minutes(0, "fr", "T", decisions=(MinutesItem("Le vote aura lieu.", (1,), True),))
    return state_of(
        started(),
        *spoken([("1", "fr", "Madame Dupond demande un devis.")]),
        SegmentTranslated(1, "en", "Mrs Dupon asks for a quote."),
        MinutesWritten(minutes),
        *[Corrected("Eva", target, old, new) for target, old, new in corrections],
    )


TRANSLATION = CorrectionTarget("translation", segment=1, language="en")
SENTENCE = CorrectionTarget("minutes", minutes=1, section="decisions", item=0)
SPEAKER = CorrectionTarget("speaker", speaker="1")


def test_a_translation_gives_source_before_and_after() -> None:
    state = corrected(
        (TRANSLATION, "Mrs Dupon asks for a quote.", "Mrs Dupond asks for a quote."),
    )
    (pair,) = translation_pairs(state)
    assert pair.source == "Madame Dupond demande un devis."
    assert (pair.translated, pair.corrected) == (
        "Mrs Dupon asks for a quote.",
        "Mrs Dupond asks for a quote.",
    )
    assert (pair.source_language, pair.language, pair.segment) == ("fr", "en", 1)


def test_a_sentence_of_minutes_edited_twice_is_one_pair() -> None:
    state = corrected(
        (SENTENCE, "Le vote aura lieu.", "Le vote a lieu."),
        (SENTENCE, "Le vote a lieu.", "Le vote a eu lieu."),
    )
    (pair,) = minutes_pairs(state)
    assert (pair.written, pair.corrected, pair.cites) == (
        "Le vote aura lieu.",
        "Le vote a eu lieu.",
        (1,),
    )
    assert pair.language == "fr"


def test_what_was_put_back_teaches_nothing() -> None:
    state = corrected(
        (SENTENCE, "Le vote aura lieu.", "Non."),
        (SENTENCE, "Non.", "Le vote aura lieu."),
    )
    assert minutes_pairs(state) == []
    assert translation_pairs(state) == speaker_pairs(state) == []


def test_a_speaker_who_got_a_name() -> None:
    (pair,) = speaker_pairs(corrected((SPEAKER, "1", "Claire Valbonnais")))
    assert (pair.segment, pair.recognised, pair.corrected) == (0, "1", "Claire Valbonnais")


def test_every_kind_of_correction_can_give_a_term() -> None:
    state = corrected(
        (TRANSLATION, "Mrs Dupon asks for a quote.", "Mrs Dupond asks for a quote."),
        (SENTENCE, "Le vote aura lieu.", "Le vote Hermès aura lieu à Privas."),
        (SENTENCE, "Le vote Hermès aura lieu à Privas.", "Le vote Hermes aura lieu à Aubenas."),
        (SPEAKER, "1", "Claire Valbonnais"),
    )
    found = {(one.kind, one.term, one.heard) for one in proposals([("s", state)])}
    assert ("translation", "Dupond", "Dupon") in found
    assert ("minutes", "Aubenas", "Privas") in found
    assert ("speaker", "Claire Valbonnais", "") in found
