"""What is said on every radio net: the spelling alphabet and words of procedure.

A session whose profile is ``radio`` expects them like the terms of a glossary: they replace what
sounds like them where the audio bears it out, and nowhere else. Sources: ICAO Annex 10, volume II,
chapter 5 (the alphabet, words and phrases); ACP 125(G), chapter 6 (prowords).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from greffier_server.core.speech import PROFILES, SpeechSettings

__all__ = ["expected_words", "radio_vocabulary"]

_TERMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "en": (
            *("Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India"),
            *("Juliett", "Kilo", "Lima", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra"),
            *("Tango", "Uniform", "Victor", "Whiskey", "X-ray", "Yankee", "Zulu"),
            *("roger", "wilco", "mayday", "affirmative", "read back", "say again"),
        ),
        "fr": (
            *("Alpha", "Bravo", "Charlie", "Delta", "Écho", "Foxtrot", "Golf", "Hôtel", "India"),
            *("Juliette", "Kilo", "Lima", "Novembre", "Oscar", "Papa", "Québec", "Roméo", "Sierra"),
            *("Tango", "Uniforme", "Victor", "Whisky", "X-ray", "Yankee", "Zoulou"),
            *("collationnez", "mayday", "affirmatif", "négatif"),
        ),
    }
)


def radio_vocabulary(languages: Iterable[str]) -> tuple[str, ...]:
    """The terms of these languages, each once; nothing for a language that has no list."""
    terms = {term.casefold(): term for code in languages for term in _TERMS.get(code, ())}
    return tuple(terms.values())


def expected_words(speech: SpeechSettings, languages: Iterable[str]) -> tuple[str, ...]:
    """What is expected where voice is looked for so: a radio's words on the radio, else nothing."""
    return radio_vocabulary(languages) if speech == PROFILES["radio"] else ()
