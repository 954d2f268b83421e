"""Two people on two channels, real Whisper and real voice activity: every word is its speaker's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import jiwer
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from whisper_normalizer.basic import BasicTextNormalizer

from greffier.protocol import AudioFormat, Resume
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.types import Pcm, Word
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.events import GapFound, RecognitionFinished, SessionFinished, StageFailed
from greffier_server.core.state import fold
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.memory import MemoryStore
from tests.support.channels import check_segments, words_by_speaker
from tests.support.desk import TENANT, as_bytes, desk_kit, until
from tests.support.recordings import committed_words
from tests.support.scenes import Scene, Turn, load_scene
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

LEFT, RIGHT = "Claire", "Les autres"
LENGTH_MS = 62_000
WER = 0.25
"""Of one speaker's words over a minute; a few weigh much."""
MARGIN_MS = 400
"""Word times are not exact to the frame."""


@pytest_asyncio.fixture
async def runtime() -> AsyncIterator[RecognitionRuntime]:
    engine = await asyncio.to_thread(load_whisper, whisper_base_path(), threads=2)
    async with RecognitionRuntime(engine) as running:
        yield running


def _stereo(scene: Scene, *, earlier_ms: int) -> tuple[Pcm, dict[str, list[Turn]]]:
    """Lay Claire's turns on the left and all others on the right.

    What is on the right is said `earlier_ms` before its time in the scene, so that it falls into
    the turn before it.
    """
    sound, rate = soundfile.read(scene.audio, dtype="int16")
    assert rate == 16_000
    stereo = np.zeros((LENGTH_MS * 16, 2), np.int16)
    turns: dict[str, list[Turn]] = {LEFT: [], RIGHT: []}
    for turn in scene.turns:
        left = turn.speaker == LEFT
        at_ms = turn.start_ms if left else turn.start_ms - earlier_ms
        moved = replace(turn, start_ms=at_ms, end_ms=at_ms + turn.end_ms - turn.start_ms)
        if moved.end_ms > LENGTH_MS - 500:
            break
        voice = sound[turn.start_ms * 16 : turn.end_ms * 16]
        stereo[at_ms * 16 : at_ms * 16 + len(voice), 0 if left else 1] = voice
        turns[LEFT if left else RIGHT].append(moved)
    return stereo, turns


def _check_words(words: Sequence[Word], turns: Sequence[Turn]) -> None:
    """Nothing was said by this speaker but in their turns, and little of it was misheard."""
    for word in words:
        assert any(
            word.start_ms <= turn.end_ms + MARGIN_MS and word.end_ms >= turn.start_ms - MARGIN_MS
            for turn in turns
        ), word
    normal = BasicTextNormalizer()
    said = normal(" ".join(turn.text for turn in turns))
    wer = jiwer.wer(said, normal("".join(word.text for word in words)))
    assert wer <= WER, f"{wer:.3f}"


@pytest.mark.parametrize("earlier_ms", [0, 3_000], ids=["in turn", "at once"])
async def test_words_carry_their_speaker_over_a_restart(
    runtime: RecognitionRuntime, tmp_path: Path, earlier_ms: int
) -> None:
    stereo, turns = _stereo(load_scene("meeting-fr"), earlier_ms=earlier_ms)
    both = [(a, b) for a in turns[LEFT] for b in turns[RIGHT] if a.start_ms < b.start_ms < a.end_ms]
    assert bool(both) == bool(earlier_ms)
    audio = as_bytes(stereo)
    vad = await asyncio.to_thread(load_silero)
    store, journal = MemoryStore(), DiskJournal(tmp_path)
    async with desk_kit(store=store, journal=journal, recognizer=runtime, vad=vad) as kit:
        session, token = await kit.open(
            format=AudioFormat(channels=2), channels="separate", speakers=(LEFT, RIGHT)
        )
        await session.push(audio[: len(audio) // 8 * 4])
        await until(lambda: len(committed_words(session.log.records)) >= 40, timeout_s=300)
        before = words_by_speaker(await kit.records(session.id))
    await journal.close()
    journal = DiskJournal(tmp_path)
    async with desk_kit(store=store, journal=journal, recognizer=runtime, vad=vad) as kit:
        assert await kit.desk.recover() == 1
        again = await kit.desk.resume(TENANT, Resume(session.id, token, 0))
        await again.push(audio[again.durable_samples * 4 :])
        await again.finish()
        await kit.ended()
        records = await kit.records(session.id)
    await journal.close()
    heard = words_by_speaker(records)
    assert set(heard) == {LEFT, RIGHT}
    for name, words in before.items():
        assert heard[name][: len(words)] == words
    for name, words in heard.items():
        _check_words(words, turns[name])
    check_segments(records)
    state = fold(records)
    assert state.finished == SessionFinished("finish")
    events = [record.event for record in records]
    assert events.count(RecognitionFinished()) == 1
    assert not [event for event in events if isinstance(event, GapFound | StageFailed)]
