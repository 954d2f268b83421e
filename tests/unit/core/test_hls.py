"""HLS tracks: segments that never change, every committed word once, and nothing else."""

import random
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.events import (
    AudioAnchored,
    Event,
    GapFound,
    InputEnded,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SilencePassed,
    TailRevised,
    WordsCommitted,
)
from greffier_server.core.hls import SPEECH, TARGET_MS, Reel

pytestmark = pytest.mark.unit

MAP = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
CUE = re.compile(r"(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n(.+)", re.S)


def records(events: Sequence[Event]) -> list[Recorded]:
    made: list[Recorded] = []
    seq = 0
    for event in events:
        seq += event.durable
        to_ms = event.to_byte // 32 if isinstance(event, AudioAnchored) else 0
        made.append(Recorded("t", "s", seq, 1_000, 0, to_ms, "", "", event))
    return made


def anchored(to_ms: int) -> AudioAnchored:
    return AudioAnchored(0, to_ms * 32, "")


def speech(number: int, start_ms: int, count: int, *, language: str = "fr") -> list[Event]:
    """A segment of `count` words, committed two by two, with tails in between."""
    events: list[Event] = [SegmentOpened(number, start_ms, language)]
    for at in range(0, count, 2):
        words = tuple(
            Word(f" w{number}.{n}", start_ms + n * 400, start_ms + n * 400 + 350, 0.9)
            for n in range(at, min(at + 2, count))
        )
        events += [TailRevised(number, " TAIL", 0, 1), WordsCommitted(number, words, " TAIL")]
    return [*events, SegmentClosed(number, start_ms, start_ms + count * 400)]


def fold(events: Sequence[Event], track: str = SPEECH) -> Reel:
    reel = Reel(track)
    for record in records(events):
        reel.take(record)
    return reel


def cues(text: str) -> list[tuple[int, int, str]]:
    blocks = text.strip().split("\n\n")
    assert blocks[0].split("\n")[0] == "WEBVTT"
    found: list[tuple[int, int, str]] = []
    for block in blocks[1:]:
        match = CUE.fullmatch(block)
        assert match is not None, block
        h, m, s, ms, h2, m2, s2, ms2 = (int(match[n]) for n in range(1, 9))
        start = ((h * 60 + m) * 60 + s) * 1000 + ms
        end = ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        found.append((start, end, match[9]))
    return found


def shown(reel: Reel) -> list[tuple[int, int, str]]:
    """Every cue once, in order; one that lies in several segments is the same in each."""
    found: dict[tuple[int, int, str], None] = {}
    for number in range(reel.count):
        text = reel.segment(number)
        assert text is not None
        for cue in cues(text):
            assert cue[0] < (number + 1) * TARGET_MS
            assert cue[1] > number * TARGET_MS
            found[cue] = None
    return sorted(found)


def end(duration_ms: int) -> list[Event]:
    return [InputEnded("finish", duration_ms), RecognitionFinished(), SessionFinished("finish")]


def meeting(seed: int) -> list[Event]:
    """Segments with pauses, silences and gaps between them; anchors every ten seconds."""
    dice = random.Random(seed)
    events: list[Event] = [SessionStarted(AudioFormat(), "fr")]
    at_ms = 0
    for number in range(1, 30):
        at_ms += dice.choice([200, 900, 4_000, 25_000])
        count = dice.randrange(1, 40)
        events += speech(number, at_ms, count)
        at_ms += count * 400
        events.append(anchored(at_ms))
        if dice.random() < 0.2:
            events.append(SilencePassed(0, at_ms))
        if dice.random() < 0.1:
            events.append(GapFound(at_ms, at_ms + 500, "network"))
    return [*events, *end(at_ms + 1_000)]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_listed_never_changes_and_holds_every_word_once(seed: int) -> None:
    events = meeting(seed)
    reel, seen = Reel(SPEECH), list[str]()
    listed_from = 0
    for record in records(events):
        reel.take(record)
        for number, text in enumerate(seen):
            assert reel.segment(number) == text
        seen += [reel.segment(number) or "" for number in range(len(seen), reel.count)]
        playlist = reel.playlist(window=5)
        first = int(playlist.split("MEDIA-SEQUENCE:")[1].split("\n")[0])
        assert first >= listed_from
        listed_from = first
        assert playlist.count("#EXTINF") == min(5, reel.count)
    assert reel.ended
    text = " ".join(text for _, _, text in shown(reel))
    assert "TAIL" not in text
    said = [
        word.text.strip()
        for event in events
        if isinstance(event, WordsCommitted)
        for word in event.words
    ]
    assert [word for word in text.split() if word.startswith("w")] == said
    # They do not overlap: there is one channel.
    placed = shown(reel)
    assert all(one[1] <= two[0] for one, two in pairwise(placed))


