"""Errors planted in correct translations, by rules that know nothing of the checker."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FAULTS", "Pair", "Planted", "load_pairs", "plant"]

FOLDER = Path(__file__).parent / "parallel"


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence and its translation."""

    source: str
    target: str
    languages: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Planted:
    """A pair whose target was made wrong."""

    pair: Pair
    fault: str


def load_pairs(folder: Path = FOLDER) -> list[Pair]:
    """Return the parallel sentences of this folder, in both directions."""
    rows = [
        row.split("\t")
        for path in sorted(folder.glob("*.tsv"))
        for row in path.read_text(encoding="utf-8").splitlines()
        if row
    ]
    return [
        pair
        for french, english in rows
        for pair in (Pair(french, english, ("fr", "en")), Pair(english, french, ("en", "fr")))
    ]


def plant(pairs: Sequence[Pair]) -> Iterator[Planted]:
    """Yield each pair with each fault that can be planted in it, one at a time."""
    for index, pair in enumerate(pairs):
        for fault, change in FAULTS.items():
            wrong = change(pair.target, pair.languages[1], index)
            if wrong is not None and wrong != pair.target:
                yield Planted(Pair(pair.source, wrong, pair.languages), fault)


def _changed_digit(text: str, _language: str, index: int) -> str | None:
    digits = list(re.finditer(r"\d", text))
    if not digits:
        return None
    match = digits[index % len(digits)]
    other = str((int(match.group()) + 1 + index % 8) % 10)
    return text[: match.start()] + other + text[match.end() :]


_NUMBER_WORDS = {
    "en": [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "fifteen",
        "sixteen",
        "eighteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
    ],
    "fr": [
        "deux",
        "trois",
        "quatre",
        "cinq",
        "six",
        "sept",
        "huit",
        "dix",
        "onze",
        "douze",
        "quinze",
        "seize",
        "vingt",
        "trente",
        "quarante",
        "cinquante",
    ],
}


def _changed_number_word(text: str, language: str, index: int) -> str | None:
    words = _NUMBER_WORDS[language]
    found = list(re.finditer(rf"\b(?:{'|'.join(words)})\b", text, re.IGNORECASE))
    if not found:
        return None
    match = found[index % len(found)]
    others = [word for word in words if word != match.group().lower()]
    return text[: match.start()] + others[index % len(others)] + text[match.end() :]


_DROPS = {
    "en": (
        (r"\bcannot\b", "can"),
        (r"n't\b", ""),
        (r"\bnever\b", "always"),
        (r"\bNobody\b", "Everybody"),
        (r"\bnothing\b", "everything"),
        (r"\bwithout\b", "with"),
        (r"\bNo\b(?= [a-z])", "A"),
        (r"\bno\b(?= [a-z])", "a"),
        (r"\b(?:do|does|did) not\b", ""),
        (r" not\b", ""),
    ),
    "fr": (
        (r"\b[Nn](?:e |['’])(.{1,40}?) (?:pas encore|pas|jamais|plus)\b", r"\1"),
        (r"\b[Nn](?:e |['’])(.{1,30}?) aucune?\b", r"\1 une"),
        (r"\bPersonne n['’]", "Tout le monde "),
        (r"\b(?:ne|n['’]) ?(.{1,20}?) rien\b", r"\1 tout"),
        (r"\bAucune? ", "Un "),
        (r"\baucune? ", "un "),
        (r"\bsans\b", "avec"),
        (r", pas\b", ","),
    ),
}


def _dropped_negation(text: str, language: str, _index: int) -> str | None:
    """Turn every negation of the sentence round (one of two said alike is no error of sense)."""
    wrong = text
    for pattern, instead in _DROPS[language]:
        wrong = re.sub(pattern, instead, wrong)
    left = r"n['’]|\bne\b|\bpas\b|\bnot?\b|\bjamais\b|\brien\b"
    if wrong == text or re.search(left, wrong, re.IGNORECASE):
        return None
    return re.sub(r"\s+", " ", wrong).strip()


_PEOPLE = [
    "Alexandre",
    "Claire",
    "Emma",
    "Michael",
    "Sophie",
    "Thomas",
    "Julie",
    "Camille",
    "Olivier",
    "Antoine",
    "Vincent",
    "Laurent",
    "Nadia",
    "Isabelle",
    "Pascal",
    "Marion",
    "Robert",
]
_PLACES = [
    "Rennes",
    "Strasbourg",
    "Lyon",
    "Nantes",
    "Narbonne",
    "Toulouse",
    "Bordeaux",
    "Valence",
    "Grenoble",
    "Lille",
    "Marseille",
    "Metz",
    "Dijon",
    "Privas",
    "Aubenas",
    "Montparnasse",
]
_STATIONS = ["CODIS", "VSAV", "FPT", "CCF", "EPA"]


