"""Terms replace what was heard only where the audio bears them out."""

import math
from collections.abc import Sequence

import pytest

from greffier_models.hotwords.spotting import LEAST_LIKENESS, TermIndex
from greffier_models.types import Word
from greffier_models.whisper.scoring import Forced, index_of, margin_needed, with_terms

pytestmark = pytest.mark.unit


class Audio:
    """Audio in which certain words follow each other: those are likely, any others are not.

    Args:
        said: what each place of the audio can be written as.
    """

    def __init__(self, *said: str | tuple[str, ...]) -> None:
        self._places = {
            text: place
            for place, texts in enumerate(said)
            for text in ([texts] if isinstance(texts, str) else texts)
        }
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Forced:
        self.asked.append(list(texts))
        logprobs: list[float] = []
        before = -1
        for text in texts:
            place = self._places.get(text)
            logprobs.append(-1.0 if place == before + 1 else -30.0)
            before = before + 1 if place is None else place
        words = [
            Word(text, place * 400, place * 400 + 300, math.exp(logprob))
            for place, (text, logprob) in enumerate(zip(texts, logprobs, strict=True))
        ]
        return Forced(tuple(words), tuple(logprobs), (2,) * len(texts))


def heard(text: str, probability: float = 0.5) -> list[Word]:
    return [
        Word(f" {word}", place * 300, place * 300 + 250, probability)
        for place, word in enumerate(text.split())
    ]


def test_a_term_that_was_said_takes_the_place_of_what_was_heard():
    audio = Audio(" the", " town", " of", (" Sintra,", " Sinatra,"), " in")
    words = with_terms(heard("the town of Sinatra, in"), TermIndex(["Sintra"]), audio)
    assert [word.text for word in words] == [" the", " town", " of", " Sintra,", " in"]
    assert [word.heard for word in words] == ["", "", "", " Sinatra,", ""]
    assert words[3].probability == 0.5, "as sure as of what was heard"
    assert words[3].start_ms == 1200, "timed anew"


def test_a_term_that_was_not_said_changes_nothing():
    before = heard("the town of Sinatra, in")
    audio = Audio(" the", " town", " of", " Sinatra,", " in")
    assert with_terms(before, TermIndex(["Sintra"]), audio) == before


def test_two_words_become_one_name_that_is_one_word():
    audio = Audio(" When", " Nuzhat al Zaman", " heard")
    words = with_terms(
        heard("When Usad Alzaman heard"), TermIndex(["Nuzhat al Zaman", "Macon"]), audio
    )
    assert [word.text for word in words] == [" When", " Nuzhat al Zaman", " heard"]
    assert words[1].heard == " Usad Alzaman"


def test_the_audio_says_whether_a_neighbour_belongs_to_the_name():
    audio = Audio((" Codis", " CODIS"), " ici,", " parlez.")
    words = with_terms(heard("Cody ici, parlez."), TermIndex(["CODIS"]), audio)
    assert [word.text for word in words] == [" CODIS", " ici,", " parlez."]


def test_of_two_terms_that_sound_alike_the_audio_chooses():
    audio = Audio(" Ephraim", " and", " Manasseh.")
    for terms in (["Manaus", "Manasseh"], ["Manasseh", "Manaus"]):
        words = with_terms(heard("Ephraim and Menace."), TermIndex(terms), audio)
        assert words[-1].text == " Manasseh."


def test_several_names_in_one_answer():
    codis = (" Codis", " CODIS", " Cody")
    audio = Audio(codis, " ici", " le", " groupe", " de", " Privas", " et", " Voltaire")
    words = with_terms(
        heard("Cody ici le groupe de Privat et Volter"),
        TermIndex(["CODIS", "Privas", "Voltaire"]),
        audio,
    )
    assert "".join(word.text for word in words) == " CODIS ici le groupe de Privas et Voltaire"


def test_nothing_near_asks_nothing_of_the_audio():
    audio = Audio()
    before = heard("the road is not passable")
    assert with_terms(before, TermIndex(["Privas", "Nunavut"]), audio) == before
    assert audio.asked == []


def test_the_cost_is_bounded():
    audio = Audio()
    with_terms(heard("Privat " * 60), TermIndex(["Privas", "Privath", "PRIVATE"]), audio)
    assert len(audio.asked) <= 7


def test_what_cannot_be_held_against_the_audio_stays():
    before = heard("the town of Sinatra, in")
    assert with_terms(before, TermIndex(["Sintra"]), lambda texts: None) == before
    audio = Audio(" the", " town", " of", (" Sintra,", " Sinatra,"), " in")

    def shorter(texts: Sequence[str]) -> Forced | None:
        return None if " Sintra," in texts else audio(texts)

    assert with_terms(before, TermIndex(["Sintra"]), shorter) == before


def test_only_capitals_need_no_audio():
    audio = Audio()
    (word,) = with_terms(heard("temis,"), TermIndex(["TEMIS"]), audio)
    assert (word.text, word.heard) == (" TEMIS,", " temis,")
    assert audio.asked == []


def test_the_same_words_give_the_same_answer():
    audio = Audio(" the", " town", " of", (" Sintra,", " Sinatra,"), " in")
    index = TermIndex(["Sintra", "Cintra", "Sumatra"])
    once = with_terms(heard("the town of Sinatra, in"), index, audio)
    assert once == with_terms(heard("the town of Sinatra, in"), index, audio)
    assert with_terms(once, index, audio) == once, "what is corrected stays"


def test_the_more_alike_the_less_to_prove():
    assert margin_needed(1.0) < margin_needed(0.8) < margin_needed(LEAST_LIKENESS) < 0


def test_a_glossary_is_indexed_once():
    assert index_of(("Sintra", "Privas")) is index_of(("Sintra", "Privas"))
