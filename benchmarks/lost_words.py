"""Words that were said and left out, told from words that are only written otherwise (pure).

The deletions of a word error rate count both: "quatorze heures" read as "14h" is one deletion and
nothing was lost. Here numbers and their units are brought to one writing first, and a word is lost
only where its letters are missing, not where they stand in another word.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import jiwer

from benchmarks.accuracy import normalise
from greffier_server.core.numerals import find_numerals, fold

__all__ = ["lost_words"]

_SIGNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "fr": MappingProxyType({"h": "heures", "%": "pour cent", "€": "euros", "n°": "numero"}),
        "en": MappingProxyType({"%": "percent", "€": "euros"}),
    }
)
"""Signs of units beside numbers, as they are said."""
_ELIDED = re.compile(r"\b([a-z]|qu)['’](?=\w)", re.IGNORECASE)
"""An article or pronoun of one letter is of the word behind it ("d'essais")."""
_AGREEING = 0.5
"""A run of words of which this share of the letters is in other words was misheard, not left
out."""
_LONGEST_RUN = 4
"""Words that are compared as one."""


def lost_words(reference: str, text: str, *, language: str) -> int:
    """Words of `reference` that `text` leaves out.

    Both are aligned as for a word error rate. Where they differ, runs of up to four words stand for
    each other when at least half of their letters agree ("Rennes depuis lundi", "hennepilandie");
    a word against another one was misheard. What is left on the side of the reference was lost.

    Args:
        reference: what was said.
        text: what was written.
        language: ISO 639-1, or ``auto``; numbers in words are read in French and English.
    """
    said = _spoken_form(reference, language)
    written = _spoken_form(text, language)
    if not said:
        return 0
    if not written:
        return len(said)
    aligned = jiwer.process_words(" ".join(said), " ".join(written)).alignments[0]
    lost = 0
    missing: list[str] = []
    other: list[str] = []
    for chunk in aligned:
        if chunk.type == "equal":
            lost += _left_out(missing, other)
            missing, other = [], []
        else:
            missing += said[chunk.ref_start_idx : chunk.ref_end_idx]
            other += written[chunk.hyp_start_idx : chunk.hyp_end_idx]
    return lost + _left_out(missing, other)


def _spoken_form(text: str, language: str) -> list[str]:
    """Words without case, accents and punctuation, numbers in digits, signs of units as words."""
    for code in ("fr", "en") if language == "auto" else (language,):
        for sign, word in _SIGNS.get(code, {}).items():
            end = r"\b" if sign.isalpha() else ""
            found = rf"(\d)\s*{re.escape(sign)}{end}"
            text = re.sub(found, rf"\1 {word} ", text, flags=re.IGNORECASE)
        if language != "en":  # English numbers are written in digits by its normaliser
            text = _ELIDED.sub(r"\1", _in_digits(text, code))
    return fold(normalise(text, language)).split()


def _in_digits(text: str, language: str) -> str:
    parts: list[str] = []
    at = 0
    for numeral in find_numerals(text, language):
        parts += [text[at : numeral.start], f" {format(numeral.value.normalize(), 'f')} "]
        at = numeral.end
    return "".join([*parts, text[at:]])


def _left_out(said: Sequence[str], written: Sequence[str]) -> int:
    """Words of `said` for which `written` has nothing, where the two differ.

    Of all ways to lay one beside the other, the one with the fewest letters that differ; of equals,
    the one that loses most.
    """
    # From the end: letters that differ from here on, and words left out, counted downwards.
    behind = [(sum(map(len, written[other:])), 0) for other in range(len(written) + 1)]
    rows = [behind]
    for first in reversed(range(len(said))):
        row = [(0, 0)] * (len(written) + 1)
        for other in reversed(range(len(written) + 1)):
            differing, lost = rows[0][other]
            found = [(differing + len(said[first]), lost - 1)]
            if other < len(written):
                differing, lost = row[other + 1]
                found.append((differing + len(written[other]), lost))
                found += _as_other_words(said, written, first, other, rows)
            row[other] = min(found)
        rows = [row, *rows[: _LONGEST_RUN - 1]]
    return -rows[0][0][1]


def _as_other_words(
    said: Sequence[str],
    written: Sequence[str],
    first: int,
    other: int,
    rows: Sequence[Sequence[tuple[int, int]]],
) -> Iterator[tuple[int, int]]:
    """What it comes to when words of both from here on stand for each other."""
    for count in range(1, min(_LONGEST_RUN, len(said) - first) + 1):
        run = "".join(said[first : first + count])
        for others in range(1, min(_LONGEST_RUN, len(written) - other) + 1):
            against = "".join(written[other : other + others])
            single = count == others == 1
            longer = max(len(run), len(against))
            if not single and min(len(run), len(against)) < _AGREEING * longer:
                continue
            edits = _edits(run, against)
            if single or 1 - edits / longer >= _AGREEING:
                differing, lost = rows[count - 1][other + others]
                yield differing + edits, lost


def _edits(one: str, other: str) -> int:
    """Letters to insert, remove or change to turn one text into the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        before, row[0] = row[0], place
        for index, against in enumerate(other, start=1):
            before, row[index] = (
                row[index],
                min(row[index] + 1, row[index - 1] + 1, before + (letter != against)),
            )
    return row[-1]
