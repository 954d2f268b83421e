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
    paragraphs: Sequence[Paragraph], language: str = "", *, most: int = MAX_DOCUMENT_TERMS
) -> tuple[GlossaryTerm, ...]:
    """Return the terms of a document in `language`, the most frequent first.

    Names that French and English write differently (*Londres*, *ONU*) are listened for, and not
    kept in translations.
    """
    lines = [
        _Line.of(one.text, titles=language != "fr")
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
    def of(cls, text: str, *, titles: bool) -> "_Line":
        words: list[_Word] = []
        end = 0
        for match in _WORD.finditer(text):
            gap = text[end : match.start()]
            begins = not words or bool(re.search(r"[.!?…:;•|\n«“\"]", gap))
            words.append(_Word(match.group(), begins, gap))
            end = match.end()
        long = [word for word in words if len(word.text) > 3]
        capitals = sum(word.capital for word in long)
        sentence = text.rstrip()[-1:] in ".!?;:"
        titled = titles and not sentence and len(long) > 1 and capitals > 0.6 * len(long)
        return cls(tuple(words), titled)

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
            name = self._name(word, sure)
            if joins and (_links(run[-1], word) or (name and _belongs(run, word))):
                run.append(word)
                continue
            found += _joined(run)
            run = [word] if name else []
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


def _links(last: _Word, word: _Word) -> bool:
    """Whether `word` may stand inside a name, behind `last`: *Port of Larne*."""
    folded = fold(word.text)
    if word.capital or _is_abbreviation(last.text):
        return False
    return folded in _PARTICLES or (folded in _ARTICLES and fold(last.text) in _PARTICLES)


def _belongs(run: Sequence[_Word], word: _Word) -> bool:
    """Whether a name goes on with `word`; an abbreviation is a name by itself."""
    return not (_is_abbreviation(word.text) or _is_abbreviation(run[-1].text))


def _joined(run: Sequence[_Word]) -> list[str]:
    """Return a name, and those of its words that may be said alone."""
    while run and not run[-1].capital:
        run = run[:-1]
    names = [word for word in run if word.capital]
    if not run or len(names) > _MOST_WORDS:
        return []
    text = run[0].text + "".join(word.gap + word.text for word in run[1:])
    alone = [word.text for word in names if len(names) > 1 and _is_said_alone(word.text)]
    return [" ".join(text.split()), *alone]


def _is_said_alone(word: str) -> bool:
    folded = fold(word)
    return len(word) > _LEAST_CHARS and folded not in FIRST_NAMES and folded not in NO_NAMES


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


_WORD = re.compile(r"(?<!\w)(?:O['’](?=[A-Z]))?[^\W\d_][^\W_]*(?:-[^\W_]+)*")
_PARTICLES = word_set("de du des d von van der den of da di del dos")
_ARTICLES = word_set("la le les l the")
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
