import pytest

from greffier_server.core.translation_policies import (
    TRANSLATION_POLICIES,
    Agreement,
    ClauseCommit,
    MaskK,
    Progress,
    SentenceCommit,
    Step,
    continuation,
)
from tests.support.meetings import words_of

pytestmark = pytest.mark.unit

WORDS = words_of("Le camion est bien arrivé hier soir à Rennes, mais il manque douze caisses.")


def progress(count: int, **values: int) -> Progress:
    return Progress(WORDS[:count], "fr", closed=count == len(WORDS), **values)


def test_a_sentence_waits_for_its_end():
    assert SentenceCommit().step(progress(13)) is None
    assert SentenceCommit().step(progress(14)) == Step(14, whole=True)


def test_a_clause_is_done_once_the_next_has_begun_and_is_long_enough():
    policy = ClauseCommit(least_words=8)
    assert policy.step(progress(9)) is None
    assert policy.step(progress(10)) == Step(9, whole=True)
    assert policy.step(progress(12, covered=9)) is None
    assert policy.step(progress(14, covered=9)) == Step(14, whole=True)
    assert ClauseCommit(least_words=10).step(progress(12)) is None


def test_drafts_come_every_few_words_and_keep_their_last_ones_back():
    policy = MaskK(every=4, mask=2)
    assert policy.step(progress(3)) is None
    assert policy.step(progress(4)) == Step(4, whole=False)
    assert policy.step(progress(7, tried=4)) is None
    assert policy.step(progress(14, tried=4)) == Step(14, whole=True)
    assert policy.shown("The truck has arrived") == "The truck"
    assert policy.settled(["The truck", "The truck"]) == ""


def test_what_two_drafts_agree_on_is_settled_in_whole_words():
    policy = Agreement()
    assert policy.settled(["The truck has"]) == ""
    assert policy.settled(["The truck has", "The truck hasn't arrived"]) == "The truck"
    assert policy.settled(["A truck", "The truck"]) == ""


@pytest.mark.parametrize(
    ("committed", "answer", "added"),
    [
        ("", "The truck came.", "The truck came."),
        ("The truck", "The truck came.", " came."),
        ("A truck", "The truck came.", " came."),
        ("The big truck", "The truck came late.", " came late."),
        ("The truck came.", "The truck came.", ""),
        ("One two three four", "One.", ""),
    ],
)
def test_what_is_committed_is_never_taken_back(committed: str, answer: str, added: str):
    assert continuation(committed, answer) == added


def test_every_policy_ends_with_the_whole_segment():
    for make in TRANSLATION_POLICIES.values():
        assert make().step(progress(14)) == Step(14, whole=True)
