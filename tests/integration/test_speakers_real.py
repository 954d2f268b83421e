"""Speakers of a real meeting with real models, also when the server stops in the middle."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.corpora import RATE, read_pcm
from greffier.protocol import AudioFormat, Resume
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.events import SpeakerRevised, SpeakersSettled, StageFailed
from greffier_server.core.state import Segment, fold
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, desk_kit, until
from tests.support.scenes import Scene, load_scene
from tests.support.weights import voices, whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]


@pytest_asyncio.fixture
async def runtime() -> AsyncIterator[RecognitionRuntime]:
    engine = await asyncio.to_thread(load_whisper, whisper_base_path(), threads=2)
    async with RecognitionRuntime(engine) as running:
        yield running


async def test_a_meeting_of_four_has_four_speakers_before_and_after_a_stop(
    runtime: RecognitionRuntime, tmp_path: Path
) -> None:
    scene = load_scene("meeting-fr")
    audio = read_pcm(scene.audio)
    vad = await asyncio.to_thread(load_silero)
    embedder = await asyncio.to_thread(voices)
    store = MemoryStore()
    journal = DiskJournal(tmp_path)
    kit_of = partial(desk_kit, store=store, recognizer=runtime, vad=vad, voices=embedder)
    async with kit_of(journal=journal) as kit:
        session, token = await kit.open(format=AudioFormat(rate=RATE))
        await session.push(audio[: len(audio) // 4 * 2])
        await until(lambda: _labels(fold(session.log.records).segments) >= {"1", "2"})
        at_stop = fold(session.log.records).segments
    await journal.close()
    journal = DiskJournal(tmp_path)
    async with kit_of(journal=journal) as kit:
        assert await kit.desk.recover() == 1
        again = await kit.desk.resume(TENANT, Resume(session.id, token, 0))
        await again.push(audio[again.durable_samples * 2 :])
        await again.finish()
        await kit.ended()
        records = await kit.records(session.id)
    await journal.close()
    state = fold(records)
    assert not [r for r in records if isinstance(r.event, StageFailed)]
    assert len([r for r in records if isinstance(r.event, SpeakersSettled)]) == 1
    revised = [r for r in records if isinstance(r.event, SpeakerRevised)]
    assert {r.engine for r in revised} == {str(embedder.identity)}
    assert _labels(state.segments) == {"1", "2", "3", "4"}
    right, spoken = _attributed(scene, state.segments)
    assert right / spoken >= 0.9, f"{right} of {spoken} words"
    # Labels hold across the stop.
    kept = [n for n, s in at_stop.items() if s.closed and s.speaker]
    same = [n for n in kept if state.segments[n].speaker == at_stop[n].speaker]
    assert len(same) >= 0.8 * len(kept)


def _labels(segments: Mapping[int, Segment]) -> set[str]:
    return {segment.speaker for segment in segments.values() if segment.speaker}


def _attributed(scene: Scene, segments: Mapping[int, Segment]) -> tuple[int, int]:
    """Words under the right speaker, each label standing for whom it names most; and all words."""
    named: dict[str, Counter[str]] = {}
    spoken = 0
    for segment in segments.values():
        for word in segment.words:
            middle = (word.start_ms + word.end_ms) // 2
            who = next((t.speaker for t in scene.turns if t.start_ms <= middle < t.end_ms), None)
            if who is not None:
                spoken += 1
                named.setdefault(segment.speaker or "", Counter())[who] += 1
    named.pop("", None)
    return sum(max(counts.values()) for counts in named.values()), spoken
