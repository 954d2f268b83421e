"""What a disturbed session lost: its record against what was sent, told, and said undisturbed."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any, cast

from benchmarks.accuracy import normalise
from benchmarks.crashes.speakers import Speaker

__all__ = ["Record", "Tally", "fetch_record", "judge"]

_GENESIS = "0" * 64
_LAST_WORD_MS = 700
"""A last word may begin and end a little elsewhere when it was decoded in another window."""
_REPEATED_WORDS = 3


@dataclass(frozen=True, slots=True)
class Record:
    """A session as the server keeps it."""

    events: list[dict[str, Any]]
    audio: bytes
    """16-bit samples."""
    state: str
    breaks: list[str]
    """Where numbers or hashes do not follow."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Events of one type."""
        return [record["event"] for record in self.events if record["event"]["type"] == kind]

    @property
    def words(self) -> list[dict[str, Any]]:
        """Every committed word."""
        return [word for event in self.of("WordsCommitted") for word in event["words"]]

    @property
    def text(self) -> str:
        """Everything committed."""
        return "".join(word["text"] for word in self.words).strip()


@dataclass
class Tally:
    """Sums over sessions; every ``…_lost`` and ``commits_…`` has to be 0."""

    sessions: int = 0
    kills: int = 0
    stops: int = 0
    cuts: int = 0
    freezes: int = 0
    resumes: int = 0
    acknowledged_samples: int = 0
    acknowledged_samples_lost: int = 0
    samples_changed: int = 0
    commits: int = 0
    commits_lost: int = 0
    commits_doubled: int = 0
    commits_changed: int = 0
    last_words_lost: int = 0
    """Neither written nor marked."""
    last_words_withheld: int = 0
    """Marked: the recogniser made nothing of them."""
    translations: int = 0
    """Segments that had to be translated."""
    translations_refused: int = 0
    """Of these, said to be none: the model's answer was not believed."""
    translations_lost: int = 0
    translations_doubled: int = 0
    minutes: int = 0
    """Sessions that had to have minutes."""
    minutes_lost: int = 0
    minutes_doubled: int = 0
    unfinished: int = 0
    other: int = 0
    same_text: int = 0
    """Sessions whose text is, word for word, that of an undisturbed run."""
    longest_missing_run: int = 0
    """Most words in a row of an undisturbed run that a disturbed one does not have."""
    replays: int = 0
    """Finished sessions that were heard again from journal and recorded decisions."""
    replays_different: int = 0
    """Those with another event, or that could not be heard again."""
    replayed_starts: int = 0
    """Of recognition, in those sessions: one more after each restart."""
    replayed_events: int = 0
    """That came again, or should have."""
    complaints: list[str] = field(default_factory=list[str])

    @property
    def clean(self) -> bool:
        """Nothing was lost, doubled or changed."""
        return not any(
            (
                self.acknowledged_samples_lost,
                self.samples_changed,
                self.commits_lost,
                self.commits_doubled,
                self.commits_changed,
                self.last_words_lost,
                self.translations_lost,
                self.translations_doubled,
                self.minutes_lost,
                self.minutes_doubled,
                self.unfinished,
                self.other,
                self.replays_different,
            )
        )

    def add(self, other: "Tally") -> None:
        """Add a part."""
        longest = max(self.longest_missing_run, other.longest_missing_run)
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)
        self.longest_missing_run = longest


def fetch_record(url: str, session: str) -> Record:
    """Read a session over HTTP (blocking)."""
    address, base = url.removeprefix("ws://"), f"/v1/sessions/{session}"
    lines = _get(address, f"{base}/events").decode().splitlines()
    row = cast("dict[str, Any]", json.loads(_get(address, base)))
    breaks: list[str] = []
    before, events = _GENESIS, list[dict[str, Any]]()
    for seq, line in enumerate(lines, start=1):
        event = cast("dict[str, Any]", json.loads(line))
        if event["seq"] != seq or event["prev_hash"] != before:
            breaks.append(f"the chain breaks at event {seq}")
        before = hashlib.sha256(line.encode()).hexdigest()
        events.append(event)
    audio = _get(address, f"{base}/audio?from_ms=0&to_ms=3600000")[44:]
    return Record(events, audio, str(row["state"]), breaks)


def _get(address: str, path: str) -> bytes:
    connection = HTTPConnection(address, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"HTTP {answer.status} for {path}")
        return answer.read()
    finally:
        connection.close()


def judge(speaker: Speaker, record: Record, undisturbed: Sequence[Record]) -> Tally:
    """Return what one session adds to the tally.

    Args:
        speaker: its client.
        record: what the server keeps of it.
        undisturbed: other sessions of the same passage. What none of them lacks, or repeats, is
            lost or doubled.
    """
    notes, passage = speaker.notes, speaker.passage
    tally = Tally(
        sessions=1,
        resumes=notes.resumed,
        acknowledged_samples=notes.acknowledged,
        acknowledged_samples_lost=notes.samples_lost,
        other=len(notes.other) + len(record.breaks),
        commits=len(notes.committed),
    )
    says = tally.complaints
    says += [*notes.other, *record.breaks]
    _judge_audio(tally, record, passage.pcm, notes.acknowledged)
    _judge_commits(tally, record, speaker)
    _judge_repeats(tally, record, undisturbed, passage.language)
    _judge_stages(tally, record)
    if record.state != "finished" or notes.finished != "finish":
        tally.unfinished = 1
        says.append(f"state {record.state}, finished for {notes.finished or 'nothing'}")
    tally.longest_missing_run = min(
        (_longest_missing(each.text, record.text, passage.language) for each in undisturbed),
        default=0,
    )
    tally.same_text = int(any(_same(each, record, passage.language) for each in undisturbed))
    if undisturbed and all(
        _last_word_missing(record, each, passage.language) for each in undisturbed
    ):
        # The recogniser may fail at them, in a window of other length; then the record says so.
        end_ms = min(each.words[-1]["end_ms"] for each in undisturbed)
        if _told_until_ms(record) >= end_ms - _LAST_WORD_MS:
            tally.last_words_withheld = 1
        else:
            tally.last_words_lost = 1
            says.append("the last words are missing")
    tally.complaints = [f"{notes.session} ({passage.name}): {text}" for text in says]
    return tally


