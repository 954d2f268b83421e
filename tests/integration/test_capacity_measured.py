"""The measurement itself, at real time, over an engine without weights."""

import json
import wave
from pathlib import Path

import pytest
from click.testing import CliRunner

from greffier.protocol import AudioFormat
from greffier_models.encoded import encode_speech, spoken
from greffier_models.fakes import FakeRecognizer
from greffier_models.runtime import RecognitionRuntime
from greffier_server.capacity_command import capacity
from greffier_server.measuring import Sound, TrialSettings, hold
from tests.support.desk import desk_kit

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SOUND = Sound(
    AudioFormat(),
    encode_speech(spoken("un deux trois quatre cinq six sept huit", start_ms=200)).tobytes(),
)


async def test_streams_are_held_and_gone_afterwards() -> None:
    wanted = TrialSettings(seconds=4.0, warm_up_s=0.5, language="en")
    async with (
        RecognitionRuntime(FakeRecognizer()) as recognizer,
        desk_kit(recognizer=recognizer, max_sessions=3) as kit,
    ):
        trial = await hold(kit.desk, SOUND, 3, wanted)
        assert kit.desk.live_count == 0
        assert await kit.store.list("capacity") == []
    assert trial.held
    assert trial.streams == 3
    assert trial.words >= 9
    assert 0 < trial.p50_ms <= trial.p95_ms < 4_000
    assert trial.levels == ()


async def test_no_words_are_no_success() -> None:
    silence = Sound(AudioFormat(), bytes(32_000 * 5))
    wanted = TrialSettings(seconds=1.0, warm_up_s=0.0, language="en")
    async with (
        RecognitionRuntime(FakeRecognizer()) as recognizer,
        desk_kit(recognizer=recognizer) as kit,
    ):
        trial = await hold(kit.desk, silence, 1, wanted)
    assert not trial.held
    assert trial.words == 0


def test_a_rotated_sound_is_the_same_sound() -> None:
    for share in (0.0, 0.31, 0.5, 0.99):
        turned = SOUND.rotated(share)
        assert len(turned) == len(SOUND.audio)
        assert turned in SOUND.audio * 2


def test_the_command_measures_one_number(tmp_path: Path) -> None:
    recording = tmp_path / "speech.wav"
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SOUND.audio)
    result = CliRunner().invoke(
        capacity,
        [
            *("--recording", str(recording), "--data-dir", str(tmp_path / "data")),
            *("--streams", "2", "--seconds", "15", "--language", "en", "--json"),
        ],
        env={"GREFFIER_RECOGNITION__ENGINE": "fake"},
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.output)
    assert report["streams"] == 2
    assert [trial["held"] for trial in report["trials"]] == [True]
    assert report["kept"] is None
    assert not (tmp_path / "data").exists()