def test_the_playlist_is_live_until_the_end() -> None:
    events: list[Event] = [SessionStarted(AudioFormat(), "fr"), *speech(1, 0, 60)]
    reel = fold(events)
    assert reel.count == 2  # 24 s are recognised; 8 s are held back
    live = reel.playlist(window=20)
    assert live.splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:6",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01.000Z",
        "#EXTINF:6.000,",
        "0.vtt",
        "#EXTINF:6.000,",
        "1.vtt",
    ]
    assert reel.segment(2) is None
    over = fold([*events, *end(26_500)])
    assert over.playlist(window=2, query="?token=x").splitlines()[3:] == [
        "#EXT-X-MEDIA-SEQUENCE:3",
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:19.000Z",
        "#EXTINF:6.000,",
        "3.vtt?token=x",
        "#EXTINF:2.500,",
        "4.vtt?token=x",
        "#EXT-X-ENDLIST",
    ]
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in over.playlist(window=0)
    assert over.segment(0, mpegts=900_000) == (over.segment(0) or "").replace(
        MAP, MAP.replace(":0,", ":900000,")
    )


def test_silence_goes_on_by_the_audio_and_late_words_are_shown_late() -> None:
    events: list[Event] = [SessionStarted(AudioFormat(), "fr"), anchored(60_000)]
    reel = fold(events)
    assert reel.count == 5
    assert [reel.segment(number) for number in range(5)] == [f"WEBVTT\n{MAP}\n"] * 5
    late = fold([*events, *speech(1, 10_000, 2), *end(60_000)])
    ((start_ms, end_ms, text),) = shown(late)
    assert (start_ms, text) == (30_000, "w1.0 w1.1")
    assert end_ms - start_ms == 1_000


def test_a_language_shows_its_speech_and_what_is_translated_into_it() -> None:
    events: list[Event] = [
        SessionStarted(AudioFormat(), "auto"),
        *speech(1, 0, 5, language="fr"),
        SegmentTranslated(1, "en", "Hello <all> & --> more"),
        SegmentTranslated(1, "de", "Hallo"),
        *speech(2, 4_000, 3, language="en"),
        *end(8_000),
    ]
    english = [text for _, _, text in shown(fold(events, "en"))]
    assert english == ["Hello &lt;all&gt; &amp; → more", "w2.0 w2.1 w2.2"]
    assert [text for _, _, text in shown(fold(events, "de"))] == ["Hallo"]
    assert len(shown(fold(events))) == 2


def test_a_word_wider_than_two_lines_is_shown_whole() -> None:
    wide = "x" * 130
    words = (Word(f" {wide}", 0, 900, 0.9), Word(" end", 900, 1_200, 0.9))
    events: list[Event] = [
        SessionStarted(AudioFormat(), "fr"),
        SegmentOpened(1, 0, "fr"),
        WordsCommitted(1, words),
        SegmentClosed(1, 0, 1_200),
        *end(2_000),
    ]
    text = "".join(text for _, _, text in shown(fold(events)))
    assert "".join(text.split()) == wide + "end"


def test_an_empty_session_has_an_end() -> None:
    assert (
        fold([SessionStarted(AudioFormat(), "fr"), *end(0)])
        .playlist(window=20)
        .endswith("#EXT-X-ENDLIST\n")
    )


def test_lost_packets_are_told_now_and_then_and_hold_up_no_words() -> None:
    """At 5 % of loss; a gap that stands alone is told by itself."""
    events: list[Event] = [SessionStarted(AudioFormat(), "fr")]
    for number in range(1, 11):
        at_ms = number * 6_000
        events += [
            GapFound(at_ms + n * 400, at_ms + n * 400 + 20, "packet_loss") for n in range(15)
        ]
        events += speech(number, at_ms, 15)
    events += [GapFound(80_000, 81_500, "source_lost"), SilencePassed(0, 90_000), *end(90_000)]
    found = shown(fold(events))
    told = [" ".join(text.split()) for _, _, text in found if "[gap" in text]
    assert told[-1] == "[gap 1.5 s: source_lost]"
    assert 10 <= len(told) <= 14
    lost = [float(text.split()[1]) for text in told[:-1]]
    assert sum(lost) == pytest.approx(150 * 0.02, abs=0.05 * len(lost))
    for start_ms, _, text in found:
        if (words := re.search(r"w(\d+)\.(\d+)", text)) is not None:
            said_ms = int(words[1]) * 6_000 + int(words[2]) * 400
            assert said_ms <= start_ms < said_ms + 4_000
