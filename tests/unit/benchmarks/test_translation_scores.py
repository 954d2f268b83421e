import math

import pytest

from benchmarks.translation_clock import SpokenUtterance, TimedGenerator, play
from benchmarks.translation_scores import Delays, chrf_and_bleu, laal_s
from greffier_server.core.translation_policies import ClauseCommit, SentenceCommit
from tests.support.generator import ScriptedGenerator

pytestmark = pytest.mark.unit

SAID = "Le camion est bien arrivé hier soir à Rennes, mais il manque douze caisses."


def test_an_even_interpreter_has_no_lag_and_a_consecutive_one_the_speechs():
    assert laal_s([0.0, 1.0, 2.0, 3.0], 4.0, reference_words=4) == 0
    assert laal_s([5.0] * 4, 4.0, reference_words=4) == 5
    assert laal_s([1.0, 1.0], 4.0, reference_words=8) == pytest.approx((1 + 0.5) / 2)
    assert math.isnan(laal_s([], 4.0, reference_words=4))


def test_words_taken_back_are_flicker():
    said = SpokenUtterance.of("un deux trois", ("fr", "en"))
    delays = Delays()
    delays.add(
        [(4.0, "One two three")], ["Two", "One", "One too", "One two three"], said, reference="a"
    )
    assert delays.flicker == pytest.approx(2 / 3)
    assert delays.last_word_s(0.5) == pytest.approx(4.0 - said.committed_s)


def test_quality_is_sacrebleus():
    assert chrf_and_bleu(["The truck has arrived here."], ["The truck has arrived here."]) == (
        pytest.approx(100),
        pytest.approx(100),
    )


async def test_the_clock_moves_with_speech_and_model():
    said = SpokenUtterance.of(SAID, ("fr", "en"))
    whole = "The truck arrived safely last night in Rennes, but twelve crates are missing."
    late = await play(
        said, TimedGenerator(ScriptedGenerator([whole]), counted=True), SentenceCommit()
    )
    assert late.text == whole
    assert late.commits[0][0] > said.committed_s
    parts = [whole[:46], whole[47:]]
    soon = await play(
        said, TimedGenerator(ScriptedGenerator(parts), counted=True), ClauseCommit(least_words=8)
    )
    assert soon.text == whole
    assert soon.commits[0][0] < late.commits[0][0]
    assert soon.shown[-1] == whole
