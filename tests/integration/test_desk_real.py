"""The whole of a session with real Whisper, real voice activity and real files, stopped midway."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import jiwer
import pytest
import pytest_asyncio
import soundfile
from whisper_normalizer.basic import BasicTextNormalizer

from greffier.protocol import AudioFormat, Resume
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.events import GapFound, SessionFinished, StageFailed
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.core.state import fold
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, desk_kit, until
from tests.support.recordings import committed_words
from tests.support.scenes import load_scene
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

LENGTH_MS = 40_000
WER = 0.25
"""Over 40 s a few words weigh much."""


@pytest_asyncio.fixture
async def runtime() -> AsyncIterator[RecognitionRuntime]:
    engine = await asyncio.to_thread(load_whisper, whisper_base_path(), threads=2)
    async with RecognitionRuntime(engine) as running:
        yield running


async def test_a_meeting_survives_a_stop_of_the_server(
    runtime: RecognitionRuntime, tmp_path: Path
) -> None:
    scene = load_scene("meeting-fr")
    end_ms = max(turn.end_ms for turn in scene.turns if turn.end_ms <= LENGTH_MS)
    samples, rate = soundfile.read(scene.audio, dtype="int16")
    audio = samples[: end_ms * rate // 1000].astype("<i2").tobytes()
    said = " ".join(turn.text for turn in scene.turns if turn.end_ms <= end_ms)
    vad = await asyncio.to_thread(load_silero)
    store = MemoryStore()
    journal = DiskJournal(tmp_path)
    async with desk_kit(store=store, journal=journal, recognizer=runtime, vad=vad) as kit:
        session, token = await kit.open(format=AudioFormat(rate=rate))
        await session.push(audio[: len(audio) // 4 * 2])
        await until(lambda: len(committed_words(session.log.records)) >= 15, timeout_s=60)
        before = committed_words(await kit.records(session.id))
    await journal.close()
    journal = DiskJournal(tmp_path)
    async with desk_kit(store=store, journal=journal, recognizer=runtime, vad=vad) as kit:
        assert await kit.desk.recover() == 1
        again = await kit.desk.resume(TENANT, Resume(session.id, token, 0))
        await again.push(audio[again.durable_samples * 2 :])
        await again.finish()
        await kit.ended()
        records = await kit.records(session.id)
    await journal.close()
    words = committed_words(records)
    assert words[: len(before)] == before
    assert all(a.start_ms <= b.start_ms for a, b in itertools.pairwise(words))
    assert words[-1].end_ms <= end_ms
    normal = BasicTextNormalizer()
    wer = jiwer.wer(normal(said), normal("".join(word.text for word in words)))
    assert wer <= WER, f"{wer:.3f}"
    state = fold(records)
    assert state.finished == SessionFinished("finish")
    assert not [r for r in records if isinstance(r.event, GapFound | StageFailed)]
    before_hash = GENESIS
    for record in records:
        assert record.prev_hash == before_hash
        before_hash = record_hash(record)
