"""A recording through the recognition of a live session, as fast as the machine goes.

It is the pipeline itself (feed, voice activity, policy, defence, segments, event log) over the real
model. Audio is fed a block at a time, each when the one before is dealt with, so that the ladder
stays at ``full``; decisions come from the sample clock, and so are those of a session in real time
on a machine that keeps up.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    EngineIdentity,
    Hypothesis,
    Pcm,
    RecognitionOptions,
    Word,
)
from greffier_server.core.alignatt import AlignAttPolicy, AlignAttSettings
from greffier_server.core.events import Recorded, TailRevised, TextWithheld, WordsCommitted
from greffier_server.core.segments import Segmenter
from greffier_server.core.speech import SpeechSettings
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.recognise import Recognition

__all__ = ["Replayed", "replay"]

_BLOCK_MS = 960


@dataclass(slots=True)
class Replayed:
    """What a session made of a recording."""

    words: list[Word] = field(default_factory=list[Word])
    """Committed."""
    tails: list[TailRevised] = field(default_factory=list[TailRevised])
    """Every tail that was shown and was not empty."""
    withheld: list[TextWithheld] = field(default_factory=list[TextWithheld])
    decodes: int = 0
    identifications: int = 0
    model_cpu_s: float = 0.0
    """Processor time of the model, all threads."""
    vad_cpu_s: float = 0.0

    @property
    def text(self) -> str:
        """What was committed."""
        return "".join(word.text for word in self.words).strip()

    @property
    def tail_words(self) -> int:
        """Words of tails that no tail before had at that place: what a viewer saw come and go."""
        seen: set[tuple[int, str]] = set()
        for tail in self.tails:
            seen |= {(tail.segment, word) for word in tail.tail.split()}
        return len(seen)

    @property
    def reasons(self) -> dict[str, int]:
        """Passages withheld, by reason."""
        return dict(Counter(doubt.reason for doubt in self.withheld))


async def replay(
    pcm: Pcm,
    *,
    engine: BatchRecognizer,
    vad: VoiceActivityDetector,
    language: str | None = None,
    expected: Sequence[str] = ("fr", "en"),
    settings: AlignAttSettings | None = None,
    speech: SpeechSettings | None = None,
) -> Replayed:
    """Recognise `pcm` from its first sample to its last.

    Args:
        pcm: 16 kHz.
        engine: the model.
        vad: voice activity.
        language: spoken; None = detected and followed.
        expected: languages likely to be spoken.
        settings: the policy's dials.
        speech: thresholds of voice activity.
    """
    replayed = Replayed()

    async def keep(records: Sequence[Recorded]) -> None:
        for record in records:
            match record.event:
                case WordsCommitted(words=words):
                    replayed.words.extend(words)
                case TextWithheld():
                    replayed.withheld.append(record.event)
                case _:
                    pass

    log = EventLog("bench", "replay", clock=SystemClock(), sink=keep)
    feed = AudioFeed()
    moved = asyncio.Event()
    counted = _Counted(engine, replayed)
    recognition = Recognition(
        log=log,
        feed=feed,
        policy=AlignAttPolicy(
            frame_ms=vad.frame_ms,
            language=language,
            expected=expected,
            settings=settings,
            speech=speech,
        ),
        segmenter=Segmenter(),
        recognizer=counted,
        vad=_CountedVad(vad, replayed),
        frame_ms=vad.frame_ms,
        on_progress=moved.set,
    )

    async def speak() -> None:
        step = _BLOCK_MS * SAMPLES_PER_MS
        for start in range(0, len(pcm), step):
            moved.clear()
            feed.put(pcm[start : start + step])
            await moved.wait()
        feed.end()

    async def watch() -> None:
        async for record in log.follow():
            if isinstance(record.event, TailRevised) and record.event.tail.strip():
                replayed.tails.append(record.event)

    async with asyncio.TaskGroup() as group:
        group.create_task(speak())
        group.create_task(watch())
        await recognition.run()
        log.close()
    return replayed


class _CountedVad:
    """One stream of voice activity, timed."""

    def __init__(self, vad: VoiceActivityDetector, replayed: Replayed) -> None:
        self._stream = vad.open()
        self._replayed = replayed

    def push(self, pcm: Pcm) -> Sequence[float]:
        began = time.process_time()
        probabilities = self._stream.push(pcm)
        self._replayed.vad_cpu_s += time.process_time() - began
        return probabilities


class _Counted:
    """A model for one session: each request decoded at once, and counted."""

    def __init__(self, engine: BatchRecognizer, replayed: Replayed) -> None:
        self._engine = engine
        self._replayed = replayed

    @property
    def identity(self) -> EngineIdentity:
        return self._engine.identity

    @property
    def languages(self) -> frozenset[str]:
        return self._engine.languages

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        del deadline_ms, priority, stream
        self._replayed.decodes += 1
        began = time.process_time()
        (answer,) = await asyncio.to_thread(self._engine.decode, [(window, options)])
        self._replayed.model_cpu_s += time.process_time() - began
        return answer

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        del deadline_ms, priority, stream
        self._replayed.identifications += 1
        began = time.process_time()
        scores = await asyncio.to_thread(self._engine.identify, window, candidates)
        self._replayed.model_cpu_s += time.process_time() - began
        return scores
