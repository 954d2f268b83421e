"""The judge of the crash harness finds what is lost, doubled or changed: each fault by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.crashes.passages import Passage
from benchmarks.crashes.speakers import Notes
from benchmarks.crashes.verdict import Record, Tally, judge

pytestmark = pytest.mark.unit

AUDIO = bytes(range(200)) * 2
WORDS = ["we", "hold", "the", "bridge", "until", "relief", "arrives", "over"]


class Spoken:
    """A speaker whose session is over."""

    def __init__(self) -> None:
        self.passage = Passage("test", "en", AUDIO)
        self.phase = "done"
        self.notes = Notes(
            session="s1",
            acknowledged=len(AUDIO) // 2,
            committed={4: "".join(f" {word}" for word in WORDS)},
            finished="finish",
        )

    async def speak(self) -> None:
        raise AssertionError("it has spoken")


def event(seq: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"seq": seq, "event": {"type": kind, **fields}}


def words(*texts: str, start_ms: int = 0) -> list[dict[str, Any]]:
    return [
        {"text": f" {text}", "start_ms": start_ms + n * 1000, "end_ms": start_ms + n * 1000 + 900}
        for n, text in enumerate(texts)
    ]


def record() -> Record:
    return Record(
        events=[
            event(1, "SessionStarted", translate_to=["fr"], minutes=True),
            event(2, "ClientAttached"),
            event(3, "SegmentOpened", segment=1),
            event(4, "WordsCommitted", words=words(*WORDS)),
            event(5, "SegmentClosed", segment=1),
            event(6, "SegmentTranslated", segment=1, language="fr", text="un", closed=True),
            event(7, "MinutesWritten"),
            event(8, "SessionFinished"),
        ],
        audio=AUDIO,
        state="finished",
        breaks=[],
    )


def verdict(change: Callable[[Spoken, Record], Record | None]) -> Tally:
    spoken, found = Spoken(), record()
    return judge(spoken, change(spoken, found) or found, [record()])


def test_nothing_wrong_is_clean() -> None:
    tally = verdict(lambda _, __: None)
    assert tally.clean, tally
    assert (tally.sessions, tally.commits, tally.same_text) == (1, 1, 1)


def _other_audio(_: Spoken, found: Record) -> Record:
    return Record(found.events, AUDIO[:-2] + b"\xff\xff", found.state, found.breaks)


def _short_audio(_: Spoken, found: Record) -> Record:
    return Record(found.events, AUDIO[:-20], found.state, found.breaks)


def _unfinished(_: Spoken, found: Record) -> Record:
    return Record(found.events, found.audio, "open", found.breaks)


def _broken(_: Spoken, found: Record) -> Record:
    return Record(found.events, found.audio, found.state, ["the chain breaks at event 3"])


def _told_more(spoken: Spoken, _: Record) -> None:
    spoken.notes.committed[9] = " ten"


def _told_otherwise(spoken: Spoken, _: Record) -> None:
    spoken.notes.committed[4] += " and out"


def _never_told(spoken: Spoken, _: Record) -> None:
    spoken.notes.committed.clear()


def _said_again(spoken: Spoken, found: Record) -> None:
    found.events[3]["event"]["words"] += words(*WORDS[-3:], start_ms=9_000)
    spoken.notes.committed[4] += "".join(f" {word}" for word in WORDS[-3:])


def _back_in_time(_: Spoken, found: Record) -> None:
    found.events[3]["event"]["words"][3]["start_ms"] = 10


def _end_lost(spoken: Spoken, found: Record) -> None:
    del found.events[3]["event"]["words"][4:]
    spoken.notes.committed[4] = "".join(f" {word}" for word in WORDS[:4])


def _end_withheld(spoken: Spoken, found: Record) -> None:
    _end_lost(spoken, found)
    found.events.append(event(9, "TextWithheld", end_ms=7_900))


def _no_translation(_: Spoken, found: Record) -> None:
    del found.events[5]


def _empty_translation(_: Spoken, found: Record) -> None:
    found.events[5]["event"]["text"] = ""


def _two_translations(_: Spoken, found: Record) -> None:
    found.events.insert(6, found.events[5])


def _no_minutes(_: Spoken, found: Record) -> None:
    del found.events[6]


def _two_minutes(_: Spoken, found: Record) -> None:
    found.events.append(found.events[6])


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        (_other_audio, "samples_changed"),
        (_short_audio, "acknowledged_samples_lost"),
        (_unfinished, "unfinished"),
        (_broken, "other"),
        (_told_more, "commits_lost"),
        (_never_told, "commits_lost"),
        (_told_otherwise, "commits_changed"),
        (_said_again, "commits_doubled"),
        (_back_in_time, "commits_doubled"),
        (_end_lost, "last_words_lost"),
        (_no_translation, "translations_lost"),
        (_empty_translation, "translations_lost"),
        (_two_translations, "translations_doubled"),
        (_no_minutes, "minutes_lost"),
        (_two_minutes, "minutes_doubled"),
    ],
)
def test_each_fault_is_found(
    change: Callable[[Spoken, Record], Record | None], figure: str
) -> None:
    tally = verdict(change)
    assert getattr(tally, figure) > 0, tally
    assert not tally.clean
    assert tally.complaints


def test_an_end_that_is_marked_is_counted_apart() -> None:
    tally = verdict(_end_withheld)
    assert (tally.last_words_lost, tally.last_words_withheld) == (0, 1)
    assert tally.longest_missing_run == 4
    assert tally.clean


def test_an_end_that_some_undisturbed_run_has_not_either_is_no_loss() -> None:
    spoken, found = Spoken(), record()
    _end_lost(spoken, found)
    assert judge(spoken, found, [record(), record()]).last_words_lost == 1
    assert judge(spoken, found, [record(), found]).last_words_lost == 0


def test_another_replay_is_not_clean() -> None:
    assert Tally(replays=2).clean
    assert not Tally(replays=2, replays_different=1).clean


def test_a_last_piece_that_adds_nothing_closes_a_translation() -> None:
    spoken, found = Spoken(), record()
    found.events[5]["event"]["text"] = ""
    grown = event(5, "SegmentTranslated", segment=1, language="fr", text="un", closed=False)
    found.events.insert(5, grown)
    assert judge(spoken, found, [record()]).clean


def test_a_translation_that_is_said_to_be_none_is_counted_apart() -> None:
    spoken, found = Spoken(), record()
    found.events[5]["event"] |= {"text": "", "failure": "translation_rejected"}
    tally = judge(spoken, found, [record()])
    assert tally.clean
    assert (tally.translations, tally.translations_refused) == (1, 1)
