"""From events to messages, for readers with different cursors."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import (
    AudioFormat,
    Caption,
    Doubt,
    Error,
    Finished,
    Gap,
    Minutes,
    Quality,
    Speaker,
    Translation,
    Withheld,
)
from greffier_models.types import Word
from greffier_server.core.events import (
    ClientDetached,
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    MinutesWritten,
    NotesTaken,
    QualityChanged,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SilencePassed,
    SpeakerRevised,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS
from greffier_server.transport.wire import WireMapping

pytestmark = pytest.mark.unit

ONE = Word(" one", 0, 300, 0.9)
TWO = Word(" two", 300, 700, 0.9)


def recorded(*events: Event) -> list[Recorded]:
    records: list[Recorded] = []
    seq = 0
    for event in events:
        seq += event.durable
        records.append(Recorded("t", "s", seq, 0, 0, 0, GENESIS, "", event))
    return records


def said(*events: Event, **options: object) -> list[object]:
    mapping = WireMapping(**options)  # type: ignore[arg-type]
    return [message for record in recorded(*events) for message in mapping.messages(record)]


def started(language: str = "auto") -> SessionStarted:
    from greffier.protocol import AudioFormat

    return SessionStarted(AudioFormat(), language)


def test_a_segment_s_captions_repeat_where_it_began_and_who_speaks() -> None:
    messages = said(
        started(),
        SegmentOpened(3, 100, "fr", "A"),
        WordsCommitted(3, (ONE,), " tw", lag_ms=5),
        TailRevised(3, " two", 100, 650, "fr"),
        SegmentClosed(3, 100, 800),
    )
    assert [type(message) for message in messages] == [Caption] * 3
    captions = [message for message in messages if isinstance(message, Caption)]
    assert {(c.segment, c.start_ms, c.language, c.speaker) for c in captions} == {
        (3, 100, "fr", "A")
    }
    assert [c.end_ms for c in captions] == [300, 650, 800]
    assert [(c.committed, c.tail, c.closed) for c in captions] == [
        (" one", " tw", False),
        ("", " two", False),
        ("", "", True),
    ]


def test_a_tail_may_come_before_its_segment() -> None:
    (caption,) = said(started(), LanguageDetected("de", 0.9, 0), TailRevised(1, " ja", 40, 90))
    assert caption == Caption(2, 1, 40, 90, "", " ja", language="de")


def test_each_event_says_its_message() -> None:
    assert said(
        GapFound(0, 10, "lost"),
        TextWithheld(10, 20, "loop", "secret"),
        QualityChanged("finals-only"),
        StageFailed("translate", "engine_timeout", "no answer", True),
        TranslationRevised(1, "en", "hel"),
        SegmentTranslated(1, "en", "hello", closed=False),
        MinutesWritten(Minutes(0, "fr", "T")),
        SessionFinished("finish"),
    ) == [
        Gap(1, 0, 10, "lost"),
        Withheld(2, 10, 20, "loop"),
        Quality(3, "finals-only"),
        Error("engine_timeout", "no answer", True),
        Translation(4, 1, "en", "", "hel"),
        Translation(5, 1, "en", "hello", closed=False),
        Minutes(6, "fr", "T"),
        Finished(7, "finish"),
    ]


def test_what_is_not_the_client_s_business_is_not_said() -> None:
    assert (
        said(
            started(),
            ClientDetached("x"),
            InputEnded("finish", 1),
            RecognitionFinished(),
            NotesTaken(0, 1, 2, "{}"),
        )
        == []
    )


def test_only_the_wanted_languages() -> None:
    events = (SegmentTranslated(1, "en", "x"), SegmentTranslated(1, "de", "y"))
    assert [m.language for m in said(*events, languages=("de",))] == ["de"]  # type: ignore[attr-defined]
    assert said(*events, languages=()) == []
    assert len(said(*events, languages=None)) == 2


def test_doubts_and_failures_of_a_translation_are_told() -> None:
    doubt = Doubt("number", "douze", "ten")
    whole, none = said(
        SegmentTranslated(1, "en", "ten", doubts=(doubt,), words=3),
        SegmentTranslated(2, "en", "", failure="engine_timeout"),
    )
    assert whole == Translation(1, 1, "en", "ten", closed=True, doubts=(doubt,))
    assert none == Translation(2, 2, "en", "", closed=True, failure="engine_timeout")


def test_a_viewer_of_a_language_that_will_not_come_is_told_once() -> None:
    event = replace(started("fr"), translate_to=("en",))
    (error,) = said(event, languages=("en", "de"))
    assert isinstance(error, Error)
    assert error.code == "not_translated"
    assert "de" in error.message
    assert said(event, languages=("en", "fr")) == said(event, languages=None) == []
    assert said(event, languages=("de",), after_seq=1) == []


def test_nothing_is_said_twice_but_the_tail_and_the_last_word() -> None:
    events = (
        started(),
        SegmentOpened(1, 0, "fr", "A"),
        WordsCommitted(1, (ONE,)),
        TailRevised(1, " two", 0, 700),
        SessionFinished("finish"),
    )
    messages = said(*events, after_seq=3)
    assert [(m.tail, m.speaker) for m in messages if isinstance(m, Caption)] == [(" two", "A")]
    assert said(*events, after_seq=4) == [Finished(4, "finish")]


@given(st.integers(0, 8))
def test_a_resumed_reader_hears_exactly_the_rest(after: int) -> None:
    events = (
        started("fr"),
        SegmentOpened(1, 0, "fr", "A"),
        WordsCommitted(1, (ONE,)),
        WordsCommitted(1, (TWO,)),
        SegmentClosed(1, 0, 700),
        SegmentTranslated(1, "en", "One two"),
        SessionFinished("finish"),
    )
    everything = said(*events)
    rest = [m for m in everything if m.seq > after or isinstance(m, Finished)]  # type: ignore[attr-defined]
    assert said(*events, after_seq=after) == rest


def test_a_tail_before_its_segment_has_its_own_speaker_and_language() -> None:
    (caption,) = said(
        started("fr"),
        LanguageDetected("fr", 0.9, 0, 1),
        TailRevised(2, " yes", 40, 90, "en", speaker="Nour", channel=2),
    )
    assert isinstance(caption, Caption)
    assert (caption.speaker, caption.language) == ("Nour", "en")


def test_what_is_lost_on_one_channel_names_its_speaker() -> None:
    form = AudioFormat(channels=2)
    begun = SessionStarted(form, "fr", channels="separate", speakers=("Claire",))
    assert said(
        begun,
        GapFound(0, 10, "engine_failed", 2),
        GapFound(0, 10, "client_lost_audio"),
        TextWithheld(10, 20, "loop", "secret", 1),
        SilencePassed(2, 60_000),
    ) == [
        Gap(2, 0, 10, "engine_failed", "2"),
        Gap(3, 0, 10, "client_lost_audio"),
        Withheld(4, 10, 20, "loop", "Claire"),
    ]


def test_a_revised_speaker_is_said_at_once_and_repeated_by_later_captions() -> None:
    messages = said(
        SegmentOpened(1, 0, "en"),
        WordsCommitted(1, (ONE,)),
        SpeakerRevised(1, "1"),
        WordsCommitted(1, (TWO,)),
        SegmentClosed(1, 0, 700),
        SpeakerRevised(1, "2"),
    )
    speakers = [(type(m).__name__, getattr(m, "speaker", "")) for m in messages]
    assert speakers == [
        ("Caption", None),
        ("Speaker", "1"),
        ("Caption", "1"),
        ("Caption", "1"),
        ("Speaker", "2"),
    ]
    assert messages[-1] == Speaker(6, 1, "2")
