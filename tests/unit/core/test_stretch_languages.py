"""Languages of the turns of a recording."""

from collections.abc import Mapping, Sequence

import pytest

from greffier_server.core.packing import Stretch
from greffier_server.core.stretch_languages import LabelledTurn, Turn, TurnFinder, TurnLanguages

pytestmark = pytest.mark.unit

FRENCH = {"fr": 0.98, "en": 0.02}
ENGLISH = {"en": 0.98, "fr": 0.02}


def turn(from_ms: int, to_ms: int) -> Turn:
    return Turn((Stretch(from_ms, to_ms),))


def labels(
    turns: Sequence[tuple[Turn, Mapping[str, float] | None]],
    languages: TurnLanguages | None = None,
    *,
    fallback: str = "en",
) -> list[str]:
    followed = languages or TurnLanguages(("en", "fr"), fallback=fallback)
    labelled: list[LabelledTurn] = []
    for said, scores in turns:
        labelled += followed.label(said, scores if followed.asks(said) else None)
    labelled += followed.finish()
    assert [entry.turn for entry in labelled] == [said for said, _ in turns], "in order, each once"
    return [entry.language for entry in labelled]


def test_a_turn_ends_at_a_pause_or_when_it_is_long() -> None:
    finder = TurnFinder()
    stretches = [
        Stretch(0, 1_000),
        Stretch(1_100, 2_000),
        Stretch(2_400, 6_000),
        Stretch(6_064, 9_000),
        Stretch(9_064, 12_000),
    ]
    turns = [ended for stretch in stretches for ended in finder.push(stretch)]
    assert finder.open_from_ms == 9_064
    turns += finder.finish()
    assert [t.span.from_ms for t in turns] == [0, 2_400, 9_064]
    assert [s for t in turns for s in t.stretches] == stretches
    assert finder.open_from_ms is None
    assert finder.finish() == []


def test_speakers_who_take_turns_are_each_in_their_language() -> None:
    turns = [
        (turn(at, at + 3_000), FRENCH if at % 8_000 else ENGLISH) for at in range(0, 40_000, 4_000)
    ]
    assert labels(turns) == ["en", "fr"] * 5


def test_a_word_too_short_to_ask_about_goes_with_the_nearer_turn() -> None:
    near_before = [
        (turn(0, 3_000), FRENCH),
        (turn(3_300, 3_800), None),
        (turn(6_000, 9_000), ENGLISH),
    ]
    near_after = [
        (turn(0, 3_000), FRENCH),
        (turn(5_300, 5_800), None),
        (turn(6_100, 9_000), ENGLISH),
    ]
    assert labels(near_before) == ["fr", "fr", "en"]
    assert labels(near_after) == ["fr", "en", "en"]


def test_an_unexpected_language_needs_far_more_evidence() -> None:
    some = {"ru": 0.6, "fr": 0.4}
    much = {"ru": 0.97, "fr": 0.03}
    turns = [(turn(0, 3_000), some), (turn(4_000, 7_000), much)]
    assert labels(turns) == ["fr", "ru"]
    assert labels(turns, TurnLanguages()) == ["ru", "ru"]


def test_little_speech_changes_the_language_only_where_it_is_likely() -> None:
    doubtful = {"en": 0.6, "fr": 0.4}
    turns = [(turn(0, 3_000), FRENCH), (turn(4_000, 5_500), doubtful), (turn(6_000, 9_000), FRENCH)]
    assert labels(turns) == ["fr", "fr", "fr"]
    longer = [(turn(0, 3_000), FRENCH), (turn(4_000, 7_500), doubtful)]
    assert labels(longer) == ["fr", "en"]


def test_one_language_alone_is_soon_asked_about_only_now_and_then() -> None:
    languages = TurnLanguages(("en", "fr"))
    asked: list[int] = []
    for at in range(0, 240_000, 4_000):
        said = turn(at, at + 3_000)
        wanted = languages.asks(said)
        if wanted:
            asked.append(at)
        assert [entry.language for entry in languages.label(said, FRENCH if wanted else None)] == [
            "fr"
        ]
    assert sum(at < 40_000 for at in asked) == 10
    assert 10 <= sum(at >= 40_000 for at in asked) <= 15


def test_one_turn_in_another_language_makes_every_turn_asked_about_again() -> None:
    languages = TurnLanguages(("en", "fr"))
    for at in range(0, 80_000, 4_000):
        said = turn(at, at + 3_000)
        languages.label(said, FRENCH if languages.asks(said) else None)
    at = 80_000
    while not languages.asks(turn(at, at + 3_000)):
        languages.label(turn(at, at + 3_000), None)
        at += 4_000
        assert at < 110_000, "a settled recording is still asked about"
    (found,) = languages.label(turn(at, at + 3_000), ENGLISH)
    assert found.language == "en"
    assert languages.asks(turn(at + 4_000, at + 7_000))


def test_where_no_language_was_ever_named_the_fallback_is_taken() -> None:
    assert labels([(turn(0, 500), None), (turn(900, 1_300), None)], fallback="fr") == ["fr", "fr"]
    assert labels([(turn(0, 3_000), {})], fallback="fr") == ["fr"]
    assert labels([]) == []


def test_short_turns_alone_do_not_wait_for_ever() -> None:
    languages = TurnLanguages(("en", "fr"), fallback="fr")
    turns = [turn(at, at + 500) for at in range(0, 600_000, 5_000)]
    asked = 0
    labelled: list[LabelledTurn] = []
    for said in turns:
        asked += languages.asks(said)
        labelled += languages.label(said, None)  # the engine cannot tell either
        assert said.span.to_ms - turns[len(labelled)].span.from_ms <= 65_000
    assert asked
    labelled += languages.finish()
    assert [entry.turn for entry in labelled] == turns
    assert {entry.language for entry in labelled} == {"fr"}
