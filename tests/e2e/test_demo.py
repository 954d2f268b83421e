"""``make demo``: a recording in two languages becomes captions, a translation and minutes."""

import json
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.accuracy import normalise
from tests.support.served_process import ROOT, Clip, clip, environment, error_rate
from tests.support.subtitles import read_srt, read_vtt
from tests.support.weights import llm_path, whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.language_model, pytest.mark.slow]

WORST_ERROR_RATE = 0.35
"""Whisper base on two cores, languages detected; the offline figure for the scene is near 0.2."""
WRITTEN = {
    "captions.srt",
    "captions.vtt",
    "captions.en.srt",
    "captions.en.vtt",
    "transcript.md",
    "minutes.md",
    "minutes.json",
}
STAMP = re.compile(r"\[(\d+:\d\d)\]")


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "greffier_server.demo", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env=environment(),
    )


@dataclass(frozen=True)
class Demonstration:
    """One run over the opening of the scene: four turns, French and English by turns."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    clip: Clip

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    whisper_base_path()
    llm_path()
    folder = tmp_path_factory.mktemp("demo")
    opening = clip("meeting-bilingual", turns=4)
    recording = opening.write(folder / "meeting.wav")
    done = demo("--fast", "--output", folder / "out", recording)
    assert done.returncode == 0, done.stderr
    return Demonstration(done, folder / "out" / "meeting", opening)


def test_it_writes_every_file_and_says_where(shown: Demonstration) -> None:
    assert {path.name for path in shown.folder.iterdir()} == WRITTEN
    for name in WRITTEN:
        assert str(shown.folder / name) in shown.done.stdout
    assert re.search(r"transcript\.md +transcript", shown.done.stdout)
    assert re.search(r"minutes\.md +minutes", shown.done.stdout)


@pytest.mark.parametrize("name", ["captions", "captions.en"])
def test_its_subtitles_are_valid(shown: Demonstration, name: str) -> None:
    srt, vtt = read_srt(shown.read(f"{name}.srt")), read_vtt(shown.read(f"{name}.vtt"))
    assert len(srt) >= 4
    assert [(c.start_ms, c.end_ms, c.lines) for c in srt] == [
        (c.start_ms, c.end_ms, c.lines) for c in vtt
    ]
    for cue, after in pairwise(srt):
        assert cue.start_ms < cue.end_ms <= after.start_ms
    # A cue may stay on the screen a little after its words, so that it can be read.
    assert srt[-1].start_ms < shown.clip.duration_ms


def test_what_was_said_is_there_in_both_languages(shown: Demonstration) -> None:
    said = " ".join(line for cue in read_srt(shown.read("captions.srt")) for line in cue.lines)
    assert error_rate(shown.clip.text, said, language="mul") < WORST_ERROR_RATE
    heard = set(normalise(said, "mul").split())
    for language in ("fr", "en"):
        spoken = " ".join(text for _, _, code, text in shown.clip.turns if code == language)
        words = {word for word in normalise(spoken, "mul").split() if len(word) > 3}
        assert len(words & heard) / len(words) > 0.6, language


def test_what_was_said_in_french_is_there_in_english(shown: Demonstration) -> None:
    original = read_srt(shown.read("captions.srt"))
    english = read_srt(shown.read("captions.en.srt"))
    for start_ms, end_ms, language, text in shown.clip.turns:
        if language != "fr":
            continue
        middle = [
            " ".join(
                line
                for cue in cues
                if cue.start_ms < end_ms and cue.end_ms > start_ms
                for line in cue.lines
            )
            for cues in (original, english)
        ]
        heard, translated = (set(normalise(part, "mul").split()) for part in middle)
        assert translated, f"nothing in English for: {text}"
        assert {"the", "we", "to", "is", "for", "of", "and", "in", "have"} & translated, middle[1]
        assert len(heard & translated) < len(heard) * 0.7, middle[1]


def test_the_minutes_cite_what_is_in_the_transcript(shown: Demonstration) -> None:
    minutes = json.loads(shown.read("minutes.json"))
    items = [
        item
        for part in ("summary", "topics", "decisions", "actions", "questions", "figures")
        for item in minutes[part]
    ]
    assert items
    assert all(item["text"].strip() and item["cites"] for item in items)
    stamps = set(re.findall(r"`(\d+:\d\d)`", shown.read("transcript.md")))
    cited = set(STAMP.findall(shown.read("minutes.md")))
    assert cited
    assert cited <= stamps


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = demo("--output", tmp_path / "out", tmp_path / "none.wav")
    assert done.returncode == 1
    assert f"there is no file {tmp_path / 'none.wav'}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    done = demo("--output", tmp_path / "out", tmp_path)
    assert done.returncode == 1
    assert "is a folder: name one recording" in done.stderr


def test_a_text_is_no_recording(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Nous n'avons rien enregistré.\n" * 50, encoding="utf-8")
    done = demo("--fast", "--no-llm", "--output", tmp_path / "out", text)
    assert done.returncode != 0
    assert "notes.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    clip("radio-en", turns=1).write(tmp_path / "radio.wav")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo("--port", str(port), "--output", tmp_path / "out", tmp_path / "radio.wav")
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "PORT=" in done.stderr
    assert not (tmp_path / "out").exists()
