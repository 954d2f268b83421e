"""A server process with real models: a live session, its viewers, and what it keeps of it."""

import asyncio
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import greffier
from greffier_server.child import ChildServer
from tests.support.served_process import (
    Clip,
    Conversation,
    ask,
    checked_events,
    clip,
    command,
    environment,
    error_rate,
    run,
    speak,
)
from tests.support.subtitles import read_srt, read_vtt
from tests.support.weights import llm_path, whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.language_model, pytest.mark.slow]

WORST_ERROR_RATE = 0.35
PACE = 4.0
TITLE = "Réunion de préparation"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()),
        "GREFFIER_LANGUAGE_MODEL__MODEL": str(llm_path()),
        "GREFFIER_LIMITS__MAX_SESSIONS": "4",  # what a busy machine estimates may be one
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("serve"), settings=settings) as running:
        yield running


@dataclass
class Meeting:
    """A session that was spoken, and watched from its middle on."""

    clip: Clip
    talk: Conversation = field(default_factory=Conversation)
    watched: str = ""
    watched_live: bool = False


@pytest.fixture(scope="module")
def meeting(server: ChildServer) -> Meeting:
    seen_by = Meeting(clip("meeting-fr", turns=3))
    viewers: list[subprocess.Popen[str]] = []

    def watch(talk: Conversation) -> None:
        if not viewers and talk.committed:
            viewers.append(
                subprocess.Popen(
                    command("watch", talk.id, "--server", server.url),
                    stdout=subprocess.PIPE,
                    text=True,
                    env=environment(),
                )
            )
        if isinstance(talk.messages[-1], greffier.Minutes):
            seen_by.watched_live = viewers[0].poll() is None

    seen_by.talk = asyncio.run(
        speak(
            server,
            seen_by.clip.pcm,
            pace=PACE,
            seen=watch,
            language="fr",
            translate_to=["en"],
            title=TITLE,
        )
    )
    (viewer,) = viewers
    seen_by.watched, _ = viewer.communicate(timeout=60)
    assert viewer.returncode == 0
    return seen_by


def test_committed_text_only_grows(meeting: Meeting) -> None:
    closed: set[int] = set()
    seq = 0
    for caption in meeting.talk.of(greffier.Caption):
        assert caption.seq >= seq
        assert caption.segment not in closed
        if caption.committed:
            assert caption.seq > seq
            assert "".join(word.text for word in caption.words) == caption.committed
        seq = caption.seq
        if caption.closed:
            closed.add(caption.segment)
    spoken = {c.segment for c in meeting.talk.of(greffier.Caption) if c.committed}
    assert spoken == closed
    assert error_rate(meeting.clip.text, meeting.talk.text, language="fr") < WORST_ERROR_RATE


def test_each_segment_is_translated(meeting: Meeting) -> None:
    spoken = {c.segment for c in meeting.talk.of(greffier.Caption) if c.committed}
    translated = {
        t.segment: t.committed
        for t in meeting.talk.of(greffier.Translation)
        if t.language == "en" and t.closed
    }
    assert set(translated) == spoken
    assert all(text.strip() for text in translated.values())


def test_the_minutes_come_before_the_end_and_cite_segments(meeting: Meeting) -> None:
    spoken = {c.segment for c in meeting.talk.of(greffier.Caption) if c.committed}
    (minutes,) = meeting.talk.of(greffier.Minutes)
    parts = (minutes.summary, minutes.topics, minutes.decisions, minutes.actions)
    items = [item for part in (*parts, minutes.questions, minutes.figures) for item in part]
    assert minutes.language == "fr"
    assert items
    assert all(item.cites and set(item.cites) <= spoken for item in items)


def test_finished_is_the_last_message(meeting: Meeting) -> None:
    assert [m.reason for m in meeting.talk.of(greffier.Finished)] == ["finish"]
    assert isinstance(meeting.talk.messages[-1], greffier.Finished)
    assert meeting.talk.acknowledged_ms == meeting.clip.duration_ms
    assert meeting.talk.of(greffier.Gap) == []


def test_a_viewer_reads_what_came_before_and_what_comes(
    server: ChildServer, meeting: Meeting
) -> None:
    assert meeting.watched_live
    again = run("watch", meeting.talk.id, "--server", server.url)
    assert again.returncode == 0
    assert _without_stamps(meeting.watched) == _without_stamps(again.stdout)
    for segment in {c.segment for c in meeting.talk.of(greffier.Caption)}:
        text = "".join(
            c.committed for c in meeting.talk.of(greffier.Caption) if c.segment == segment
        )
        assert text.strip() in meeting.watched
    assert "] en: " in meeting.watched


def test_the_session_is_listed(server: ChildServer, meeting: Meeting) -> None:
    listed = ask(server, "/v1/sessions").json["sessions"]
    (row,) = [row for row in listed if row["session"] == meeting.talk.id]
    assert row == ask(server, f"/v1/sessions/{meeting.talk.id}").json
    assert row["title"] == TITLE
    assert row["state"] == "finished"
    assert row["translate_to"] == ["en"]
    assert row["duration_ms"] == meeting.clip.duration_ms
    assert meeting.talk.id in run("sessions", "--server", server.url).stdout


