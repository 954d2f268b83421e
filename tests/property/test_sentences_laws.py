import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.sentences import clause_end, sentence_end, split_sentences
from tests.support.meetings import words_of

pytestmark = pytest.mark.property

FRAGMENTS = (
    "Bonjour. oui ? ! M. Mme. p. ex. 12. 3.5 3, ... fin… « » ( ) J. R. U.S. etc. Le la, budget; "
    "10:30 : 。 晴れ。 है। ؟ - — ' \" 1 p.m. i.e. A."
)
PARTS = st.sampled_from(FRAGMENTS.split())
TEXTS = st.lists(PARTS, max_size=25).map(" ".join)
LANGUAGES = st.sampled_from(["fr", "en", "de", "ja", "hi", "xx"])


@given(TEXTS, LANGUAGES)
def test_splitting_loses_and_moves_no_word(text: str, language: str):
    words = words_of(text)
    sentences = split_sentences(words, language)
    assert tuple(word for sentence in sentences for word in sentence) == words
    assert all(sentences)


@given(TEXTS, LANGUAGES)
def test_counts_stay_inside_the_words(text: str, language: str):
    words = words_of(text)
    assert 0 <= sentence_end(words, language) <= len(words)
    assert 0 <= clause_end(words, language) <= len(words)


@given(TEXTS, LANGUAGES)
def test_what_has_ended_stays_ended_whatever_comes(text: str, language: str):
    words = words_of(text)
    for known in range(len(words)):
        count = sentence_end(words[:known], language)
        if count:
            # only closing marks that are words of their own may still be taken in
            later = sentence_end(words, language)
            assert later >= count
            assert all(not any(c.isalnum() for c in word.text) for word in words[count:later])
            break
