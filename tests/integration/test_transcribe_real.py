"""Whole recordings through real Whisper and voice activity detection."""

from collections.abc import AsyncGenerator
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.accuracy import count_errors
from benchmarks.corpora import RATE, read_pcm
from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.types import Pcm
from greffier_models.whisper.engine import load_whisper
from greffier_server.pipeline.transcribe import Passage, RecordingTranscriber
from tests.support.scenes import Scene, load_scene
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

Models = tuple[BatchRecognizer, VoiceActivityDetector]
Spoken = tuple[Scene, Pcm]


async def blocks(pcm: Pcm) -> AsyncGenerator[Pcm, None]:
    for at in range(0, len(pcm), RATE):
        yield pcm[at : at + RATE]


@pytest.fixture(scope="module")
def models() -> Models:
    return load_whisper(whisper_base_path()), load_silero()


async def transcribe(pcm: Pcm, models: Models, *, language: str | None) -> list[Passage]:
    engine, detector = models
    async with RecognitionRuntime(engine) as recognizer:
        transcriber = RecordingTranscriber(recognizer=recognizer, detector=detector)
        found = transcriber.transcribe(blocks(pcm), language=language, expected=("fr", "en"))
        return [passage async for passage in found]


def spoken(name: str) -> Spoken:
    scene = load_scene(name)
    return scene, np.frombuffer(read_pcm(scene.audio), dtype="<i2").astype(np.int16)


@pytest.fixture(scope="module")
def radio() -> Spoken:
    return spoken("radio-en")


@pytest.fixture(scope="module")
def meeting() -> Spoken:
    return spoken("meeting-bilingual")


def text_of(passages: list[Passage]) -> str:
    return "".join(word.text for passage in passages for word in passage.words)


async def test_a_radio_net_is_read_and_every_word_has_its_time(
    radio: Spoken, models: Models
) -> None:
    scene, pcm = radio
    passages = await transcribe(pcm, models, language="en")
    assert count_errors(scene.text, text_of(passages), language="en").rate < 0.10
    words = [word for passage in passages for word in passage.words]
    assert all(a.start_ms <= b.start_ms for a, b in pairwise(words))
    in_turns = sum(
        any(turn.start_ms - 500 <= word.start_ms <= turn.end_ms + 500 for turn in scene.turns)
        for word in words
    )
    assert in_turns >= 0.98 * len(words)
    for turn in scene.turns:
        assert any(turn.start_ms - 500 <= w.start_ms <= turn.end_ms for w in words), turn


async def test_a_meeting_in_two_languages_is_read_in_both(meeting: Spoken, models: Models) -> None:
    scene, pcm = meeting
    passages = await transcribe(pcm, models, language=None)
    assert count_errors(scene.text, text_of(passages), language="mul").rate < 0.22
    for turn in scene.turns:
        if turn.end_ms - turn.start_ms < 2_000:
            continue
        middle = (turn.start_ms + turn.end_ms) // 2
        heard = {p.language for p in passages if p.start_ms <= middle < p.end_ms}
        assert heard == {turn.language}, turn


async def test_noise_is_not_made_into_words(models: Models) -> None:
    noise = np.random.default_rng(7).normal(0, 1_500, RATE * 60).astype(np.int16)
    assert text_of(await transcribe(noise, models, language="en")) == ""
