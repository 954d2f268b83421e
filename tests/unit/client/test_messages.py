import re
import string

import pytest

from greffier import messages
from greffier.messages import LANGUAGES, Messages, language_of

pytestmark = pytest.mark.unit

_KEYS = sorted(messages._TABLE)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("key", _KEYS)
def test_both_languages_say_it_with_the_same_values(key: str) -> None:
    texts = messages._TABLE[key]  # pyright: ignore[reportPrivateUsage]
    assert len(texts) == len(LANGUAGES)
    fields = [{part[1] for part in string.Formatter().parse(text)} for text in texts]
    assert fields[0] == fields[1]
    assert not re.search(r"(?<![  ])[;?!](?:\s|$)", texts[1]), "French spacing"


def test_an_unknown_language_falls_back_to_english() -> None:
    assert Messages("xx").language == "en"
    assert Messages("fr")("sessions.none") == "Aucune session."
    with pytest.raises(KeyError):
        Messages("en")("no such text")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "fr"}, "fr"),
        ({"LC_ALL": "", "LANG": "fr"}, "fr"),
    ],
)
def test_the_locale_chooses(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language
