"""Recordings to passages: order, times, windows in flight, languages, failures, leaving early."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import pairwise

import numpy as np
import pytest

from greffier_models.errors import EngineDown, EngineError, EngineUnavailable, RequestPoisoned
from greffier_models.fakes import FakeRecognizer, FakeVad
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions, Word
from greffier_server.pipeline.transcribe import (
    ENGINE_FAILED,
    Passage,
    RecordingTranscriber,
    TranscribeSettings,
)
from tests.support.recordings import Recording, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

TALK = recording_of([(700 if place % 7 == 0 else 60, 300) for place in range(200)], end_ms=1_000)


class Engine:
    """A fake recogniser that counts, delays, and fails where it is told to."""

    def __init__(self, *, delay_s: float = 0.0, error: EngineError | None = None) -> None:
        self._recognizer = FakeRecognizer()
        self.identity = self._recognizer.identity
        self.languages = self._recognizer.languages
        self.error = error
        self.failures = 0
        self.delay_s = delay_s
        self.running = self.most = 0
        self.asked: list[tuple[AudioWindow, RecognitionOptions]] = []
        self.named = "en"

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        self.asked.append((window, options))
        if self.failures and self.error is not None:
            self.failures -= 1
            raise self.error
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            # The first windows take longest: answers come in another order than they are asked.
            await asyncio.sleep(self.delay_s / len(self.asked))
            return await self._recognizer.transcribe(
                window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
            )
        finally:
            self.running -= 1

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        del window, candidates, deadline_ms, priority, stream
        if self.failures and self.error is not None:
            self.failures -= 1
            raise self.error
        return {self.named: 0.99, "xx": 0.01}


async def blocks(pcm: Pcm, size: int = 16_000) -> AsyncGenerator[Pcm, None]:
    for at in range(0, len(pcm), size):
        yield pcm[at : at + size]


def transcriber(engine: Engine, settings: TranscribeSettings | None = None) -> RecordingTranscriber:
    return RecordingTranscriber(recognizer=engine, detector=FakeVad(), settings=settings)


async def passages_of(
    pcm: Pcm,
    engine: Engine | None = None,
    *,
    language: str | None = "en",
    size: int = 16_000,
    settings: TranscribeSettings | None = None,
) -> list[Passage]:
    found = transcriber(engine or Engine(), settings).transcribe(
        blocks(pcm, size), language=language, expected=("fr", "en")
    )
    return [passage async for passage in found]


def words_of(passages: Sequence[Passage]) -> list[Word]:
    return [word for passage in passages for word in passage.words]


def check(recording: Recording, passages: Sequence[Passage]) -> None:
    """Every word once, in order, where it was said (to a frame of the fake's encoding)."""
    words = words_of(passages)
    assert [word.text for word in words] == recording.texts
    for heard, said in zip(words, recording.words, strict=True):
        assert abs(heard.start_ms - said.start_ms) <= 64
        assert heard.start_ms <= heard.end_ms <= said.end_ms + 64
    assert all(p.start_ms <= w.start_ms <= w.end_ms <= p.end_ms for p in passages for w in p.words)


async def test_every_word_is_there_once_with_its_time() -> None:
    passages = await passages_of(TALK.pcm)
    check(TALK, passages)
    assert len(passages) > 3
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(passages))
    assert {passage.language for passage in passages} == {"en"}


@pytest.mark.parametrize("size", [160, 5_000, 1_000_000])
async def test_how_the_audio_comes_changes_nothing(size: int) -> None:
    assert await passages_of(TALK.pcm, size=size) == await passages_of(TALK.pcm)


async def test_speech_minutes_apart_is_packed_and_told_in_its_own_time() -> None:
    sparse = recording_of([(20_000, 400)] * 6, end_ms=30_000)
    engine = Engine()
    check(sparse, await passages_of(sparse.pcm, engine))
    assert len(engine.asked) < 6
    assert all(window.duration_ms <= 14_500 for window, _ in engine.asked)


async def test_windows_are_in_flight_together_within_the_bound_and_come_in_order() -> None:
    engine = Engine(delay_s=5.0)
    check(TALK, await passages_of(TALK.pcm, engine, settings=TranscribeSettings(in_flight=3)))
    assert engine.most == 3


async def test_the_audio_is_read_no_further_than_the_windows_in_flight_reach() -> None:
    read_ms = 0

    async def endless() -> AsyncGenerator[Pcm, None]:
        nonlocal read_ms
        while True:
            for block in [b async for b in blocks(TALK.pcm)]:
                read_ms += len(block) // 16
                yield block

    reader = transcriber(Engine(delay_s=1.0), TranscribeSettings(in_flight=2))
    async with aclosing(reader.transcribe(endless(), language="en")) as passages:
        async for passage in passages:
            assert read_ms - passage.end_ms < 4 * 15_000
            if passage.end_ms > 200_000:
                break


