import json
from itertools import pairwise

import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.captions import to_json, to_srt, to_txt, to_vtt
from greffier_server.core.events import (
    Event,
    GapFound,
    InputEnded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionStarted,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.state import SessionState, apply
from tests.support.meetings import spoken, started, words_of
from tests.support.subtitles import read_srt, read_vtt

pytestmark = pytest.mark.unit


def state_of(*events: Event) -> SessionState:
    state = SessionState()
    for event in events:
        state = apply(state, event)
    return state


def test_a_short_sentence_is_one_cue_with_its_own_times():
    state = state_of(*spoken([("Claire", "fr", "Nous décidons de repousser la mise en service.")]))
    (cue,) = read_srt(to_srt(state))
    assert cue.lines == ("Nous décidons de repousser", "la mise en service.")
    assert (cue.start_ms, cue.end_ms) == (0, 2400)
    assert read_vtt(to_vtt(state))[0].voice == "Claire"


def test_scenes_are_readable_cues_in_order():
    for name in ("meeting-fr", "meeting-bilingual"):
        cues = read_srt(to_srt(state_of(*spoken(name))))
        assert len(cues) > 30
        for cue in cues:
            assert len(cue.lines) <= 2
            assert all(len(line) <= 42 for line in cue.lines)
            assert 1000 <= cue.end_ms - cue.start_ms <= 7000
        for before, after in pairwise(cues):
            assert before.end_ms <= after.start_ms


def test_no_word_of_a_scene_is_lost():
    state = state_of(*spoken("meeting-fr"))
    shown = " ".join(line for cue in read_srt(to_srt(state)) for line in cue.lines)
    assert shown.split() == state.text.split()


def test_what_markup_would_read_is_escaped():
    state = state_of(*spoken([("A <b>", "en", "Use x --> y & <i>z</i>, R&D.")]))
    (cue,) = read_vtt(to_vtt(state))
    assert cue.lines == ("Use x --> y & <i>z</i>, R&D.",)
    assert cue.voice == "A &lt;b&gt;"
    (plain,) = read_srt(to_srt(state))
    assert plain.lines == ("Use x → y & <i>z</i>, R&D.",)


def test_gaps_are_shown_and_withheld_passages_are_noted_where_there_is_room():
    state = state_of(
        *spoken([(None, "en", "Hello there.")], finished=False),
        GapFound(5_000, 68_200, "connection\nlost --> here"),
        TextWithheld(70_000, 71_500, "no speech", "thank you for watching"),
        InputEnded("finish", 72_000),
    )
    cues = read_srt(to_srt(state))
    assert cues[1].lines == ("[gap 63.2 s: connection lost → here]",)
    assert (cues[1].start_ms, cues[1].end_ms) == (5_000, 12_000)
    assert "withheld" not in to_srt(state)
    assert "[00:01:10] [withheld 1.5 s: no speech]\n" in to_txt(state)
    assert "watching" not in to_txt(state)
    plain = to_json(state)
    (gap,), (withheld,) = plain["gaps"], plain["withheld"]
    cause = "connection\nlost --> here"
    assert gap == {"start": 5.0, "end": 68.2, "cause": cause, "speaker": None}
    assert withheld == {"start": 70.0, "end": 71.5, "reason": "no speech", "speaker": None}
    assert plain["duration"] == 72.0


def test_short_gaps_are_told_as_one_stretch_with_what_is_lost():
    lost = [GapFound(at_ms, at_ms + 40, "packet_loss") for at_ms in range(5_000, 35_000, 400)]
    state = state_of(*lost, GapFound(60_000, 61_500, "packet_loss"), InputEnded("finish", 72_000))
    assert len(state.gaps) == 76
    text = "[gap 3.0 s in 29.6 s: packet_loss]"
    first, second = read_srt(to_srt(state))
    assert (" ".join(first.lines), second.lines) == (text, ("[gap 1.5 s: packet_loss]",))
    assert (first.start_ms, first.end_ms) == (5_000, 12_000)
    assert to_txt(state).splitlines()[0] == f"[00:00:05] {text}"
    gaps = to_json(state)["gaps"]
    assert [gap.get("lost") for gap in gaps] == [3.0, None]
    assert (gaps[0]["start"], gaps[0]["end"]) == (5.0, 34.64)


def test_a_translation_is_spread_over_its_segment():
    long = "We have decided to postpone the start of the service to the fifteenth of January. " * 2
    state = state_of(
        SegmentOpened(1, 10_000, "fr"),
        WordsCommitted(1, (Word(" Oui.", 10_000, 22_000, 0.9),)),
        SegmentClosed(1, 10_000, 22_000),
        SegmentTranslated(1, "en", long),
    )
    cues = read_srt(to_srt(state, "en"))
    assert len(cues) >= 2
    assert " ".join(line for cue in cues for line in cue.lines).split() == long.split()
    assert cues[0].start_ms == 10_000
    assert cues[-1].end_ms <= 22_000
    assert read_srt(to_srt(state, "de")) == []


def test_ideographs_take_two_columns_and_break_anywhere_but_before_marks():
    words = tuple(
        Word(char, i * 200, i * 200 + 200, 1.0) for i, char in enumerate("今日は晴れです。" * 8)
    )
    state = state_of(SegmentOpened(1, 0, "ja"), WordsCommitted(1, words))
    for cue in read_srt(to_srt(state)):
        for line in cue.lines:
            assert len(line) <= 21
            assert not line.startswith("。")


def test_a_word_longer_than_a_line_is_cut():
    state = state_of(
        SegmentOpened(1, 0, "en"), WordsCommitted(1, (Word(" " + "x" * 100, 0, 3000, 1.0),))
    )
    lines = [line for cue in read_srt(to_srt(state)) for line in cue.lines]
    assert "".join(lines) == "x" * 100
    assert max(map(len, lines)) == 42


def test_rapid_short_segments_still_get_a_second_each():
    events: list[Event] = []
    for number in range(6):
        start = number * 300
        events.append(SegmentOpened(number, start, "en"))
        events.append(WordsCommitted(number, (Word(" Yes.", start, start + 200, 1.0),)))
    cues = read_srt(to_srt(state_of(*events)))
    assert [cue.end_ms - cue.start_ms for cue in cues] == [1000] * 6
    assert [cue.start_ms for cue in cues] == [0, 1000, 2000, 3000, 4000, 5000]


def test_json_holds_everything_in_seconds():
    state = state_of(
        started(language="fr"),
        *spoken([("Claire", "fr", "Bonjour à tous.")]),
        SegmentTranslated(1, "en", "Hello everyone."),
    )
    plain = json.loads(json.dumps(to_json(state)))
    assert plain["text"] == "Bonjour à tous."
    assert plain["language"] == "fr"
    (segment,) = plain["segments"]
    assert segment["speaker"] == "Claire"
    assert segment["words"][1] == {"text": " à", "start": 0.3, "end": 0.6, "probability": 0.9}
    assert plain["translations"] == {
        "en": [{"id": 1, "start": 0.0, "end": 0.9, "text": "Hello everyone."}]
    }
    assert plain["minutes"] is None


def test_an_empty_session_exports_nothing_but_the_frame():
    assert to_srt(SessionState()) == ""
    assert to_txt(SessionState()) == ""
    assert to_vtt(SessionState()) == "WEBVTT\n"
    assert to_json(SessionState())["segments"] == []


def _channels(*turns: tuple[int, int, str, int, int]) -> SessionState:
    """A session of two channels: number, channel, text, start and end of each segment."""
    started = SessionStarted(
        AudioFormat(channels=2), "fr", channels="separate", speakers=("Claire", "Nour")
    )
    events: list[Event] = [started]
    for number, channel, text, start_ms, end_ms in turns:
        speaker = ("Claire", "Nour")[channel - 1]
        events.append(SegmentOpened(number, start_ms, "fr", speaker, channel))
        events.append(WordsCommitted(number, words_of(text, start_ms, end_ms)))
        events.append(SegmentClosed(number, start_ms, end_ms))
    return state_of(*events)


def test_overlapping_channels_are_told_in_order_of_time_and_shown_at_once():
    state = _channels(
        (1, 2, "Oui, je suis là.", 3_000, 6_000),
        (2, 1, "Bonjour à tous.", 1_000, 5_000),
        (3, 1, "On commence.", 9_000, 10_500),
    )
    assert to_txt(state).splitlines() == [
        "[00:00:01] Claire: Bonjour à tous.",
        "[00:00:03] Nour: Oui, je suis là.",
        "[00:00:09] Claire: On commence.",
    ]
    assert state.text.splitlines()[0] == "Bonjour à tous."
    assert [segment["id"] for segment in to_json(state)["segments"]] == [2, 1, 3]
    vtt = read_vtt(to_vtt(state))
    assert [(cue.voice, cue.start_ms, cue.end_ms) for cue in vtt] == [
        ("Claire", 1_000, 5_000),
        ("Nour", 3_000, 6_000),
        ("Claire", 9_000, 10_500),
    ]
    srt = read_srt(to_srt(state))
    assert [cue.lines for cue in srt] == [
        ("Claire: Bonjour à tous.",),
        ("Nour: Oui, je suis là.",),
        ("Claire: On commence.",),
    ]


def test_what_is_lost_of_one_channel_names_its_speaker():
    state = _channels((1, 1, "Bonjour.", 1_000, 2_000))
    state = apply(state, GapFound(3_000, 5_000, "engine_failed", 2))
    state = apply(state, TextWithheld(6_000, 7_000, "loop", "x", 1))
    assert "Nour: [gap 2.0 s: engine_failed]" in to_txt(state)
    assert "Claire: [withheld 1.0 s: loop]" in to_txt(state)
    assert "Nour: [gap" in to_srt(state)
    plain = to_json(state)
    assert (plain["gaps"][0]["speaker"], plain["withheld"][0]["speaker"]) == ("Nour", "Claire")
