"""Numbers in running text, in digits or spelled out in French and English, as values.

Eighteen thousand, 18,000, 18 000 and dix-huit mille are one value, so that a translation or a
sentence of minutes can be held against its source. Ordinals count as their number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from greffier_server.core.alphabets import ICAO_LETTERS

__all__ = ["SPELLED_LANGUAGES", "Numeral", "find_numerals", "fold", "join_digits"]


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number and the characters ``text[start:end]`` it was read from."""

    value: Decimal
    start: int
    end: int
    ordinal: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    """Folded; of an ordinal, the cardinal it is made from."""
    start: int
    end: int
    ordinal: bool = False


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    units: dict[str, int]
    """0 to 19 (French 16)."""
    tens: dict[str, int]
    hundred: frozenset[str]
    scales: dict[str, int]
    ordinals: dict[str, str]
    """Irregular ones, to their cardinal."""
    point: frozenset[str]


def _count(words: str, *, step: int = 1, start: int = 0) -> dict[str, int]:
    """Number words in order; alternatives share a number, with a slash between them."""
    return {
        word: step * value
        for value, group in enumerate(words.split(), start=start)
        for word in group.split("/")
    }


_ENGLISH = _Vocabulary(
    units=_count(
        "zero one two three four/fower five/fife six seven eight nine/niner ten eleven twelve "
        "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    ),
    tens=_count("twenty thirty forty fifty sixty seventy eighty ninety", step=10, start=2),
    hundred=frozenset({"hundred", "hundreds"}),
    scales={
        word + ending: value
        for word, value in (
            ("dozen", 12),
            ("thousand", 10**3),
            ("million", 10**6),
            ("billion", 10**9),
        )
        for ending in ("", "s")
    },
    ordinals={
        "first": "one",
        "third": "three",
        "fifth": "five",
        "eighth": "eight",
        "ninth": "nine",
        "twelfth": "twelve",
    },
    point=frozenset({"point", "decimal"}),
)
_FRENCH = _Vocabulary(
    units=_count(
        "zero un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze "
        "quinze seize"
    ),
    tens=_count("vingt/vingts trente quarante cinquante soixante", step=10, start=2)
    | {"septante": 70, "huitante": 80, "octante": 80, "nonante": 90},
    hundred=frozenset({"cent", "cents"}),
    scales={
        "mille": 10**3,
        "douzaine": 12,
        "douzaines": 12,
        "million": 10**6,
        "millions": 10**6,
        "milliard": 10**9,
        "milliards": 10**9,
    },
    ordinals={"premier": "un", "premiere": "un", "cinquieme": "cinq", "neuvieme": "neuf"},
    point=frozenset({"virgule", "decimale"}),
)
_NONE = _Vocabulary({}, {}, frozenset(), {}, {}, frozenset())
_VOCABULARIES = {"en": _ENGLISH, "fr": _FRENCH}

SPELLED_LANGUAGES = frozenset(_VOCABULARIES)
"""Languages whose number words are read."""

_SPACES = " \u00a0\u202f"
_TOKEN = re.compile(
    rf"(?P<digits>\d{{1,3}}(?:[{_SPACES}'’.,]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+[.,]\d+|\d+)"
    r"(?P<suffix>(?:st|nd|rd|th|er|ère|re|e|ème)\b)?|[^\W\d_]+",
    re.IGNORECASE,
)
_GROUPED = re.compile(rf"\d{{1,3}}(?:[{_SPACES}'’.,]\d{{3}})+")
_FOLD = str.maketrans(
    "àâäáãåçéèêëíìîïñóòôöõúùûüýÿÀÂÄÁÃÅÇÉÈÊËÍÌÎÏÑÓÒÔÖÕÚÙÛÜÝ",
    "aaaaaaceeeeiiiinooooouuuuyyAAAAAACEEEEIIIINOOOOOUUUUY",
)


def fold(text: str) -> str:
    """Return `text` in lower case and without the accents of Western European languages."""
    return text.translate(_FOLD).lower()


def find_numerals(text: str, language: str) -> list[Numeral]:
    """Return the numbers of `text` in order.

    Number words are read in French and English only. Three digits behind one separator are a
    group of thousands in every language (``18,000``); other separators are decimal.
    """
    vocabulary = _VOCABULARIES.get(language, _NONE)
    found: list[Numeral] = []
    for run in _runs(text, vocabulary):
        index = 0
        reader = _Reader(run, vocabulary)
        while index < len(run):
            value, after = reader.number(index)
            if after > index:
                ordinal = run[after - 1].ordinal
                found.append(Numeral(value, run[index].start, run[after - 1].end, ordinal))
            index = max(after, index + 1)
    return found


def join_digits(text: str, numerals: Sequence[Numeral]) -> list[Numeral]:
    """Join digits said one after the other, as radio nets do: *four five two niner* is 4529."""
    joined: list[Numeral] = []
    digits = ""  # said so far of the group that is last
    for numeral in numerals:
        spoken = (
            0 <= numeral.value < 10 and not numeral.ordinal and not text[numeral.start].isdecimal()
        )
        if (
            spoken
            and digits
            and "." not in digits
            and not text[joined[-1].end : numeral.start].strip(_SPACES)
        ):
            digits += format(numeral.value, "f")
            joined[-1] = Numeral(Decimal(digits), joined[-1].start, numeral.end)
        else:
            joined.append(numeral)
            digits = format(numeral.value, "f") if spoken else ""
    return joined


def _runs(text: str, vocabulary: _Vocabulary) -> list[list[_Token]]:
    """Cut the text into runs of words with nothing but spaces and hyphens between them."""
    runs: list[list[_Token]] = []
    end = 0
    for match in _TOKEN.finditer(text):
        if not runs or text[end : match.start()].strip(_SPACES) not in ("", "-", "‑"):
            runs.append([])
        runs[-1].append(_token(match, vocabulary))
        end = match.end()
    return [_with_unite(text, run) for run in runs] if vocabulary is _FRENCH else runs


def _with_unite(text: str, run: list[_Token]) -> list[_Token]:
    """French nets say *unité* for the digit one: beside another digit or a spelled letter."""
    read: list[_Token] = []
    for index, token in enumerate(run):
        if token.text == "unite" and text[token.start - 1 : token.start] not in ("'", "’"):
            before = read[-1].text if read else ""
            after = run[index + 1].text if index + 1 < len(run) else ""
            spelled = before in _DIGIT_WORDS or before in ICAO_LETTERS
            counts = before not in _ARTICLES and after in _DIGIT_WORDS | {"unite"}
            if spelled or counts:
                token = replace(token, text="un")
        read.append(token)
    return read


def _token(match: re.Match[str], vocabulary: _Vocabulary) -> _Token:
    digits = match["digits"]
    if digits is not None:
        return _Token(digits, match.start(), match.end(), match["suffix"] is not None)
    folded = fold(match.group())
    cardinal = _cardinal(folded, vocabulary)
    return _Token(cardinal or folded, match.start(), match.end(), bool(cardinal))


def _cardinal(word: str, vocabulary: _Vocabulary) -> str:
    """Return the number word that an ordinal is made from, or nothing."""
    if not vocabulary.units:
        return ""
    stem = word.removesuffix("s")
    if stem in vocabulary.ordinals:
        return vocabulary.ordinals[stem]
    candidates: list[str] = []
    if vocabulary is _ENGLISH and stem.endswith("th"):
        candidates = [stem[:-4] + "y" if stem.endswith("ieth") else stem[:-2]]
    elif vocabulary is _FRENCH and stem.endswith("ieme"):
        candidates = [stem[:-4], stem[:-4] + "e"]
    known = vocabulary.units | vocabulary.tens | vocabulary.scales
    return next((c for c in candidates if c in known or c in vocabulary.hundred), "")


class _Reader:
    """Reads numbers from one run; each method returns the value and the index behind it.

    An index that did not move means that no such number starts there.
    """

    def __init__(self, run: list[_Token], vocabulary: _Vocabulary) -> None:
        self._run = run
        self._words = vocabulary
        self._french = vocabulary is _FRENCH
        self._first = 0

    def number(self, index: int) -> tuple[Decimal, int]:
        total, limit = Decimal(0), 10**12
        start = self._first = index
        while True:
            group, after = self._group(index)
            scale = self._words.scales.get(self._text(after), 0)
            if scale and scale < limit and not self._closed(after):
                bare = after == index
                if bare and (scale != 1000 or (not self._french and index == start)):
                    break
                total += (Decimal(1) if bare else group) * scale
                limit, index = scale, after + 1
                following = self._skip_and(index)
                if self._group(following)[1] > following:
                    index = following
                continue
            if after > index and (index == start or group < limit):
                total, index = total + group, after
            break
        if self._text(index) in self._words.point and index > start:
            return self._decimals(total, index)
        return total, index

    def _decimals(self, whole: Decimal, index: int) -> tuple[Decimal, int]:
        digits, after = "", index + 1
        while (
            not self._closed(after) and (value := self._words.units.get(self._text(after), -1)) >= 0
        ):
            digits += str(value)
            after += 1
        if not digits:
            tens, after = self._below_hundred(index + 1)
            digits = str(tens) if after > index + 1 else ""
        return (whole + Decimal("0." + digits), after) if digits else (whole, index)

    def _group(self, index: int) -> tuple[Decimal, int]:
        """Read 0 to 999, or digits of any size."""
        if self._closed(index):
            return Decimal(0), index
        if self._text(index)[:1].isdecimal():
            return _digits(self._text(index)), index + 1
        low, after = self._below_hundred(index)
        if self._text(after) in self._words.hundred and not self._closed(after):
            if after > index and not (2 <= low <= 19 or (low == 1 and not self._french)):
                return Decimal(low), after
            before = self._text(index - 1)
            if after == index and (
                before not in ("a", "an") if not self._french else before == "pour"
            ):
                return Decimal(0), index
            hundreds = low if after > index else 1
            rest, end = self._below_hundred(self._skip_and(after + 1))
            return Decimal(100 * hundreds + rest), end if rest else after + 1
        return Decimal(low), after

    def _below_hundred(self, index: int) -> tuple[int, int]:
        if self._closed(index):
            return 0, index
        text = self._text(index)
        tens = self._words.tens.get(text, 0)
        if self._french and text == "quatre" and self._text(index + 1) in ("vingt", "vingts"):
            tens, index = 80, index + 1
        if tens:
            return self._behind_tens(tens, index + 1)
        if text not in self._words.units:
            return 0, index
        unit = self._words.units[text]
        if self._french and unit == 10 and not self._closed(index + 1):
            more = self._words.units.get(self._text(index + 1), 0)
            if 7 <= more <= 9:
                return 10 + more, index + 2
        return unit, index + 1

    def _behind_tens(self, tens: int, index: int) -> tuple[int, int]:
        if self._closed(index):
            return tens, index
        following = index
        if self._french and self._text(index) == "et" and self._text(index + 1) in _BEHIND_ET:
            following = index + 1
        if self._text(following) in self._words.tens:
            return tens, index
        unit, after = self._below_hundred(following)
        limit = 20 if self._french and tens in (60, 80) else 10
        return (tens + unit, after) if 0 < unit < limit else (tens, index)

    def _skip_and(self, index: int) -> int:
        skips = not self._french and self._text(index) == "and" and not self._closed(index)
        return index + 1 if skips else index

    def _text(self, index: int) -> str:
        return self._run[index].text if 0 <= index < len(self._run) else ""

    def _closed(self, index: int) -> bool:
        """Whether nothing can be added at `index`: the number ended with an ordinal before it."""
        return self._first < index <= len(self._run) and self._run[index - 1].ordinal


_ARTICLES = frozenset(("la", "une", "cette", "chaque", "notre", "votre", "leur", "sa", "ma"))
_DIGIT_WORDS = frozenset(
    ("zero", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "decimale")
)
_BEHIND_ET = ("un", "une", "onze")


def _digits(token: str) -> Decimal:
    if _GROUPED.fullmatch(token):
        return Decimal(re.sub(r"\D", "", token))
    whole, separator, decimals = token.replace(",", ".").rpartition(".")
    if not separator:
        return Decimal(re.sub(r"\D", "", token))
    return Decimal(re.sub(r"\D", "", whole) + "." + decimals)
