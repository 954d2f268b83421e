"""Tokens to words: French marks, unspaced scripts, broken UTF-8, times."""

import pytest

from greffier_models.whisper.words import group_tokens, timed_words

pytestmark = pytest.mark.unit


def _words(*pieces: str, spaced: bool = True) -> list[str]:
    groups = group_tokens(pieces, spaced=spaced)
    assert [index for group in groups for index in group] == list(range(len(pieces)))
    return ["".join(pieces[index] for index in group) for group in groups]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([" Bon", "jour", " à", " tous", "."], [" Bonjour", " à", " tous."]),
        ([" l", "'", "État", " d", "'", "urg", "ence"], [" l'État", " d'urgence"]),
        ([" aujourd", "'", "hui"], [" aujourd'hui"]),
        ([" c", "’", "est"], [" c’est"]),
        ([" Vous", " «", " bien", " »", " !"], [" Vous", " « bien » !"]),
        ([" «", "Oui", "»", ",", " dit"], [" «Oui»,", " dit"]),
        ([" quoi", " ?", " Oui", " :", " non", " ;"], [" quoi ?", " Oui :", " non ;"]),
        ([" trois", " %", " (", "env", "iron", ")"], [" trois", " %", " (environ)"]),
        ([" 3", ",", "5", " euros"], [" 3,5", " euros"]),
        (["Sans", " espace"], ["Sans", " espace"]),
        ([" «"], [" «"]),
        ([" »"], [" »"]),
        ([], []),
    ],
)
def test_french(pieces: list[str], words: list[str]) -> None:
    assert _words(*pieces) == words


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["今日", "は", "、", "いい"], ["今日", "は、", "いい"]),
        (["\ufffd", "漢", "字", "。"], ["\ufffd漢", "字。"]),
        (["\ufffd", "\ufffd", "魑", "魅"], ["\ufffd\ufffd魑", "魅"]),
        (["「", "はい", "」"], ["「", "はい", "」"]),
        (["好", "，", "吗", "？"], ["好，", "吗？"]),
    ],
)
def test_without_spaces(pieces: list[str], words: list[str]) -> None:
    assert _words(*pieces, spaced=False) == words


def test_a_character_in_pieces_begins_a_word_where_it_has_a_space() -> None:
    assert _words(" un", " \ufffd", " 😀", " deux") == [" un", " \ufffd 😀", " deux"]


def test_times_follow_the_frames() -> None:
    words = timed_words(
        [" a", " bc"],
        [[0], [1, 2]],
        token_frames=[5, 10, 20, 30],
        probabilities=[0.5, 0.25, 0.75],
        start_ms=1_000,
        end_ms=5_000,
    )
    assert [(w.text, w.start_ms, w.end_ms, w.probability) for w in words] == [
        (" a", 1_100, 1_200, 0.5),
        (" bc", 1_200, 1_600, 0.5),
    ]


def test_times_stay_inside_the_window_and_in_order() -> None:
    words = timed_words(
        [" a", " b", " c"],
        [[0], [1], [2]],
        token_frames=[50, 20, 400, 10],
        probabilities=[1.0, 1.0, 1.0],
        start_ms=0,
        end_ms=2_000,
    )
    starts = [word.start_ms for word in words]
    assert starts == sorted(starts)
    assert all(0 <= word.start_ms <= word.end_ms <= 2_000 for word in words)
