import pytest

from greffier.protocol import (
    Ack,
    Caption,
    CaptionWord,
    Error,
    Finished,
    Gap,
    Minutes,
    MinutesItem,
    Quality,
    Speaker,
    Translation,
    Withheld,
)
from greffier.transcript import Transcript

pytestmark = pytest.mark.unit


def test_commits_add_up_and_tails_are_replaced() -> None:
    words = (CaptionWord(" Bonjour", 0, 400, 0.9),)
    transcript = Transcript([Caption(1, 1, 0, 400, " Bonjour", " à tou", words, "fr")])
    assert transcript.segments[1].tail == " à tou"
    more = (CaptionWord(" à", 400, 500, 0.8),)
    transcript.add(Caption(2, 1, 0, 500, " à", "", more, lag_ms=900, closed=True))
    segment = transcript.segments[1]
    assert (segment.text, segment.tail, segment.closed) == (" Bonjour à", "", True)
    assert (segment.words, segment.language, transcript.lag_ms) == (words + more, "fr", 900)


def test_the_object_of_a_recording() -> None:
    transcript = Transcript(
        [
            Caption(1, 1, 100, 400, " Oui", "", (CaptionWord(" Oui", 100, 400, 0.5),), "fr", "A"),
            Translation(2, 1, "en", " Yes", "?"),
            Translation(3, 1, "en", ".", closed=True),
            Translation(3, 9, "en", " lost", closed=True),
            Caption(4, 2, 500, 600, "", "", closed=True),
            Caption(5, 3, 700, 1234, " Non", " pas", language="fr"),
            Minutes(6, "fr", "Point", summary=(MinutesItem("Oui.", (1,), verified=True),)),
            Ack(4),
            Finished(7, "finish"),
        ]
    )
    assert transcript.to_object(duration_ms=2_000) == {
        "text": "Oui Non",
        "language": "fr",
        "duration": 2.0,
        "segments": [
            {
                "id": 1,
                "start": 0.1,
                "end": 0.4,
                "text": "Oui",
                "speaker": "A",
                "language": "fr",
                "words": [{"text": " Oui", "start": 0.1, "end": 0.4, "probability": 0.5}],
            },
            {
                "id": 3,
                "start": 0.7,
                "end": 1.234,
                "text": "Non",
                "speaker": None,
                "language": "fr",
                "words": [],
            },
        ],
        "translations": {"en": [{"id": 1, "start": 0.1, "end": 0.4, "text": "Yes."}]},
        "minutes": {
            "language": "fr",
            "title": "Point",
            "summary": [
                {
                    "text": "Oui.",
                    "cites": [1],
                    "verified": True,
                    "who": None,
                    "due": None,
                    "status": None,
                }
            ],
            "topics": [],
            "decisions": [],
            "actions": [],
            "questions": [],
            "figures": [],
            "annex": [],
            "chapters": [],
            "agenda": [],
        },
        "gaps": [],
    }
    assert transcript.to_object()["duration"] == 1.234


def test_what_happened_besides_text_is_kept() -> None:
    gap, doubt, error = Gap(1, 0, 5, "lost"), Withheld(2, 5, 9, "noise"), Error("e", "m")
    transcript = Transcript([gap, doubt, error, Quality(3, "finals-only")])
    assert (transcript.gaps, transcript.withheld, transcript.errors) == ([gap], [doubt], [error])
    assert transcript.quality == "finals-only"


def test_an_empty_session_has_an_empty_object() -> None:
    assert Transcript().to_object() == {
        "text": "",
        "language": "",
        "duration": 0.0,
        "segments": [],
        "translations": {},
        "minutes": None,
        "gaps": [],
    }


def test_the_last_word_on_who_speaks_counts() -> None:
    transcript = Transcript([Caption(1, 1, 0, 400, " Oui", "", language="fr")])
    transcript.add(Speaker(2, 1, "1"))
    transcript.add(Caption(3, 1, 0, 600, " non", "", language="fr", speaker="1", closed=True))
    assert transcript.segments[1].speaker == "1"
    transcript.add(Speaker(4, 1, "2"))
    transcript.add(Speaker(4, 7, "2"))  # of a segment that is not known here
    assert {number: s.speaker for number, s in transcript.segments.items()} == {1: "2"}
    assert transcript.to_object()["segments"][0]["speaker"] == "2"
