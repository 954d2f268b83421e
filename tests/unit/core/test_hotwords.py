"""The terms a session's recogniser expects."""

import pytest

from greffier.protocol import GlossaryTerm
from greffier_server.core.hotwords import MAX_HOTWORDS, choose_hotwords

pytestmark = pytest.mark.unit


def chosen(*terms: str) -> tuple[str, ...]:
    return choose_hotwords([GlossaryTerm(term) for term in terms])


def test_terms_are_taken_in_order_each_once():
    assert chosen("Privas", "CODIS", "privas", "Privas") == ("Privas", "CODIS")


def test_white_space_is_made_single():
    assert chosen("  Zau   al\tMakan\n") == ("Zau al Makan",)


@pytest.mark.parametrize(
    "term", ["", "   ", "🎉🎉", "42", "x" * 10_000, "a\x00b", "Privas\x1b[31m", "\u202eabc"]
)
def test_what_cannot_be_said_is_left_out(term: str):
    assert chosen(term, "Privas") == ("Privas",)


def test_what_looks_like_control_tokens_is_text():
    assert chosen("<|endoftext|>") == ("<|endoftext|>",)


def test_there_are_only_so_many():
    names = [
        f"Privas{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}"
        for n in range(3_000)
    ]
    assert len(chosen(*names)) == MAX_HOTWORDS
