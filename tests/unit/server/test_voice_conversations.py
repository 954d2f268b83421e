"""What clients of other protocols are told of a meeting, as it was reviewed."""

import itertools
import json

import pytest
from starlette.datastructures import QueryParams

from greffier_models.types import Word
from greffier_server.transport.deepgram.asked import Listen
from greffier_server.transport.deepgram.results import ResultsMapping
from greffier_server.transport.spoken import bare, spoken, spread
from greffier_server.transport.whisperlive.asked import Greeting
from greffier_server.transport.whisperlive.segments import SegmentsMapping
from tests.support.spoken_log import batch, opened, said, tail
from tests.support.voice_conversations import FOLDER, KINDS, MEETING, conversation

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("kind", KINDS)
def test_clients_are_told_what_was_reviewed(kind: str) -> None:
    assert conversation(kind) == (FOLDER / f"{kind}.jsonl").read_text(encoding="utf-8")


def test_no_conversation_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(KINDS)


def test_finals_of_a_channel_follow_each_other_without_a_gap() -> None:
    told = [json.loads(line) for line in conversation("deepgram").splitlines()]
    finals = [one for one in told if one["type"] == "Results" and one["is_final"]]
    for before, after in itertools.pairwise(finals):
        assert abs(before["start"] + before["duration"] - after["start"]) < 0.001


def test_channels_are_told_apart() -> None:
    asked = Listen.read(QueryParams("encoding=linear16&sample_rate=8000&channels=2&diarize=true"))
    mapping = ResultsMapping(asked, channels=2, metadata={})
    told = mapping.messages(
        batch(
            opened(1, 0, channel=1),
            opened(2, 0, channel=2),
            said(2, "deux", 0),
            said(1, "un", 0),
            tail(3, "trois", 300, 400, channel=2),
        )
    )
    by_channel = {tuple(one["channel_index"]): one for one in told}
    first, second = by_channel[0, 2], by_channel[1, 2]
    assert first["channel"]["alternatives"][0]["transcript"] == "un"
    assert first["speech_final"]
    assert second["channel"]["alternatives"][0]["words"][0]["speaker"] == 1
    assert not second["speech_final"]


def test_whisperlive_never_sends_an_empty_list() -> None:
    """Its client looks at the last segment of each list."""
    mapping = SegmentsMapping(Greeting.read({"uid": "u"}))
    told = mapping.messages(batch(tail(1, "euh", 0, 100)))
    told += mapping.messages(batch(tail(1, "", 100, 100)))
    assert [len(one["segments"]) for one in told] == [1]


def test_whisperlive_waits_for_translations_only_when_it_asked() -> None:
    plain, wanting = (
        SegmentsMapping(Greeting.read({"uid": "u", "task": task}))
        for task in ("transcribe", "translate")
    )
    for records in MEETING[:3]:
        plain.messages(records)
        wanting.messages(records)
        assert plain.translated
    assert not wanting.translated
    wanting.messages(MEETING[3])
    assert wanting.translated


@pytest.mark.parametrize(
    ("written", "name"),
    [(" L’été,", "l’été"), (" «Oui»", "oui"), (" 3,5", "3,5"), (" ?", ""), (" C'est…", "c'est")],
)
def test_bare_words(written: str, name: str) -> None:
    assert bare(written) == name


def test_marks_belong_to_the_word_before() -> None:
    words = [Word(" ça", 0, 100, 0.9), Word(" va", 100, 200, 0.8), Word(" ?", 200, 250, 0.7)]
    assert [(word.bare, word.written, word.end_ms) for word in spoken(words)] == [
        ("ça", "ça", 100),
        ("va", "va ?", 250),
    ]
    assert spoken([Word(" ?", 0, 10, 0.5)]) == []


def test_words_that_are_not_decided_lie_within_their_stretch() -> None:
    found = spread("un deux trois …", 100, 400, probability=0.5)
    assert [word.bare for word in found] == ["un", "deux", "trois"]
    assert found[0].start_ms == 100
    assert found[-1].end_ms == 400
    assert spread("", 100, 50, probability=0.5) == []


def test_an_utterance_ends_only_when_speech_behind_it_would_have_been_seen() -> None:
    asked = Listen.read(QueryParams("utterance_end_ms=1000"))
    mapping = ResultsMapping(asked, channels=1, metadata={})
    mapping.messages(batch(opened(1, 0), said(1, "un deux", 0)))
    assert mapping.heard(400 + 1_000) == []
    (end,) = mapping.heard(400 + 1_000 + 1_200)
    assert end["last_word_end"] == 0.4
    assert mapping.heard(60_000) == []  # said once
    mapping.messages(batch(tail(2, "trois", 60_000, 60_500)))
    assert mapping.heard(90_000) == []  # someone speaks
