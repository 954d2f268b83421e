"""Glossaries for measurements, and what is counted as found, lost and invented."""

from pathlib import Path

import pytest

from benchmarks.corpora import Recording
from benchmarks.terms import (
    Lexicon,
    TermCounts,
    count_term,
    glossary_of,
    load_lexicons,
    weigh_terms,
)

pytestmark = pytest.mark.unit

RECORDING = Recording("r/1", Path("r.flac"), "fr", 9_000, "Ici Privas, le CODIS d'Aubenas.", "r")


def test_terms_are_counted_as_whole_words_without_case_or_elision():
    assert count_term("Aubenas", "d'aubenas et Aubenas-ville", language="fr") == 2
    assert count_term("Privas", "Privasse", language="fr") == 0
    assert count_term("salle Voltaire", "la salle Voltaire, salle voltaire", language="fr") == 2
    assert count_term("🎉", "🎉", language="fr") == 0


def test_a_glossary_has_what_is_said_and_fills_up_with_what_is_not():
    lexicon = Lexicon(("Privas", "Aubenas", "Nunavut"), ("Quimper", "Valence"))
    glossary = glossary_of(RECORDING, lexicon, size=4)
    assert len(glossary) == 4
    assert {"Privas", "Aubenas"} <= set(glossary)
    assert glossary == glossary_of(RECORDING, lexicon, size=4)
    assert len(glossary_of(RECORDING, lexicon, size=300)) == 300


def test_found_recovered_lost_and_invented():
    counts = weigh_terms(
        ["Privas", "CODIS", "Aubenas", "Quimper"],
        reference=RECORDING.text,
        before="Ici Privas, le codi d'Aubenas.",
        text="Ici Privat, le CODIS d'Aubenas à Quimper.",
        language="fr",
    )
    assert counts == TermCounts(
        said=3, found=2, missed_before=1, recovered=1, lost=1, false_inserts=1
    )
    assert counts + counts == TermCounts(6, 4, 2, 2, 2, 2)


def test_no_term_is_in_both_lists():
    for lexicon in load_lexicons().values():
        assert not set(lexicon.said) & set(lexicon.others)
        assert len(set(lexicon.said)) == len(lexicon.said)
