"""What an answer may rest on: the words of a question, and the segments that speak of them (pure).

A question is not what a person types into a search box: most of its words are in no answer. So
segments are ranked by how many of its words they hold, the rare ones counting most; a segment is
shown with its neighbours, because answers refer back (*it opens on the third*).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from greffier_server.core.claims import content_stems
from greffier_server.core.languages import word_set
from greffier_server.core.numerals import fold
from greffier_server.core.search import Query, terms
from greffier_server.core.spoken_orders import orders_the_clerk
from greffier_server.core.state import Segment

__all__ = [
    "MOST_SOURCES",
    "Source",
    "queries",
    "question_language",
    "question_words",
    "rank",
    "readable_in",
    "speaks_of",
    "topics",
    "unheard",
]

MOST_SOURCES = 24
"""Segments that one question is put with: more make a small model lose its way."""

_BEST = 9
"""Segments chosen by their words; the rest of `MOST_SOURCES` are their neighbours."""
_MOST_WORDS = 6
"""Of a question, that an index is asked for."""
_PREFIX = 4
"""Letters by which a word of a question and one that was said are taken for the same."""
_SHORT_PREFIX = 3
_NOUN_OF_VERB = re.compile(r"(?:ure|tion|sion|ment|age|ing)s?$")
"""Such nouns share three letters with their verb (*ouverture*, *ouvrir*)."""


@dataclass(frozen=True, slots=True)
class Source:
    """A segment, and where it is."""

    session: str
    segment: Segment
    around: str = ""
    """What was said just before and after, and the title of the session."""


def question_language(question: str, otherwise: str) -> str:
    """Return the language of a question: French or English where its words tell."""
    words = re.findall(r"[^\W\d_]+", fold(question))
    french, english = (sum(word in marks for word in words) for marks in (_FRENCH, _ENGLISH))
    if french == english:
        return otherwise
    return "fr" if french > english else "en"


def question_words(question: str, language: str) -> frozenset[str]:
    """Return the beginnings of the words that passages are looked for by; numbers as digits."""
    stems = {stem for stem in content_stems(question, language) if stem not in _ASKING}
    return frozenset(stems | set(re.findall(r"\d+", question)))


def queries(question: str, language: str) -> list[tuple[Query, Query]]:
    """Return what an index is asked for each word of `question`: the word, and its beginning.

    The long words come first. An encrypted index knows whole words alone.
    """
    words = {
        term.text
        for term in terms(question)
        if term.text.isdecimal() or content_stems(term.text, language) - _ASKING
    }
    return [
        (Query(((word,),)), Query(((word[:5],),), open_ended=True))
        for word in sorted(words, key=lambda one: (-len(one), one))[:_MOST_WORDS]
    ]


def topics(question: str, language: str) -> frozenset[str]:
    """Return the words that name what a question is about: *the pool*, *la piscine*, names.

    Where none of what was said has such a word, nothing that was said can be the answer.
    """
    found: set[str] = set()
    words = re.findall(r"[^\W_]+", question)
    articles = _ARTICLES.get(language, frozenset[str]())
    for at, word in enumerate(words):
        plain = fold(word)
        # French puts what matters behind articles, and names are capitals in both languages.
        named = at > 0 and word[:1].isupper() and len(word) > 2
        follows = at > 0 and fold(words[at - 1]) in articles and len(plain) > 3
        if (named or follows) and content_stems(word, "") and not _is_asking(plain):
            found.add(plain)
    return frozenset(found)


def unheard(question: str, language: str, sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the topics of `question` that no source speaks of, in order of the alphabet.

    None where the sources are in other languages than the question.
    """
    if sources and not any(readable_in(source.segment, language) for source in sources):
        return ()
    wanted = topics(question, language)
    heard = tuple({word for source in sources for word in _words(source)})
    return tuple(sorted(word for word in wanted if not _any_begins(heard, _beginning(word))))


def readable_in(segment: Segment, language: str) -> bool:
    """Whether a segment was said in `language`, or has been translated into it."""
    return segment.language == language or language in segment.translations


def speaks_of(source: Source, stems: frozenset[str]) -> bool:
    """Whether a source has one of `stems`, or all of them are in what is around it."""
    own = tuple(re.findall(r"[^\W_]+", fold(_text(source.segment))))
    if any(_any_begins(own, stem[:_SHORT_PREFIX]) for stem in stems):
        return True
    heard = tuple(set(_words(source)))
    return all(_any_begins(heard, stem[:_PREFIX]) for stem in stems)