def _swapped(names: Sequence[str]) -> Callable[[str, str, int], str | None]:
    def swap(text: str, _language: str, index: int) -> str | None:
        match = re.search(rf"\b(?:{'|'.join(names)})\b", text)
        if match is None:
            return None
        others = [name for name in names if name not in text]
        return re.sub(rf"\b{match.group()}\b", others[index % len(others)], text)

    return swap


_DATES = {
    "en": (" on 17 November", " on the ninth of May", " in October 2031", " on Sunday"),
    "fr": (" le 17 novembre", " le neuf mai", " en octobre 2031", " dimanche"),
}


def _invented_date(text: str, language: str, index: int) -> str | None:
    date = _DATES[language][index % 4]
    words = re.findall(r"\w+", date)
    if any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in words[1:] or words):
        return None
    body, mark = (text[:-1].rstrip(), text[-1]) if text[-1] in ".?!" else (text, "")
    return body + date + mark


_DAYS = {
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
    "fr": ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"],
}
_MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "June",
        "July",
        "August",
        "September",
        "October",
        "December",
    ],
    "fr": [
        "janvier",
        "février",
        "mars",
        "avril",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "décembre",
    ],
}


def _changed_date(text: str, language: str, index: int) -> str | None:
    for table in (_DAYS[language], _MONTHS[language]):
        match = re.search(rf"\b(?:{'|'.join(table)})(?=s?\b)", text)
        if match is not None:
            others = [word for word in table if word not in text]
            other = others[index % len(others)]
            return text[: match.start()] + other + text[match.end() :]
    return None


_UNITS = {
    "en": {
        "euros": "dollars", "hectares": "acres", "metres": "kilometres", "kilometres": "metres",
        "weeks": "months", "days": "weeks", "minutes": "hours", "hours": "minutes",
        "knots": "kilometres", "tonnes": "kilograms", "kilograms": "tonnes", "feet": "metres",
        "months": "days", "MHz": "kHz", "litres": "hectolitres", "nautical miles": "metres",
        "years": "months", "percent": "euros", "degrees": "metres", "€": "$", "pounds": "euros",
    },
    "fr": {
        "euros": "dollars", "hectares": "mètres", "mètres": "kilomètres", "kilomètres": "mètres",
        "semaines": "mois", "jours": "semaines", "minutes": "heures", "nœuds": "kilomètres",
        "tonnes": "kilogrammes", "kilogrammes": "tonnes", "pieds": "mètres", "mois": "jours",
        "MHz": "kHz", "milles nautiques": "mètres", "ans": "mois", "pour cent": "euros",
        "degrés": "mètres", "€": "$", "livres": "euros",
    },
}  # fmt: skip


def _changed_unit(text: str, language: str, _index: int) -> str | None:
    """Change a unit behind (or a currency sign before) a number."""
    numbers = rf"(?:\d|\b(?:{'|'.join(_NUMBER_WORDS[language])}|mille|thousand|hundred|cents))"
    for unit, other in _UNITS[language].items():
        if unit == "€" and "€" in text:
            return text.replace("€", "$")
        pattern = rf"({numbers}(?: |\u202f)?){re.escape(unit)}(?!\w)"
        if re.search(pattern, text):
            return re.sub(pattern, rf"\g<1>{other}", text)
    return None


_LETTERS = {
    "en": "Alpha Bravo Charlie Delta Echo Foxtrot Kilo Lima Oscar Quebec Sierra Tango Victor",
    "fr": "Alpha Bravo Charlie Delta Écho Foxtrot Kilo Lima Oscar Québec Sierra Tango Victor",
}


def _changed_call_sign(text: str, language: str, index: int) -> str | None:
    words = _LETTERS[language].split()
    found = re.search(rf"\b(?:{'|'.join(words)})(?= [A-ZÉ0-9a-z])", text)
    behind = text[found.end() :].split()[0].strip(",.") if found else ""
    digits = {*_NUMBER_WORDS[language], "one", "zero", "un", "unité", "zéro", "niner", "neuf"}
    if found is None or not (behind.lower() in digits or behind in words):
        return None
    others = [word for word in words if word not in text]
    return re.sub(rf"\b{found.group()}\b", others[index % len(others)], text)


FAULTS: dict[str, Callable[[str, str, int], str | None]] = {
    "changed digit": _changed_digit,
    "changed number word": _changed_number_word,
    "dropped negation": _dropped_negation,
    "swapped person": _swapped(_PEOPLE),
    "swapped place": _swapped(_PLACES),
    "swapped station": _swapped(_STATIONS),
    "invented date": _invented_date,
    "changed date": _changed_date,
    "changed unit": _changed_unit,
    "changed call sign": _changed_call_sign,
}
"""What can be planted: name to a function of text, language and a number that varies the choice."""
