"""Defence against invention over the real model: sounds give no word, and thanks are not eaten."""

import numpy as np
import pytest
import soundfile

from benchmarks.corpora import RATE
from benchmarks.replay import replay
from benchmarks.sounds import GENERATED, to_pcm
from greffier_models.silero import SileroVad, load_silero
from greffier_models.types import AudioWindow, Pcm, RecognitionOptions
from greffier_models.whisper.engine import WhisperEngine, load_whisper
from greffier_server.core.defence import judge
from greffier_server.core.speech import PROFILES, SpeechTracker
from tests.support.scenes import Scene, load_scene
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

LOUD = 0.2
"""Root mean square; -14 dB below full scale."""


@pytest.fixture(scope="module")
def base() -> WhisperEngine:
    return load_whisper(whisper_base_path(), threads=2)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return load_silero()


@pytest.mark.parametrize("language", [None, "fr"])
async def test_sounds_give_no_word(
    base: WhisperEngine, vad: SileroVad, language: str | None
) -> None:
    random = np.random.default_rng(7)
    sounds = [make(random) for make in GENERATED.values()]
    levelled = [sound * LOUD / max(float(np.sqrt(np.mean(sound**2))), 1e-9) for sound in sounds]
    pcm = to_pcm(np.concatenate(levelled))
    replayed = await replay(pcm, engine=base, vad=vad, language=language, speech=PROFILES["radio"])
    assert replayed.text == ""


async def test_the_judge_alone_withholds_what_whisper_says_over_sounds(
    base: WhisperEngine,
) -> None:
    """Even where the detector errs and calls all of it speech for a moment."""
    random = np.random.default_rng(7)
    invented = withheld = 0
    for make in GENERATED.values():
        sound = make(random)[: 2 * RATE]
        sound *= LOUD / max(float(np.sqrt(np.mean(sound**2))), 1e-9)
        (answer,) = base.decode([(AudioWindow(to_pcm(sound)), RecognitionOptions(language="fr"))])
        judged = judge(answer, answer.words, speech_ms=lambda a, b: 96, committed="", language="fr")
        invented += len(judged.kept)
        withheld += len(judged.withheld)
    assert withheld >= 5
    assert invented <= 1


@pytest.mark.parametrize("name", ["meeting-fr", "radio-fr", "radio-en", "meeting-bilingual"])
@pytest.mark.parametrize("profile", ["wide", "radio"])
def test_nothing_said_in_the_scenes_is_withheld(
    base: WhisperEngine, vad: SileroVad, name: str, profile: str
) -> None:
    scene = load_scene(name)
    whole = _sound(scene)
    short = sorted(scene.turns, key=lambda turn: turn.end_ms - turn.start_ms)[:5]
    thanks = [t for t in scene.turns if "merci" in t.text.lower() or "thank" in t.text.lower()]
    for turn in [*short, *thanks]:
        pcm = whole[turn.start_ms * 16 : (turn.end_ms + 500) * 16][: 25 * RATE]
        options = RecognitionOptions(language=turn.language)
        (answer,) = base.decode([(AudioWindow(pcm), options)])
        tracker = SpeechTracker(vad.frame_ms, PROFILES[profile])
        tracker.push(vad.open().push(pcm))
        judged = judge(
            answer,
            answer.words,
            speech_ms=tracker.speech_ms,
            committed="",
            language=turn.language,
        )
        assert judged.withheld == ()
        assert judged.kept == answer.words


def _sound(scene: Scene) -> Pcm:
    samples, rate = soundfile.read(scene.audio, dtype="int16")
    assert rate == RATE
    return np.asarray(samples, np.int16)
