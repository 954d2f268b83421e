"""A second reading against the live text: hand-made cases."""

import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.captions import to_json, to_txt
from greffier_server.core.events import (
    Event,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    SessionStarted,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.revisions import Heard, align, count, differences, revised
from greffier_server.core.state import SessionState, fold
from tests.support.sessions import chain

pytestmark = pytest.mark.unit


def said(text: str, at_ms: int, *, word_ms: int = 300) -> tuple[Word, ...]:
    return tuple(
        Word(f" {part}", at_ms + word_ms * n, at_ms + word_ms * (n + 1), 0.9)
        for n, part in enumerate(text.split())
    )


def session(*lines: tuple[str, int], language: str = "en") -> list[Event]:
    events: list[Event] = [SessionStarted(AudioFormat(), language)]
    for number, (text, at_ms) in enumerate(lines, start=1):
        words = said(text, at_ms)
        events += [
            SegmentOpened(number, at_ms, language),
            WordsCommitted(number, words),
            SegmentClosed(number, at_ms, words[-1].end_ms),
        ]
    return [*events, SessionFinished("finish")]


def passed(
    events: list[Event], *heard: Heard, lost: tuple[tuple[int, int], ...] = ()
) -> tuple[SessionState, SecondPassFinished]:
    """Return the state after a second pass, and its sum."""
    segments = list(fold(chain(*events)).segments.values())
    revisions = align(segments, heard, lost=lost)
    total = count(segments, revisions)
    told = differences(segments, revisions)
    return fold(chain(*events, SecondPassStarted("en", 5), *told, total)), total


def texts(state: SessionState) -> dict[int, str]:
    return {key: segment.text for key, segment in state.segments.items()}


LIVE = session(("the red fox jumps.", 1_000), ("over a lazy dock.", 3_000))


def test_the_same_text_makes_no_revision() -> None:
    words = said("the red fox jumps.", 1_100) + said("over a lazy dock.", 2_950)
    state, total = passed(LIVE, Heard("en", words))
    assert total == SecondPassFinished(8, 0, 0, 0)
    assert state.second_pass is not None
    assert state.second_pass.revisions == {}
    assert texts(revised(state)) == texts(state)


def test_a_corrected_word_replaces_its_segment_and_the_live_text_stays() -> None:
    words = said("the red fox jumps.", 1_100) + said("over a lazy dog.", 2_950)
    state, total = passed(LIVE, Heard("en", words))
    assert total == SecondPassFinished(8, 1, 0, 0)
    assert texts(state)[2] == "over a lazy dock."
    assert texts(revised(state)) == {1: "the red fox jumps.", 2: "over a lazy dog."}
    assert revised(state).segments[2].closed


def test_words_stay_with_those_they_belong_to_where_times_differ() -> None:
    """The second reading hears the end of the first sentence where live the next had begun."""
    live = session(("we meet at noon.", 1_000), ("bring the old maps.", 2_200))
    words = said("we meet at noon.", 1_250) + said("bring all the old maps.", 2_500)
    state, _ = passed(live, Heard("en", words))
    assert texts(revised(state)) == {1: "we meet at noon.", 2: "bring all the old maps."}


def test_new_speech_gets_numbers_of_its_own_in_its_place() -> None:
    words = (
        said("the red fox jumps.", 1_000)
        + said("over a lazy dock.", 3_000)
        + said("what happened just then?", 9_000)
        + said("nothing at all.", 10_200)
    )
    state, total = passed(LIVE, Heard("en", words))
    assert (total.changed, total.added) == (0, 2)
    shown = revised(state)
    assert texts(shown)[3] == "what happened just then?"
    assert texts(shown)[4] == "nothing at all."
    assert 3 not in state.segments
    before = passed(session(("later.", 9_000)), Heard("en", said("first.", 100)))[0]
    assert list(texts(revised(before)).values()) == ["first.", "later."]


def test_text_not_heard_again_is_marked_and_kept() -> None:
    state, total = passed(LIVE, Heard("en", said("the red fox jumps.", 1_000)))
    assert total == SecondPassFinished(4, 0, 0, 1)
    shown = revised(state)
    assert shown.segments[2].text == "over a lazy dock."
    assert [segment.confirmed for segment in shown.segments.values()] == [True, False]
    assert to_txt(shown).splitlines()[1].endswith("over a lazy dock. [not heard again]")
    assert to_json(shown)["segments"][1]["confirmed"] is False
    assert "not heard again" not in to_txt(state)


def test_what_could_not_be_read_again_is_neither_changed_nor_doubted() -> None:
    state, total = passed(LIVE, Heard("en", said("a red fox.", 1_000)), lost=((2_900, 5_000),))
    assert (total.changed, total.unconfirmed) == (1, 0)
    assert texts(revised(state)) == {1: "a red fox.", 2: "over a lazy dock."}


def test_another_language_is_a_difference_and_an_edge_for_new_speech() -> None:
    live = session(("bon jour.", 1_000))
    state, total = passed(
        live,
        Heard("fr", said("bon jour.", 1_000)),
        Heard("fr", said("alors", 9_000)),
        Heard("en", said("so", 9_300)),
    )
    assert (total.changed, total.added) == (1, 2)
    assert [s.language for s in revised(state).segments.values()] == ["fr", "fr", "en"]


def test_a_session_where_nothing_was_heard_live() -> None:
    state, total = passed(session(), Heard("en", said("hello there.", 500)))
    assert (total.words, total.added) == (2, 1)
    assert texts(revised(state)) == {1: "hello there."}
    assert passed(session())[1] == SecondPassFinished(0, 0, 0, 0)


def test_a_withheld_passage_that_is_heard_now_is_no_longer_listed() -> None:
    events = [*LIVE, TextWithheld(9_000, 9_500, "loop"), TextWithheld(20_000, 21_000, "hum")]
    state, _ = passed(events, Heard("en", said("hello there.", 9_100)))
    assert [doubt.reason for doubt in state.withheld] == ["loop", "hum"]
    assert [doubt.reason for doubt in revised(state).withheld] == ["hum"]


def test_a_pass_counts_only_when_it_is_finished() -> None:
    segments = list(fold(chain(*LIVE)).segments.values())
    told = differences(segments, align(segments, [Heard("en", said("a cat.", 1_000))]))
    state = fold(chain(*LIVE, SecondPassStarted("en", 5), *told))
    assert revised(state) is state


def test_a_later_pass_replaces_the_earlier() -> None:
    first, total = passed(LIVE, Heard("en", said("a cat.", 1_000)))
    assert first.second_pass is not None
    again = fold(
        chain(
            *LIVE,
            SecondPassStarted("en", 5),
            *first.second_pass.revisions.values(),
            total,
            SecondPassStarted("en", 1),
            SecondPassFinished(8, 0, 0, 0),
        )
    )
    assert texts(revised(again)) == texts(fold(chain(*LIVE)))


def test_a_segment_whose_time_holds_words_gets_them_from_its_neighbour() -> None:
    live = session(("ah.", 1_000), ("well then.", 2_600))
    words = (*said("well", 1_050, word_ms=200), *said("then.", 2_700))
    state, total = passed(live, Heard("en", words))
    assert total.unconfirmed == 0
    assert texts(revised(state)) == {1: "well", 2: "then."}
    before = session(("well then.", 1_000), ("ah.", 3_000))
    words = (*said("well", 1_050), *said("then.", 3_050, word_ms=200))
    state, total = passed(before, Heard("en", words))
    assert total.unconfirmed == 0
    assert texts(revised(state)) == {1: "well", 2: "then."}
