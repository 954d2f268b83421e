"""Spelling alphabets as letters: ICAO in French and English spelling, and the French one.

Sources: ICAO Annex 10, volume II, chapter 5 (the same words as ITU and NATO); the French words are
those of the former postal and railway alphabet, still heard on French nets. All accent-folded.
"""

from collections.abc import Mapping
from types import MappingProxyType

from greffier_server.core.languages import word_set

__all__ = ["FIRST_NAME_LETTERS", "ICAO_LETTERS"]

ICAO_LETTERS: Mapping[str, str] = MappingProxyType(
    {
        word: word[0].upper()
        for word in word_set(
            "alpha alfa bravo charlie delta echo fox foxtrot golf hotel india juliet juliett "
            "juliette kilo lima mike november novembre oscar papa quebec romeo sierra tango "
            "uniform uniforme victor whiskey whisky xray yankee zulu zoulou"
        )
    }
)
"""Words of the radiotelephony alphabet, as both languages write them."""

FIRST_NAME_LETTERS: Mapping[str, str] = MappingProxyType(
    {
        word: word[0].upper()
        for word in word_set(
            "anatole berthe celestin desire eugene francois gaston henri irma joseph kleber louis "
            "marcel nicolas oscar pierre quintal raoul suzanne therese ursule victor william "
            "xavier yvonne zoe"
        )
    }
)
"""Words of the French alphabet; people have these names, too, so one alone spells nothing."""
