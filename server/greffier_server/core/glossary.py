"""Glossaries: which terms may be in one, how two are merged, what a translation must have."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greffier.protocol import GlossaryTerm
from greffier_server.core.languages import canonical
from greffier_server.core.numerals import fold

__all__ = [
    "MAX_TERMS",
    "MAX_TERM_CHARS",
    "GlossaryFault",
    "Wanted",
    "checked",
    "merged",
    "missed_terms",
    "term_key",
    "wanted_terms",
    "with_terms",
]

MAX_TERMS = 2_000
MAX_TERM_CHARS = 200
_MAX_FORMS = 20
"""Variants, and pronunciations, of one term."""
_MAX_LANGUAGES = 32
_ENDING = 3
"""Letters by which an inflected word may be longer than the term's."""


class GlossaryFault(ValueError):
    """A term, or a whole glossary, cannot be used; the message never repeats its content."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A term that was said, and what a translation must have for it."""

    said: str
    """As the glossary writes it."""
    written: str
    """In the language of the translation."""


def checked(term: GlossaryTerm) -> GlossaryTerm:
    """Return `term` with single spaces, single language codes, and nothing twice.

    Raises:
        GlossaryFault: it is empty, too long, or names a language that is none.
    """
    language = _code(term.language) if term.language else ""
    if len(term.translations) > _MAX_LANGUAGES:
        raise GlossaryFault(f"a term has at most {_MAX_LANGUAGES} translations")
    written = _text(term.term)
    translations = {
        _code(code): _text(text) for code, text in term.translations.items() if text.strip()
    }
    translations.pop(language, None)
    return GlossaryTerm(
        written,
        translations,
        variants=_forms(term.variants, without=written),
        do_not_translate=term.do_not_translate,
        pronunciation=_forms(term.pronunciation),
        language=language,
    )


def term_key(term: GlossaryTerm) -> tuple[str, str]:
    """What makes two terms the same: spelling (in any case) and language."""
    return " ".join(term.term.split()).casefold(), term.language


def merged(
    own: Sequence[GlossaryTerm], shared: Iterable[GlossaryTerm], *, most: int = MAX_TERMS
) -> tuple[GlossaryTerm, ...]:
    """Return a session's `own` terms, then the tenant's `shared` ones that it does not redefine."""
    known: dict[str, set[str]] = {}
    for term in own:
        spelling, language = term_key(term)
        known.setdefault(spelling, set()).add(language)
    terms = list(own)
    for term in shared:
        spelling, language = term_key(term)
        languages = known.get(spelling, set[str]())
        redefined = bool(languages) and (not language or bool(languages & {"", language}))
        if not redefined and len(terms) < most:
            terms.append(term)
    return tuple(terms)


def wanted_terms(
    text: str, source: str, target: str, glossary: Iterable[GlossaryTerm]
) -> list[Wanted]:
    """Return what the terms said in `text` are to be in a translation from `source` to `target`.

    Of terms that lie within each other, the longest counts (*poste de commandement*, not *poste*).
    """
    folded = fold(text)
    found: list[tuple[int, int, Wanted]] = []
    for term in glossary:
        rendering = _rendering(term, source, target)
        if rendering is None:
            continue
        forms, written = rendering
        places = [place for form in forms for place in _places(form, folded)]
        found += [(start, end, Wanted(term.term, written)) for start, end in places]
    chosen: dict[Wanted, None] = {}
    for start, end, wanted in found:
        within = any(
            first <= start and end <= last and (first, last) != (start, end)
            for first, last, _ in found
        )
        if not within:
            chosen[wanted] = None
    return list(chosen)


def missed_terms(wanted: Iterable[Wanted], answer: str) -> list[Wanted]:
    """Return the wanted terms that a translation does not have."""
    folded = fold(answer)
    return [term for term in wanted if not _places(term.written, folded)]


def with_terms(text: str, source: str, target: str, glossary: Sequence[GlossaryTerm]) -> str:
    """Return `text` with the terms said in it as the translation is to have them.

    Small models carry over what stands in the sentence where they pass over a rule about it.
    """
    folded = fold(text)
    if len(folded) != len(text):
        return text
    places: dict[tuple[int, int], str] = {}
    for term in glossary:
        rendering = _rendering(term, source, target)
        if rendering is not None:
            forms, written = rendering
            places |= {place: written for form in forms for place in _places(form, folded)}
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(places, key=lambda place: (place[0], -place[1])):
        if start >= end:
            pieces += [text[end:start], places[start, stop]]
            end = stop
    return "".join([*pieces, text[end:]])


def _rendering(term: GlossaryTerm, source: str, target: str) -> tuple[list[str], str] | None:
    """The forms to look for in the source, and what they are in the target; None: no matter."""
    forms = [term.term, *term.variants]
    if not term.language or term.language == source:
        if target in term.translations:
            return forms, term.translations[target]
        return (forms, term.term) if term.do_not_translate else None
    if term.language == target and source in term.translations:
        return [term.translations[source]], term.term
    return (forms, term.term) if term.do_not_translate else None


def _places(form: str, folded: str) -> list[tuple[int, int]]:
    """Where `form` stands in a folded text, its words inflected or not."""
    words = _WORD.findall(fold(form))
    if not words or words[0][:3] not in folded:  # of thousands of terms, few need a pattern
        return []
    pattern = r"[\s\-‑'’.]{1,3}".join(_stem(word) for word in words)
    return [match.span() for match in re.finditer(rf"(?<!\w){pattern}(?!\w)", folded)]


_WORD = re.compile(r"\w+")


def _stem(word: str) -> str:
    """A pattern for a word and its endings; abbreviations and short words have none."""
    if len(word) < 4 or not word.isalpha():
        return re.escape(word) + "(?:e?s)?"
    bare = re.sub(r"(?:es|s|x|e|y|al|aux)$", "", word) if len(word) > 4 else word
    return re.escape(bare) + rf"\w{{0,{_ENDING}}}"


def _text(text: str) -> str:
    tidy = " ".join(text.split())
    if not tidy or len(tidy) > MAX_TERM_CHARS:
        raise GlossaryFault(f"a term has 1 to {MAX_TERM_CHARS} characters")
    if not tidy.isprintable():
        raise GlossaryFault("a term has characters that no text shows")
    return tidy


def _forms(forms: Iterable[str], *, without: str = "") -> tuple[str, ...]:
    tidy = dict.fromkeys(_text(form) for form in forms if form.strip())
    tidy.pop(without, None)
    if len(tidy) > _MAX_FORMS:
        raise GlossaryFault(f"a term has at most {_MAX_FORMS} variants or pronunciations")
    return tuple(tidy)


def _code(code: str) -> str:
    known = canonical(code)
    if known is None:
        raise GlossaryFault("a language is not an ISO 639-1 code such as fr")
    return known
