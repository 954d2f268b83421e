import pytest

from greffier_server.core.languages import LANGUAGES, canonical, is_known, name, script, written_in

pytestmark = pytest.mark.unit


def test_every_language_of_whisper_large_v3_is_there_once():
    assert len(LANGUAGES) == 100
    assert all(language.code == code for code, language in LANGUAGES.items())
    assert all(
        language.english and language.french and language.native for language in LANGUAGES.values()
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("fr", "fr"),
        ("FR", "fr"),
        (" en-GB ", "en"),
        ("zh_Hant", "zh"),
        ("yue", "yue"),
        ("jv", "jw"),
        ("iw", "he"),
        ("nb-NO", "no"),
        ("French", "fr"),
        ("français", "fr"),
        ("anglais", "en"),
        ("日本語", "ja"),
    ],
)
def test_aliases_lead_to_whispers_code(given: str, code: str):
    assert canonical(given) == code
    assert is_known(given)


@pytest.mark.parametrize("given", ["", "xx", "auto", "klingon", "xx-FR", "-"])
def test_what_is_no_language_is_not_known(given: str):
    assert canonical(given) is None
    assert not is_known(given)


def test_names_are_given_in_the_readers_language():
    assert name("de") == "German"
    assert name("de", "fr") == "allemand"
    assert name("de", "de") == "Deutsch"
    assert name("fr", "fr-FR") == "français"
    assert name("tlh") == "tlh"


def test_scripts():
    assert (script("fr"), script("ru"), script("ar"), script("zh")) == (
        "LATIN",
        "CYRILLIC",
        "ARABIC",
        "CJK",
    )


def test_frequent_words_tell_languages_apart_where_they_can():
    assert written_in("Nous avons douze canaux dans la salle.", "fr")
    assert not written_in("We have twelve channels in the room and this is fine.", "fr")
    assert written_in("OK", "fr")
    assert written_in("Tak, mamy dwanaście kanałów.", "pl")