def _longest_missing(expected: str, text: str, language: str) -> int:
    before, after = (normalise(part, language).split() for part in (expected, text))
    steps = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return max((b - a - (d - c) for kind, a, b, c, d in steps if kind != "equal"), default=0)


def _same(one: Record, other: Record, language: str) -> bool:
    return normalise(one.text, language) == normalise(other.text, language)


def _judge_audio(tally: Tally, record: Record, sent: bytes, acknowledged: int) -> None:
    if len(record.audio) // 2 < acknowledged:
        tally.acknowledged_samples_lost += acknowledged - len(record.audio) // 2
        tally.complaints.append("the record is shorter than what was acknowledged")
    if record.audio == sent:
        return
    same = sum(a == b for a, b in zip(record.audio, sent, strict=False)) // 2
    tally.samples_changed = max(1, len(sent) // 2 - same)
    tally.complaints.append(f"recorded {len(record.audio)} bytes, sent {len(sent)}, not the same")


def _judge_commits(tally: Tally, record: Record, speaker: Speaker) -> None:
    notes = speaker.notes
    stored = {
        event["seq"]: "".join(word["text"] for word in event["event"]["words"])
        for event in record.events
        if event["event"]["type"] == "WordsCommitted"
    }
    lost = [seq for seq in notes.committed if seq not in stored]
    changed = [seq for seq, text in notes.committed.items() if stored.get(seq, text) != text]
    untold = [seq for seq, text in stored.items() if text and seq not in notes.committed]
    tally.commits_lost = len(lost) + len(untold)
    tally.commits_changed = len(changed) + len(notes.changed)
    tally.commits_doubled = len(notes.doubled)
    tally.complaints += [f"commit {seq} is not in the record" for seq in lost]
    tally.complaints += [f"commit {seq} was never told" for seq in untold]
    tally.complaints += [f"commit {seq} is another in the record" for seq in changed]
    tally.complaints += [*notes.changed, *notes.doubled]


def _judge_stages(tally: Tally, record: Record) -> None:
    """Every closed segment is translated once, and there is one set of minutes."""
    (started,) = record.of("SessionStarted")[:1] or ({},)
    closed = [event["segment"] for event in record.of("SegmentClosed")]
    for language in started.get("translate_to", ()):
        pieces = [e for e in record.of("SegmentTranslated") if e["language"] == language]
        # A segment is translated as it grows: its last piece may add nothing.
        said = {event["segment"] for event in pieces if event["text"]}
        done = Counter(e["segment"] for e in pieces if e["closed"] and e["segment"] in said)
        refused = {e["segment"] for e in pieces if e["closed"] and e.get("failure")} - said
        tally.translations += len(closed)
        tally.translations_refused += len(refused)
        tally.translations_lost += sum(
            not done[segment] and segment not in refused for segment in closed
        )
        tally.translations_doubled += sum(count > 1 for count in done.values())
    if started.get("minutes", False):
        written = len(record.of("MinutesWritten"))
        tally.minutes += 1
        tally.minutes_lost += written == 0
        tally.minutes_doubled += written > 1
    if tally.translations_lost + tally.translations_doubled:
        tally.complaints.append("segments without a translation, or with two")
    if tally.minutes_lost + tally.minutes_doubled:
        tally.complaints.append("no minutes, or twice")


def _judge_repeats(
    tally: Tally, record: Record, undisturbed: Sequence[Record], language: str
) -> None:
    """The same stretch of speech written down twice: back in time, or once behind the other."""
    back = sum(b["start_ms"] < a["start_ms"] for a, b in itertools.pairwise(record.words))
    usual = {run for each in undisturbed for run in _repeats(each.text, language)}
    twice = _repeats(record.text, language) - usual
    if back or twice:
        tally.commits_doubled += back + len(twice)
        tally.complaints.append(f"{back} words go back in time, {len(twice)} runs come twice")


def _repeats(text: str, language: str) -> set[tuple[str, ...]]:
    """Runs of words that are said again at once."""
    words = normalise(text, language).split()
    return {
        tuple(words[at : at + length])
        for length in range(_REPEATED_WORDS, len(words) // 2 + 1)
        for at in range(len(words) - 2 * length + 1)
        if words[at : at + length] == words[at + length : at + 2 * length]
    }


def _told_until_ms(record: Record) -> int:
    """Up to where the record says that something was heard."""
    return max((event["end_ms"] for event in record.of("TextWithheld")), default=0)


def _last_word_missing(record: Record, undisturbed: Record, language: str) -> bool:
    """Neither is the last word among the last ones, nor does the text go on to its time."""
    if not undisturbed.words:
        return False
    if not record.words:
        return True
    expected = normalise(undisturbed.text, language).split()[-1:]
    said = normalise(record.text, language).split()[-3:]
    last: Sequence[int] = [r.words[-1]["end_ms"] for r in (record, undisturbed)]
    return not set(expected) <= set(said) and last[0] < last[1] - _LAST_WORD_MS
