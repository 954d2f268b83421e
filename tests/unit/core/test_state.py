"""Every event, applied to the state of a session."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import AudioFormat, Minutes
from greffier_models.encoded import spoken
from greffier_server.core.events import (
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    MinutesWritten,
    QualityChanged,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.state import SessionState, TranslatedText, apply, fold
from tests.support.event_values import events
from tests.support.sessions import chain, meeting

pytestmark = pytest.mark.unit


def test_a_whole_session() -> None:
    state = fold(meeting())
    assert state.seq == 9
    assert state.language == "fr"
    (segment,) = state.segments.values()
    assert (segment.start_ms, segment.end_ms, segment.closed) == (100, 400, True)
    assert segment.text == "Ça va\0 \u2028 « 😀 »"
    assert segment.tail == ""
    assert segment.translations == {"en": TranslatedText("It's fine.", closed=True)}
    assert state.minutes == Minutes(0, "fr", "Titre", summary=state.minutes.summary)  # type: ignore[union-attr]
    assert state.finished == SessionFinished("finish")
    assert not state.recognised


def test_one_segment_as_it_is_seen() -> None:
    first, second = spoken("le budget est")[:2], spoken("le budget est")[2:]
    state = fold(chain(SegmentOpened(1, 0, "fr", "A"), WordsCommitted(1, first, tail=" et")))
    assert (state.segments[1].text, state.segments[1].tail) == ("le budget", " et")
    state = apply(state, TailRevised(1, " est voté", 600, 900))
    assert state.segments[1].tail == " est voté"
    state = apply(state, WordsCommitted(1, second))
    assert (state.segments[1].tail, state.segments[1].end_ms) == ("", 840)
    state = apply(state, SegmentClosed(1, 0, 840))
    assert state.segments[1].closed
    assert state.text == "le budget est"


def test_translations_grow_and_their_tails_change() -> None:
    state = fold(chain(SegmentOpened(1, 0, "fr")))
    state = apply(state, TranslationRevised(1, "en", "the"))
    state = apply(state, SegmentTranslated(1, "en", "the budget", closed=False))
    state = apply(state, SegmentTranslated(1, "de", "der Haushalt"))
    state = apply(state, SegmentTranslated(1, "en", " is passed"))
    assert state.segments[1].translations == {
        "en": TranslatedText("the budget is passed", "", closed=True),
        "de": TranslatedText("der Haushalt", "", closed=True),
    }


def test_what_belongs_to_no_segment_changes_nothing() -> None:
    assert apply(SessionState(), TailRevised(1, "x", 0, 0)) == SessionState()
    assert apply(SessionState(), SegmentTranslated(1, "en", "x")) == SessionState()


def test_the_rest() -> None:
    gap, doubt = GapFound(0, 10, "lost"), TextWithheld(0, 10, "no_voice")
    failed = StageFailed("translate", "x", "y")
    started = SessionStarted(AudioFormat(), "fr")
    ended, minutes = InputEnded("finish", 5), Minutes(0, "fr", "t")
    state = fold(
        chain(
            started,
            LanguageDetected("en", 0.9, 0),
            gap,
            doubt,
            failed,
            QualityChanged("longer-hops"),
            ended,
            RecognitionFinished(),
            MinutesWritten(minutes),
        )
    )
    assert (state.started, state.language, state.quality) == (started, "en", "longer-hops")
    assert (state.gaps, state.withheld, state.failures) == ((gap,), (doubt,), (failed,))
    assert (state.ended, state.recognised, state.minutes) == (ended, True, minutes)


@pytest.mark.parametrize("kind", get_args(Event))
@given(data=st.data())
def test_applying_changes_no_earlier_state(kind: type[Event], data: st.DataObject) -> None:
    before = fold(meeting())
    copy = fold(meeting())
    apply(before, data.draw(events(kind)))
    assert before == copy
