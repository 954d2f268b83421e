from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.subtitles import LINE_CHARACTERS, Cue, clock, cues, to_srt, to_text, to_vtt, wrap
from greffier.transcript import SegmentObject, TranscribedObject

pytestmark = pytest.mark.unit


def spoken(text: str, *, start: float = 0.0, word_s: float = 0.4, number: int = 1) -> SegmentObject:
    words = text.split()
    return {
        "id": number,
        "start": start,
        "end": start + word_s * len(words),
        "text": text,
        "speaker": None,
        "language": "en",
        "words": [
            {
                "text": f" {word}",
                "start": round(start + word_s * index, 3),
                "end": round(start + word_s * (index + 1), 3),
                "probability": 1.0,
            }
            for index, word in enumerate(words)
        ],
    }


def recording(*segments: SegmentObject) -> TranscribedObject:
    return {
        "text": "",
        "language": "en",
        "duration": 0.0,
        "segments": list(segments),
        "translations": {},
        "minutes": None,
    }


def test_srt_and_vtt_of_a_short_segment() -> None:
    segment = spoken("Radio <check> & out", start=3_661.5)
    segment["speaker"] = "A<1"
    made = cues(recording(segment))
    assert to_srt(made) == "1\n01:01:01,500 --> 01:01:03,100\nRadio <check> & out\n"
    assert to_vtt(made) == (
        "WEBVTT\n\n01:01:01.500 --> 01:01:03.100\n<v A&lt;1>Radio &lt;check&gt; &amp; out\n"
    )


def test_an_arrow_in_the_text_does_not_break_a_file() -> None:
    assert "a → b" in to_srt([Cue(0, 1000, "a --> b")])
    assert "a --&gt; b" in to_vtt([Cue(0, 1000, "a --> b")])


def test_a_long_segment_is_cut_after_a_sentence() -> None:
    first = "All stations, this is Control with the orders for today and tomorrow."
    text = f"{first} The convoy leaves the north gate at half past six."
    assert cues(recording(spoken(text, word_s=0.2)))[0].text == first


def test_a_word_that_lasts_too_long_starts_a_cue_of_its_own() -> None:
    made = cues(recording(spoken("one two three", word_s=5.0)))
    assert [cue.text for cue in made] == ["one", "two", "three"]


def test_short_cues_stay_a_second_where_there_is_room() -> None:
    made = cues(
        recording(
            spoken("Yes.", word_s=0.2),
            spoken("No.", start=0.5, word_s=0.2, number=2),
        )
    )
    assert [(cue.start_ms, cue.end_ms) for cue in made] == [(0, 500), (500, 1500)]


def test_a_cue_without_any_time_takes_a_little_of_the_next_one() -> None:
    made = cues(
        recording(
            spoken("World.", start=2.0, word_s=0.0),
            spoken("Can you begin?", start=2.0, word_s=0.5, number=2),
        )
    )
    assert [(cue.start_ms, cue.end_ms) for cue in made] == [(2_000, 2_500), (2_500, 3_500)]


def test_translations_take_time_by_length_and_the_speaker_of_their_segment() -> None:
    segment = spoken("x", word_s=10.0)
    segment["speaker"] = "A"
    whole = recording(segment)
    text = " ".join(["traduction"] * 20)
    whole["translations"]["fr"] = [{"id": 1, "start": 0.0, "end": 10.0, "text": text}]
    made = cues(whole, language="fr")
    assert " ".join(cue.text for cue in made) == text
    assert made[0].start_ms == 0
    assert made[-1].end_ms == 10_000
    assert {cue.speaker for cue in made} == {"A"}
    assert cues(whole, language="de") == []
    assert to_text(whole, language="fr") == f"A: {text}\n"


def test_text_without_spaces_is_cut_too() -> None:
    segment = spoken("漢" * 200, word_s=20.0)
    segment["words"] = []
    made = cues(recording(segment))
    assert "".join(cue.text for cue in made) == "漢" * 200
    assert all(len(wrap(cue.text)) <= 2 for cue in made)


def test_words_that_do_not_give_the_text_are_not_used() -> None:
    segment = spoken("one two")
    segment["words"] = segment["words"][:1]
    assert [cue.text for cue in cues(recording(segment))] == ["one two"]


def test_clock() -> None:
    assert clock(3_600_000 * 100 + 61_001, ".") == "100:01:01.001"
    assert clock(-5, ",") == "00:00:00,000"


_WORD = st.text("abcdé.,?", min_size=1, max_size=12)


@given(st.lists(st.lists(_WORD, min_size=1, max_size=40), max_size=4), st.floats(0.05, 2.0))
def test_cues_hold_all_words_in_order_and_fit(texts: list[list[str]], word_s: float) -> None:
    segments: list[SegmentObject] = []
    start = 0.0
    for number, words in enumerate(texts):
        segments.append(spoken(" ".join(words), start=start, word_s=word_s, number=number))
        start = segments[-1]["end"] + 0.3
    made = cues(recording(*segments))
    assert " ".join(cue.text for cue in made).split() == [word for text in texts for word in text]
    for cue in made:
        lines = wrap(cue.text)
        assert len(lines) <= 2
        assert all(len(line) <= LINE_CHARACTERS for line in lines)
        assert cue.start_ms < cue.end_ms
    for cue, following in pairwise(made):
        assert cue.end_ms <= following.start_ms


def test_two_who_speak_at_once_are_shown_at_once_and_who_take_turns_are_not() -> None:
    first, second, third = (
        spoken("one two three four five", start=0.0, number=1),
        spoken("six seven eight", start=1.0, number=2),
        spoken("nine", start=2.1, number=3),
    )
    first["speaker"] = third["speaker"] = "A"
    second["speaker"] = "B"
    made = cues(recording(first, third, second))
    assert [(cue.speaker, cue.start_ms, cue.end_ms) for cue in made] == [
        ("A", 0, 2_000),
        ("B", 1_000, 2_200),
        ("A", 2_100, 3_100),
    ]


def test_names_come_before_what_is_said_where_a_format_has_no_place_for_them() -> None:
    segment = spoken("we are ready", number=1)
    segment["speaker"] = "Nour B."
    whole = recording(segment)
    whole["translations"]["fr"] = [{"id": 1, "start": 0.0, "end": 1.2, "text": "nous sommes prêts"}]
    assert [cue.text for cue in cues(whole, named=True)] == ["Nour B.: we are ready"]
    assert [cue.text for cue in cues(whole, language="fr", named=True)] == [
        "Nour B.: nous sommes prêts"
    ]
    assert to_text(whole) == "Nour B.: we are ready\n"
