"""``greffier transcribe`` without a server: files to text on this machine."""

import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmarks.corpora import RATE
from tests.support.served_process import Clip, clip, command, environment, error_rate, run
from tests.support.subtitles import read_srt, read_vtt
from tests.support.weights import llm_path, whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.language_model, pytest.mark.slow]

WORST_ERROR_RATE = 0.35
FORMATS = ("wav", "flac", "mp3", "ogg")


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:  # pyright: ignore[reportUnusedFunction]
    whisper_base_path()


@pytest.fixture(scope="module")
def radio() -> Clip:
    return clip("radio-en", turns=2)


@pytest.fixture(scope="module")
def recordings(radio: Clip, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same words in four formats."""
    folder = tmp_path_factory.mktemp("recordings")
    return {suffix: encode(radio.pcm, folder / f"radio-{suffix}.{suffix}") for suffix in FORMATS}


def encode(pcm: bytes, path: Path) -> Path:
    soundfile.write(path, np.frombuffer(pcm, np.int16), RATE)
    return path


def test_every_format_gives_the_same_words_in_one_call(
    radio: Clip, recordings: dict[str, Path], tmp_path: Path
) -> None:
    done = run("transcribe", *recordings.values(), "-l", "en", "-f", "json", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    for suffix in recordings:
        result = json.loads((tmp_path / f"radio-{suffix}.json").read_text(encoding="utf-8"))
        assert error_rate(radio.text, result["text"], language="en") < WORST_ERROR_RATE
        # Compressed formats add up to a frame of padding at both ends.
        assert result["duration"] == pytest.approx(radio.duration_ms / 1000, abs=0.2)
        check_segments(result)


def check_segments(result: dict[str, Any]) -> None:
    """Times go forward and words make up the text."""
    at = 0.0
    for segment in result["segments"]:
        assert at <= segment["start"] <= segment["end"] <= result["duration"] + 0.1
        words = "".join(word["text"] for word in segment["words"])
        assert words.split() == segment["text"].split()
        at = segment["start"]


@pytest.mark.parametrize("form", ["srt", "vtt", "txt"])
def test_standard_output_holds_the_result_alone(
    radio: Clip, recordings: dict[str, Path], form: str
) -> None:
    done = run("transcribe", recordings["flac"], "-l", "en", "-f", form)
    assert done.returncode == 0, done.stderr
    match form:
        case "srt":
            text = " ".join(line for cue in read_srt(done.stdout) for line in cue.lines)
        case "vtt":
            text = " ".join(line for cue in read_vtt(done.stdout) for line in cue.lines)
        case _:
            text = done.stdout
    assert error_rate(radio.text, text, language="en") < WORST_ERROR_RATE


def test_translation_and_minutes_come_with_it(tmp_path: Path) -> None:
    llm_path()
    meeting = clip("meeting-fr", turns=2)
    recording = meeting.write(tmp_path / "meeting.wav")
    out = tmp_path / "out"
    done = run(
        *("transcribe", recording, "-l", "fr", "-t", "en", "--minutes"),
        *("-f", "srt", "-o", out / "meeting.srt"),
        timeout_s=400,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {
        "meeting.srt",
        "meeting.en.srt",
        "meeting.minutes.md",
    }
    french, english = (
        " ".join(line for cue in read_srt((out / name).read_text("utf-8")) for line in cue.lines)
        for name in ("meeting.srt", "meeting.en.srt")
    )
    assert error_rate(meeting.text, french, language="fr") < WORST_ERROR_RATE
    assert error_rate(french, english, language="mul") > 0.5
    assert {"the", "we", "to", "is", "for", "of", "and"} & set(english.lower().split())
    assert "[0:" in (out / "meeting.minutes.md").read_text(encoding="utf-8")


def test_it_works_in_a_pipe(recordings: dict[str, Path]) -> None:
    """Another program reads the first line and leaves."""
    with subprocess.Popen(
        command("transcribe", recordings["wav"], "-l", "en"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().strip()
        process.stdout.close()
        shown = process.stderr.read()
        process.wait(60)
    assert "Traceback" not in shown
    assert "Exception ignored" not in shown


def test_an_unreadable_file_does_not_stop_the_others(
    radio: Clip, recordings: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all" * 100)
    empty = tmp_path / "empty.wav"
    empty.touch()
    out = tmp_path / "out"
    done = run("transcribe", broken, empty, recordings["wav"], "-l", "en", "-o", out)
    assert done.returncode == 1
    assert "broken.mp3" in done.stderr
    assert "empty.wav" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in out.iterdir()] == ["radio-wav.txt"]
    text = (out / "radio-wav.txt").read_text(encoding="utf-8")
    assert error_rate(radio.text, text, language="en") < WORST_ERROR_RATE


def test_a_recording_that_breaks_off_is_named_and_the_next_one_read(
    radio: Clip, recordings: dict[str, Path], tmp_path: Path
) -> None:
    whole = recordings["flac"].read_bytes()
    torn = tmp_path / "torn.flac"
    torn.write_bytes(whole[: len(whole) // 2])
    done = run("transcribe", torn, recordings["wav"], "-l", "en", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "torn.flac" in done.stderr
    assert "Traceback" not in done.stderr
    text = (tmp_path / "out" / "radio-wav.txt").read_text(encoding="utf-8")
    assert error_rate(radio.text, text, language="en") < WORST_ERROR_RATE


@pytest.mark.parametrize("options", [("-l", "klingon"), ("-l", "en", "-t", "xx")])
def test_an_unknown_language_is_refused(
    recordings: dict[str, Path], options: tuple[str, ...]
) -> None:
    done = run("transcribe", recordings["wav"], *options, GREFFIER_LANGUAGE_MODEL__ENGINE="fake")
    assert done.returncode == 3
    assert done.stdout == ""
    assert "ISO 639-1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seconds", [0, 3])
def test_silence_is_an_empty_result(tmp_path: Path, seconds: int) -> None:
    silent = tmp_path / "silent.wav"
    with wave.open(str(silent), "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes(bytes(2 * RATE * seconds))
    done = run("transcribe", silent, "-f", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["text"], result["segments"], result["minutes"]) == ("", [], None)
    assert result["duration"] == seconds


def test_missing_weights_are_named_with_the_command_that_helps(
    recordings: dict[str, Path], tmp_path: Path
) -> None:
    done = run("transcribe", recordings["wav"], GREFFIER_MODELS_DIR=str(tmp_path))
    assert done.returncode == 3
    assert "greffier models pull" in done.stderr
