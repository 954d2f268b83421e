"""Names and abbreviations of a document, to be listened for and kept in translations (pure).

Only what is written as a name becomes a term: a capital in the middle of a sentence, a common first
name, an abbreviation in capitals. Nothing else of a document reaches a prompt, so that a sentence
in it, whatever it orders, stays in the document.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from greffier.protocol import GlossaryTerm
from greffier_server.core.document_events import DocumentAttached, Paragraph
from greffier_server.core.glossary import merged
from greffier_server.core.languages import word_set
from greffier_server.core.name_words import EXONYMS, FIRST_NAMES, NO_NAMES
from greffier_server.core.numerals import fold
from greffier_server.core.spoken_orders import orders_the_clerk

__all__ = ["MAX_DOCUMENT_TERMS", "document_terms", "session_glossary"]

MAX_DOCUMENT_TERMS = 200
_MOST_WORDS = 4
_LEAST_CHARS = 3
_MOST_CHARS = 60


def document_terms(
    paragraphs: Sequence[Paragraph], *, most: int = MAX_DOCUMENT_TERMS
) -> tuple[GlossaryTerm, ...]:
    """Return the terms of a document, the most frequent first.

    Names that French and English write differently (*Londres*, *ONU*) are listened for, and not
    kept in translations.
    """
    lines = [
        _Line.of(one.text)
        for one in paragraphs
        if not orders_the_clerk(one.text) and not one.text.isupper()
    ]
    sure = {fold(word) for line in lines for word in line.sure_words()}
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.names(sure))
    spellings = _spellings(counts)
    return tuple(_term(name) for name in spellings[:most])


def session_glossary(
    own: Sequence[GlossaryTerm], documents: Sequence[DocumentAttached]
) -> tuple[GlossaryTerm, ...]:
    """Return a session's terms: its own and its tenant's win over those of its documents."""
    terms = tuple(own)
    for document in documents:
        terms = merged(terms, document.terms)
    return terms


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    begins: bool
    """A sentence begins with it."""
    gap: str
    """What stands before it."""

    @property
    def capital(self) -> bool:
        return self.text[0].isupper()


@dataclass(frozen=True, slots=True)
class _Line:
    """A paragraph, word by word."""

    words: tuple[_Word, ...]
    titled: bool
    """Written with capitals throughout, as English headings are: they tell nothing there."""

    @classmethod
    def of(cls, text: str) -> "_Line":
        words: list[_Word] = []
        end = 0
        for match in _WORD.finditer(text):
            gap = text[end : match.start()]
            begins = not words or bool(re.search(r"[.!?…:;•|\n«“\"]", gap))
            words.append(_Word(match.group(), begins, gap))
            end = match.end()
        long = [word for word in words if len(word.text) > 3]
        capitals = sum(word.capital for word in long)
        return cls(tuple(words), titled=len(long) > 1 and capitals > 0.6 * len(long))

    def sure_words(self) -> list[str]:
        """Words that are names by themselves, wherever they stand."""
        return [word.text for word in self.words if self._sure(word)]

    def names(self, sure: set[str]) -> list[str]:
        """Names as they stand here, words that belong together joined.

        Args:
            sure: words that the document shows to be names.
        """
        found: list[str] = []
        run: list[_Word] = []
        for word in self.words:
            joins = bool(run) and word.gap in (" ", "\u00a0", "-", "’", "'")
            if joins and fold(word.text) in _PARTICLES and not word.capital:
                run.append(word)
            elif self._name(word, sure) and (joins or not run):
                run.append(word)
            else:
                found += _joined(run)
                run = [word] if self._name(word, sure) else []
        return [*found, *_joined(run)]

    def _sure(self, word: _Word) -> bool:
        folded = fold(word.text)
        if not word.capital or folded in NO_NAMES or folded in _COMMON:
            return False
        if _is_abbreviation(word.text) or folded in FIRST_NAMES:
            return True
        return not word.begins and not self.titled and len(word.text) > 2

    def _name(self, word: _Word, sure: set[str]) -> bool:
        return self._sure(word) or (word.capital and fold(word.text) in sure)


def _is_abbreviation(word: str) -> bool:
    capitals = sum(char.isupper() for char in word)
    letters = sum(char.isalpha() for char in word)
    return capitals >= 2 and letters <= 10 and capitals * 2 > letters and "-" not in word


def _joined(run: Sequence[_Word]) -> list[str]:
    while run and fold(run[-1].text) in _PARTICLES and not run[-1].capital:
        run = run[:-1]
    if not run or len(run) > _MOST_WORDS + sum(not word.capital for word in run):
        return []
    text = run[0].text + "".join(word.gap + word.text for word in run[1:])
    return [" ".join(text.split())]


def _spellings(counts: Counter[str]) -> list[str]:
    """Each name once, in its most frequent spelling; parts of a longer one are not repeated."""
    best: dict[str, str] = {}
    totals: Counter[str] = Counter()
    for name, count in counts.items():
        key = fold(name)
        totals[key] += count
        if key not in best or count > counts[best[key]]:
            best[key] = name
    order = {key: place for place, key in enumerate(totals)}
    fitting = [
        key
        for key in totals
        if _LEAST_CHARS <= len(key) <= _MOST_CHARS or _is_abbreviation(best[key])
    ]
    return [best[key] for key in sorted(fitting, key=lambda key: (-totals[key], order[key]))]


def _term(name: str) -> GlossaryTerm:
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", fold(name))
    translated = any(word in EXONYMS for word in words)
    return GlossaryTerm(name, do_not_translate=not translated)


_WORD = re.compile(r"(?<!\w)[^\W\d_][^\W_]*(?:-[^\W_]+)*")
_PARTICLES = word_set("de du des d la le les von van der den of the bin ben al el da di dos y et")
_COMMON = word_set(
    "le la les un une des ce cette il elle ils elles on nous vous je tu et ou mais donc or ni car "
    "pour par avec sans dans sur sous en au aux du de si que qui quand comme the a an this that "
    "these those and or but for with without in on at by to of if when as it he she they we you i "
    "pdf docx tel fax nb ps pj cf rdv ref ok vs etc art al page annexe annex objet object subject "
    "note memo ordre jour agenda point points item items question questions sujet divers reunion "
    "seance meeting date lieu heure budget rapport report approbation approval compte rendu "
    "minutes introduction conclusion presentation bilan avis decision decisions action actions "
    "proces-verbal tous tout toutes toute all any other others autres autre"
)
"""Words of papers that begin with a capital at will, and words of grammar."""
