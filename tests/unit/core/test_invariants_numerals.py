from decimal import Decimal

import pytest

from greffier_server.core.numerals import find_numerals

pytestmark = pytest.mark.unit


def values(text: str, language: str) -> list[str]:
    return [format(numeral.value.normalize(), "f") for numeral in find_numerals(text, language)]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("fr", "quatre-vingt-cinq mille euros", ["85000"]),
        ("fr", "soixante et onze, quatre-vingts, quatre-vingt-dix-sept", ["71", "80", "97"]),
        ("fr", "septante-deux et nonante-neuf", ["72", "99"]),
        ("fr", "mille neuf cent quatre-vingt-quatre", ["1984"]),
        ("fr", "deux millions trois cent mille deux", ["2300002"]),
        ("fr", "deux mille vingt-six", ["2026"]),
        ("fr", "cent vingt mille, trois cents, cent, mille", ["120000", "300", "100", "1000"]),
        ("fr", "dix-huit heures dix-sept", ["18", "17"]),
        ("fr", "un deux trois", ["1", "2", "3"]),
        ("fr", "le vingt-cinq février à dix heures", ["25", "10"]),
        ("fr", "1er mars, 2e groupe, deuxième année, vingt et unième", ["1", "2", "2", "21"]),
        ("fr", "trois virgule cinq kilomètres", ["3.5"]),
        ("fr", "3,5 km et 18 000 € et 18.000 et 18,000", ["3.5", "18000", "18000", "18000"]),
        ("fr", "1,5 million", ["1500000"]),
        ("fr", "deux douzaines", ["24"]),
        ("en", "eighteen thousand euros", ["18000"]),
        ("en", "the tenth to the thirteenth of March, twenty-first", ["10", "13", "21"]),
        ("en", "one hundred and five, two thousand and twenty-six", ["105", "2026"]),
        ("en", "a hundred and twenty people", ["120"]),
        ("en", "nine hundred people and two dogs", ["900", "2"]),
        ("en", "1.5 million, 3 thousand, 21st, two dozen", ["1500000", "3000", "21", "24"]),
        ("en", "three point one four", ["3.14"]),
        ("en", "one one eight decimal two five", ["1", "1", "8.25"]),
        ("de", "am 12. März 1.234,5 Euro, zwölf", ["12", "1234.5"]),
        ("fr", "", []),
        ("fr", "personne", []),
    ],
)
def test_numbers_are_read(language: str, text: str, expected: list[str]):
    assert values(text, language) == expected


def test_every_french_number_below_a_thousand_is_read_back():
    for number in range(2, 1000):
        assert values(french(number), "fr") == [str(number)], french(number)


def test_every_english_number_below_a_thousand_is_read_back():
    for number in range(2, 1000):
        assert values(english(number), "en") == [str(number)], english(number)


def test_the_span_is_the_words_of_the_number():
    text = "Il reste quatre-vingt-cinq mille euros."
    (numeral,) = find_numerals(text, "fr")
    assert text[numeral.start : numeral.end] == "quatre-vingt-cinq mille"
    assert numeral.value == Decimal(85_000)
    assert not numeral.ordinal


FRENCH_TEENS = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
)
FRENCH_UNITS = FRENCH_TEENS.split()
FRENCH_TENS = [
    "",
    "",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
    "soixante",
    "quatre-vingt",
    "quatre-vingt",
]
ENGLISH_TEENS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
ENGLISH_UNITS = ENGLISH_TEENS.split()
ENGLISH_TENS = [
    "",
    "",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]


def french(number: int) -> str:
    if number >= 100:
        head = "cent" if number < 200 else f"{FRENCH_UNITS[number // 100]} cent"
        return head + (f" {french(number % 100)}" if number % 100 else "")
    if number <= 16:
        return FRENCH_UNITS[number]
    if number < 20:
        return f"dix-{FRENCH_UNITS[number - 10]}"
    tens, unit = divmod(number, 10)
    if tens in (7, 9):
        unit += 10
    link = "-et-" if unit in (1, 11) and tens not in (8, 9) else "-"
    rest = f"dix-{FRENCH_UNITS[unit - 10]}" if unit > 16 else FRENCH_UNITS[unit]
    if not unit:
        return "quatre-vingts" if tens == 8 else FRENCH_TENS[tens]
    return FRENCH_TENS[tens] + link + rest


def english(number: int) -> str:
    if number >= 100:
        rest = f" and {english(number % 100)}" if number % 100 else ""
        return f"{ENGLISH_UNITS[number // 100]} hundred{rest}"
    if number < 20:
        return ENGLISH_UNITS[number]
    tens, unit = divmod(number, 10)
    return ENGLISH_TENS[tens] + (f"-{ENGLISH_UNITS[unit]}" if unit else "")
