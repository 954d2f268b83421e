"""What is withheld, and what must not be."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.encoded import spoken
from greffier_models.types import Hypothesis, Word
from greffier_server.core.defence import Judgement, judge, repetition_start

pytestmark = pytest.mark.unit


def _judged(
    text: str,
    *,
    speech_ms: int = 2_000,
    no_speech: float = 0.0,
    logprob: float = -0.2,
    truncated: bool = False,
    probability: float = 0.9,
    language: str = "fr",
    committed: str = "",
) -> Judgement:
    words = [Word(w.text, w.start_ms, w.end_ms, probability) for w in spoken(text)]
    hypothesis = Hypothesis(
        tuple(words),
        language,
        no_speech_probability=no_speech,
        mean_logprob=logprob,
        truncated=truncated,
    )
    return judge(
        hypothesis, words, speech_ms=lambda a, b: speech_ms, committed=committed, language=language
    )


def _reason(judgement: Judgement) -> str | None:
    return judgement.withheld[0].reason if judgement.withheld else None


def test_plain_words_are_kept() -> None:
    judgement = _judged("le budget est voté")
    assert [word.text for word in judgement.kept] == [" le", " budget", " est", " voté"]
    assert judgement.withheld == ()
    assert _judged("") == Judgement(())


@pytest.mark.parametrize(
    ("reason", "judgement"),
    [
        ("no_speech", _judged("bonjour", no_speech=0.7, logprob=-1.1)),
        ("no_voice", _judged("bonjour", speech_ms=0)),
        ("stock_phrase", _judged("Sous-titrage ST' 501", no_speech=0.7)),
        ("stock_phrase", _judged("Merci d'avoir regardé cette vidéo", speech_ms=100)),
        ("stock_phrase", _judged("Thanks for watching!", logprob=-0.8, language="en")),
        ("low_confidence", _judged("euh ah", no_speech=0.4, probability=0.2)),
        ("repetition", _judged("non " * 9)),
        ("repetition", _judged("ça va bien " * 3, truncated=True)),
        ("repetition", _judged("et puis alors " * 8 + "voilà", truncated=True)),
        ("no_speech", _judged("le budget est voté", no_speech=0.7, probability=0.3)),
        (
            "stock_phrase",
            _judged("Sous-titres réalisés par la communauté d’Amara.org", no_speech=0.3),
        ),
        ("stock_phrase", _judged("Merci.", speech_ms=128, probability=0.6)),
        (
            "stock_phrase",
            _judged("Thank you. Thank you.", no_speech=0.7, probability=0.7, language="en"),
        ),
        ("stock_phrase", _judged("you", speech_ms=96, probability=0.5, language="en")),
        ("stock_phrase", _judged("...", no_speech=0.7, probability=0.7)),
        ("too_fast", _judged("you can hear you now", speech_ms=200, probability=0.6)),
        ("echo", _judged("le vote est clos", committed=" le vote est clos.", probability=0.5)),
        ("echo", _judged("le vote est clos", committed=" le vote est clos.", speech_ms=64)),
    ],
)
def test_withheld(reason: str, judgement: Judgement) -> None:
    assert _reason(judgement) == reason


@pytest.mark.parametrize(
    "judgement",
    [
        _judged("Merci d'avoir regardé le dossier"),
        _judged("Thanks for watching the door", language="en"),
        _judged("bonjour", no_speech=0.9, logprob=-0.5),
        _judged("bonjour", logprob=-2.0),
        _judged("non non non non"),
        _judged("euh ah", no_speech=0.1, probability=0.2),
        _judged("Merci.", speech_ms=400),
        _judged("Merci.", speech_ms=128, probability=0.95),
        _judged("Merci.", speech_ms=400, no_speech=0.7, logprob=-0.5),
        _judged("Merci beaucoup, le budget est voté", speech_ms=150),
        _judged("Thank you.", speech_ms=600, probability=0.6, language="en"),
        _judged("you can hear you now", speech_ms=200),
        _judged("you can hear you now", speech_ms=700, probability=0.6),
        _judged("on cite Amara.org dans le rapport"),
        _judged("le vote est clos", committed=" le vote est clos."),
    ],
)
def test_kept(judgement: Judgement) -> None:
    assert _reason(judgement) is None
    assert judgement.kept


def test_of_a_loop_its_first_round_is_kept_and_the_rest_named() -> None:
    judgement = _judged("le vote " + "ça va bien " * 4)
    assert "".join(word.text for word in judgement.kept) == " le vote ça va bien"
    (doubt,) = judgement.withheld
    assert doubt.start_ms == judgement.kept[-1].end_ms + 60
    assert doubt.end_ms == spoken("le vote " + "ça va bien " * 4)[-1].end_ms


def test_what_is_withheld_keeps_its_text() -> None:
    (doubt,) = _judged("le vote " + "ça va bien " * 4).withheld
    assert doubt.text == " ".join(["ça va bien"] * 3)
    (doubt,) = _judged("Merci d'avoir regardé cette vidéo", speech_ms=100).withheld
    assert doubt.text == "Merci d'avoir regardé cette vidéo"


def test_improbable_words_behind_the_voice_are_cut_off() -> None:
    words = [
        Word(" Oui.", 0, 400, 0.9),
        Word(" Thank", 2_000, 2_400, 0.3),
        Word(" you.", 2_400, 2_700, 0.5),
    ]
    judgement = judge(
        Hypothesis(tuple(words), "fr"),
        words,
        speech_ms=lambda a, b: max(0, min(b, 500) - max(a, 0)),
        committed="",
        language="fr",
    )
    assert judgement.kept == (words[0],)
    (doubt,) = judgement.withheld
    assert (doubt.reason, doubt.text) == ("no_voice", "Thank you.")
    assert (doubt.start_ms, doubt.end_ms) == (2_000, 2_700)


def test_a_probable_word_behind_the_voice_is_kept() -> None:
    words = [Word(" Oui", 0, 400, 0.9), Word(" chef.", 2_000, 2_400, 0.9)]
    judgement = judge(
        Hypothesis(tuple(words), "fr"),
        words,
        speech_ms=lambda a, b: max(0, min(b, 500) - max(a, 0)),
        committed="",
        language="fr",
    )
    assert judgement.kept == tuple(words)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a b c", None),
        ("a a", None),
        ("a a a", 1),
        ("x a, A. a", 2),
        ("a b a b a b", 2),
        ("a b a b a", None),
        ("", None),
    ],
)
def test_repetitions(text: str, start: int | None) -> None:
    assert repetition_start(text.split()) == start


@given(block=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), rounds=st.integers(3, 6))
def test_every_loop_is_found(block: Sequence[str], rounds: int) -> None:
    start = repetition_start(["first", *list(block) * rounds])
    assert start is not None
    assert start >= 2


@given(texts=st.lists(st.sampled_from("abc"), max_size=12))
def test_what_is_left_out_is_said_before(texts: list[str]) -> None:
    start = repetition_start(texts)
    if start is not None:
        assert 0 < start < len(texts)
        assert set(texts[start:]) <= set(texts[:start])