@pytest.mark.parametrize("text", ["captions", "translations/en"])
def test_captions_and_translations_are_exported(
    server: ChildServer, meeting: Meeting, text: str
) -> None:
    path = f"/v1/sessions/{meeting.talk.id}/{text}?format="
    srt, vtt = read_srt(ask(server, f"{path}srt").text), read_vtt(ask(server, f"{path}vtt").text)
    assert srt
    assert [cue.lines for cue in srt] == [cue.lines for cue in vtt]
    plain = " ".join(ask(server, f"{path}txt").text.split())
    segments = ask(server, f"{path}json").json["segments"]
    spoken = [segment["text"].strip() for segment in segments if segment["text"].strip()]
    assert spoken
    assert all(part in plain for part in spoken)
    if text == "captions":
        assert " ".join(spoken).split() == meeting.talk.text.split()


def test_the_minutes_are_kept(server: ChildServer, meeting: Meeting) -> None:
    path = f"/v1/sessions/{meeting.talk.id}/minutes"
    (told,) = meeting.talk.of(greffier.Minutes)
    kept = ask(server, path).json
    assert [item["text"] for item in kept["actions"]] == [item.text for item in told.actions]
    document = ask(server, f"{path}?format=md").text
    assert document.startswith("# ")
    shown = run("minutes", meeting.talk.id, "--server", server.url, "--format", "json")
    assert json.loads(shown.stdout)["title"] == told.title


def test_the_event_log_is_a_whole_chain(server: ChildServer, meeting: Meeting) -> None:
    events = checked_events(server, meeting.talk.id)
    kinds = [event["event"]["type"] for event in events]
    assert kinds[0] == "SessionStarted"
    assert kinds[-1] == "SessionFinished"
    assert kinds.index("InputEnded") < kinds.index("RecognitionFinished")
    assert {"WordsCommitted", "SegmentTranslated", "MinutesWritten"} <= set(kinds)


def test_it_says_what_it_runs(server: ChildServer, meeting: Meeting) -> None:
    models = {model["role"]: model for model in ask(server, "/v1/models").json["models"]}
    assert {models[role]["state"] for role in ("recognition", "language")} == {"loaded"}
    assert "fr" in models["recognition"]["languages"]
    assert ask(server, "/readyz").status == 200
    metrics = ask(server, "/metrics").text
    assert "greffier_sessions_active 0.0" in metrics
    assert meeting.talk.text.split()[0] not in metrics


def test_the_log_of_the_server_holds_no_word_of_the_session(
    server: ChildServer, meeting: Meeting
) -> None:
    log = server.log.read_text(encoding="utf-8")
    assert meeting.talk.id in log
    assert "Traceback" not in log
    for caption in meeting.talk.of(greffier.Caption):
        if len(caption.committed.split()) > 2:
            assert caption.committed.strip() not in log


def test_two_sessions_at_once_do_not_mix(server: ChildServer) -> None:
    clips = {"fr": clip("meeting-fr", turns=2), "en": clip("radio-en", turns=3)}

    async def both() -> list[Conversation]:
        return await asyncio.gather(
            *(
                speak(server, part.pcm, pace=PACE, language=language, minutes=False)
                for language, part in clips.items()
            )
        )

    for (language, part), talk in zip(clips.items(), asyncio.run(both()), strict=True):
        # A few words of the other one, in another language, would cost far more than this.
        assert error_rate(part.text, talk.text, language=language) < 0.5
        assert {c.language for c in talk.of(greffier.Caption)} == {language}


def test_a_deleted_session_leaves_nothing(server: ChildServer) -> None:
    talk = asyncio.run(speak(server, clip("radio-en", turns=1).pcm, language="en", minutes=False))
    audio = server.data_dir / "audio" / "default" / talk.id
    assert any(file.stat().st_size > 100_000 for file in audio.iterdir())
    assert _rows(server, talk.id) > 3
    done = run("delete", talk.id, "--yes", "--server", server.url)
    assert done.returncode == 0, done.stderr
    assert not audio.exists()
    assert _rows(server, talk.id) == 0
    gone = ask(server, f"/v1/sessions/{talk.id}")
    assert (gone.status, gone.json["code"]) == (404, "session_not_found")
    assert ask(server, f"/v1/sessions/{talk.id}", method="DELETE").status == 404


def _without_stamps(shown: str) -> list[str]:
    """Lines of a viewer; translations come between the captions as they are ready."""
    return sorted(re.sub(r"^\[\d+:\d\d\] ", "", line) for line in shown.splitlines())


def _rows(server: ChildServer, session: str) -> int:
    """Rows of every table that name the session."""
    with sqlite3.connect(server.data_dir / "greffier.db") as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_schema")]
        count = 0
        for table in tables:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            if "session" in columns:
                query = f"SELECT count(*) FROM {table} WHERE session = ?"  # noqa: S608 - its own
                count += database.execute(query, (session,)).fetchone()[0]
    database.close()
    return count