async def test_progress_goes_forward_to_the_end() -> None:
    told: list[int] = []
    found = transcriber(Engine()).transcribe(blocks(TALK.pcm), language="en", progress=told.append)
    assert [p.end_ms async for p in found] == told[:-1]
    assert told == sorted(told)
    assert told[-1] == TALK.duration_ms


@pytest.mark.parametrize("seconds", [0, 1, 90])
async def test_nothing_said_is_no_passage(seconds: int) -> None:
    engine = Engine()
    assert await passages_of(np.zeros(16_000 * seconds, np.int16), engine) == []
    assert await passages_of(np.zeros(16_000 * seconds, np.int16), engine, language=None) == []
    assert engine.asked == []


async def test_the_language_is_followed_and_given_to_each_decode() -> None:
    engine = Engine()
    engine.named = "fr"
    passages = await passages_of(TALK.pcm, engine, language=None)
    check(TALK, passages)
    assert {passage.language for passage in passages} == {"fr"}
    assert {options.language for _, options in engine.asked} == {"fr"}


async def test_a_language_that_cannot_be_named_is_the_first_expected_one() -> None:
    engine = Engine(error=EngineError("No."))
    engine.failures = 1_000
    found = transcriber(engine).transcribe(blocks(TALK.pcm), expected=("fr", "en"))
    async with aclosing(found):
        passage = await anext(found)
    assert passage.language == "fr"


async def test_a_passing_failure_loses_nothing() -> None:
    engine = Engine(error=EngineUnavailable("Gone."))
    engine.failures = 12
    check(TALK, await passages_of(TALK.pcm, engine))


async def test_a_window_that_cannot_be_decoded_is_told_and_life_goes_on() -> None:
    engine = Engine(error=EngineError("Broken."))
    engine.failures = 4
    first, *others = await passages_of(TALK.pcm, engine, settings=TranscribeSettings(in_flight=1))
    assert first.words == ()
    assert [doubt.reason for doubt in first.withheld] == [ENGINE_FAILED]
    assert (first.withheld[0].start_ms, first.withheld[0].end_ms) == (first.start_ms, first.end_ms)
    lost = sum(word.end_ms <= first.end_ms for word in TALK.words)
    assert [word.text for word in words_of(others)] == TALK.texts[lost:]
    assert all(not passage.withheld for passage in others)


async def test_leaving_early_cancels_what_is_in_flight() -> None:
    engine = Engine(delay_s=50.0)
    found = transcriber(engine).transcribe(blocks(TALK.pcm), language="en")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1), aclosing(found):
            await anext(found)
    assert engine.most > 1
    assert engine.running == 0


async def test_a_source_that_breaks_raises_and_leaves_nothing_running() -> None:
    async def broken() -> AsyncGenerator[Pcm, None]:
        async for block in blocks(TALK.pcm[: 16_000 * 40]):
            yield block
        raise OSError("cut short")

    engine = Engine(delay_s=50.0)
    with pytest.raises(OSError, match="cut short"):
        _ = [p async for p in transcriber(engine).transcribe(broken(), language="en")]
    assert engine.running == 0


class Looping(Engine):
    """Says its last words again and again in windows of more than `limit_ms`."""

    limit_ms = 8_000

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        heard = await super().transcribe(
            window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
        )
        if window.duration_ms <= self.limit_ms:
            return heard
        end = window.duration_ms
        loop = tuple(
            Word(" encore", end - 900 + at, end - 850 + at, 0.9) for at in range(0, 800, 50)
        )
        return Hypothesis(heard.words[:2] + loop, "en", mean_logprob=-0.1, truncated=True)


async def test_a_window_in_which_the_decoder_loops_is_read_again_in_halves() -> None:
    engine = Looping()
    check(TALK, await passages_of(TALK.pcm, engine))
    again = [window for window, _ in engine.asked if window.duration_ms <= engine.limit_ms]
    assert again


async def test_a_loop_that_stays_is_withheld() -> None:
    engine = Looping()
    engine.limit_ms = 0
    passages = await passages_of(TALK.pcm, engine)
    assert passages
    for passage in passages:
        assert "repetition" in {doubt.reason for doubt in passage.withheld}
        assert [word.text for word in passage.words].count(" encore") <= 2


async def test_a_poisoned_window_is_asked_for_once_and_told() -> None:
    engine = Engine(error=RequestPoisoned("Dead."))
    engine.failures = 1
    first, *others = await passages_of(TALK.pcm, engine, settings=TranscribeSettings(in_flight=1))
    assert [doubt.reason for doubt in first.withheld] == [ENGINE_FAILED]
    assert all(passage.words for passage in others)


async def test_an_engine_that_is_down_is_waited_for() -> None:
    engine = Engine(error=EngineDown("Down."))
    engine.failures = 200
    check(TALK, await passages_of(TALK.pcm, engine))