def rank(
    stems: frozenset[str], sessions: Mapping[str, tuple[str, Sequence[Segment]]]
) -> list[Source]:
    """Return the sources that speak most of `stems`, in order of session and time.

    Args:
        stems: of the question (see `question_words`).
        sessions: by id, the title and the closed segments in order of time. What tells the writer
            what to write is left out.
    """
    every = [
        (session, at, _heard(title, segment))
        for session, (title, segments) in sessions.items()
        for at, segment in enumerate(segments)
    ]
    if len(every) <= MOST_SOURCES:
        return _sources({(session, at) for session, at, _ in every}, sessions)
    wanted = {stem[:_PREFIX] for stem in stems}
    known = {
        stem: math.log(1 + len(every) / count)
        for stem in wanted
        if (count := sum(stem in heard for _, _, heard in every))
    }
    scores = {
        (session, at): sum(weight for stem, weight in known.items() if stem in heard)
        for session, at, heard in every
    }
    blurred = {
        place: score + 0.3 * (scores.get((place[0], place[1] - 1), 0.0))
        for place, score in scores.items()
    }
    best = sorted((p for p in blurred if blurred[p] > 0), key=lambda p: (-blurred[p], p))[:_BEST]
    chosen: set[tuple[str, int]] = set(best)
    for session, at in best:
        for near in (at + 1, at - 1):
            if len(chosen) < MOST_SOURCES and 0 <= near < len(sessions[session][1]):
                chosen.add((session, near))
    return _sources(chosen, sessions)


def _sources(
    places: set[tuple[str, int]], sessions: Mapping[str, tuple[str, Sequence[Segment]]]
) -> list[Source]:
    found: list[Source] = []
    for session, at in sorted(places):
        title, segments = sessions[session]
        if not segments[at].text or orders_the_clerk(segments[at].text):
            continue
        near = [
            _text(one)
            for one in segments[max(0, at - 2) : at + 3]
            if not orders_the_clerk(one.text)
        ]
        found.append(Source(session, segments[at], " ".join([title, *near])))
    return found


def _heard(title: str, segment: Segment) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", fold(f"{title} {_text(segment)}"))
    return frozenset(word[:_PREFIX] for word in words)


def _text(segment: Segment) -> str:
    translated = " ".join(one.text for one in segment.translations.values())
    return f"{segment.speaker or ''} {segment.text} {translated}"


def _words(source: Source) -> list[str]:
    return re.findall(r"[^\W_]+", fold(f"{_text(source.segment)} {source.around}"))


def _beginning(word: str) -> str:
    return word[: _SHORT_PREFIX if _NOUN_OF_VERB.search(word) else _PREFIX]


def _any_begins(words: Iterable[str], beginning: str) -> bool:
    return any(word.startswith(beginning) for word in words)


def _is_asking(word: str) -> bool:
    return word in _ASKING or bool(content_stems(word, "") & _ASKING)


_ARTICLES = {
    "fr": word_set("le la les l un une du des au aux ce cette cet notre"),
    "en": word_set("the a an this our"),
}
_FRENCH = word_set(
    "le la les des du et est sont qui que quoi quel quelle quels quelles quand combien ou pourquoi "
    "comment nous vous il elle on une un au aux pour dans avec pas ne sur par a t ont"
)
_ENGLISH = word_set(
    "the of and to is are was were who what which when where why how many much did does do has "
    "have will we you they it for with not on by at our your"
)
_ASKING = content_stems(
    "quel quelle quels quelles lequel laquelle lesquels whose whom "
    "date dates jour jours heure heures moment montant montants somme nom noms prix cout couts "
    "cost costs price amount sum name names day days time times hour hours person people personne "
    "personnes decide decided decider decision decisions decidee action actions raison raisons "
    "reason reasons reunion seance meeting session dit said say parle spoke speak talk question "
    "questions chose choses thing things nombre number numbers lieu place endroit duree prevu "
    "prevue planned fixe fixee participants responsable charge resultat result suite compte "
    "rendu points point sujet sujets topic topics topic subject resume summary etat avis",
    "",
)
"""Words that say what kind of answer is wanted: they are in the question only."""
