"""A session with real Whisper under a troubled clock, killed midway, and heard again."""

import asyncio

import pytest
import soundfile

from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.events import QualityChanged, WordsCommitted
from greffier_server.pipeline.listening import Ears, Listening
from tests.support.replays import Trouble, live_session
from tests.support.scenes import load_scene
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.virtual_time]

LENGTH_MS = 20_000


async def test_a_meeting_is_heard_again_to_the_letter() -> None:
    scene = load_scene("meeting-bilingual")
    samples, rate = await asyncio.to_thread(soundfile.read, scene.audio, dtype="int16")
    assert rate == 16_000
    audio = samples[: LENGTH_MS * 16].astype("<i2").tobytes()
    vad = await asyncio.to_thread(load_silero)
    engine = await asyncio.to_thread(
        lambda: load_whisper(whisper_base_path(), workers=1, threads=2)
    )
    trouble = Trouble(5, jitter_s=12, decode_s=2.5, load=True, stumbles=0.1, kills=(0.55,))
    async with RecognitionRuntime(engine) as runtime:
        ears = Ears(runtime, vad)
        lived = await live_session(audio, trouble, language="auto", ears=ears)
        replay = await lived.replay()
        again = await replay.faithful(ears)
        unhurried = await replay.otherwise(ears, Listening.of(replay.begun))
    events = [record.event for record in lived.records]
    assert any(isinstance(event, WordsCommitted) and event.paced for event in events)
    assert any(isinstance(event, QualityChanged) for event in events)
    assert [epoch.difference for epoch in again.epochs] == [None, None]
    assert again.same
    assert again.words > 20
    assert sum(epoch.events for epoch in again.epochs) > 10
    # In one piece the context is another; the words are nearly the same.
    assert not unhurried.faithful
    assert unhurried.word_error_rate < 0.35
