"""Encoded recordings of random speech, and the real recognition loop over them."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from hypothesis import strategies as st

from greffier.protocol import QualityLevel
from greffier_models.encoded import encode_speech
from greffier_models.fakes import FakeRecognizer, FakeVad
from greffier_models.protocols import SpeechRecognizer, VoiceActivityDetector
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    Hypothesis,
    Pcm,
    RecognitionOptions,
    Word,
)
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.events import Event, Recorded, SegmentClosed, WordsCommitted
from greffier_server.core.policies import PolicySettings, build_policy
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome, StreamingPolicy
from greffier_server.core.segments import Segmenter
from greffier_server.core.state import SessionState, fold
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.recognise import Recognition

__all__ = [
    "Listener",
    "Recognised",
    "Recording",
    "WatchedPolicy",
    "chunkings",
    "committed_words",
    "keep_in_memory",
    "recognise",
    "recording_of",
    "recordings",
]


@dataclass(frozen=True, slots=True)
class Recording:
    """Words and the audio that carries them."""

    words: tuple[Word, ...]
    duration_ms: int

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]

    @property
    def pcm(self) -> Pcm:
        return encode_speech(self.words, duration_ms=self.duration_ms)


def recording_of(
    pieces: Iterable[tuple[int, int]], *, stops: Sequence[int] = (), end_ms: int = 0
) -> Recording:
    """Return words numbered in order, from (pause before, length) in milliseconds.

    Args:
        pieces: of each word.
        stops: places of the words that end in a full stop.
        end_ms: silence behind the last word.
    """
    words: list[Word] = []
    at = 0
    for place, (pause_ms, length_ms) in enumerate(pieces):
        at += pause_ms
        text = f" w{place}{'.' if place in stops else ''}"
        words.append(Word(text, at, at + length_ms, 1.0))
        at += length_ms
    return Recording(tuple(words), at + end_ms)


@st.composite
def recordings(
    draw: st.DrawFn, *, max_words: int = 60, least_end_ms: int = 0, closed_by_pause: bool = True
) -> Recording:
    """Random speech: quick and slow words, pauses up to 5 s, silence or none at either end."""
    running = st.tuples(st.integers(0, 250), st.integers(120, 600))
    paused = st.tuples(st.integers(250, 5_000), st.integers(120, 1_200))
    piece = st.one_of(running, running, running, paused)
    pieces = draw(st.lists(piece, max_size=max_words))
    stops = draw(st.sets(st.integers(0, max(0, len(pieces) - 1)), max_size=8))
    end_ms = draw(st.one_of(st.just(least_end_ms), st.integers(least_end_ms, 4_000)))
    return recording_of(pieces, stops=sorted(stops), end_ms=end_ms)


def chunkings(pcm: Pcm) -> st.SearchStrategy[list[Pcm]]:
    """Ways to cut `pcm`: any sizes, odd ones too."""
    return st.lists(st.integers(1, 40_000), max_size=30).map(
        lambda sizes: _cut(pcm, [*sizes, 4_000])
    )


def _cut(pcm: Pcm, sizes: Sequence[int]) -> list[Pcm]:
    """Cut by `sizes`, over again to the end."""
    edges = list(accumulate(sizes))
    repeats = len(pcm) // edges[-1] + 1
    places = [edge + turn * edges[-1] for turn in range(repeats) for edge in edges]
    return [part for part in np.split(pcm, [p for p in places if p < len(pcm)]) if len(part)]


class Listener:
    """A fake recogniser that takes a forced prefix as a decoder does: by its words.

    The window may begin inside the word before the prefix; `FakeRecognizer` alone would count that
    piece as the prefix's first word.
    """

    def __init__(self, recognizer: FakeRecognizer | None = None) -> None:
        self._recognizer = recognizer or FakeRecognizer()
        self.identity = self._recognizer.identity
        self.languages = self._recognizer.languages
        self.windows: list[AudioWindow] = []

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        self.windows.append(window)
        heard = await self._recognizer.transcribe(
            window,
            replace(options, prefix=""),
            deadline_ms=deadline_ms,
            priority=priority,
            stream=stream,
        )
        prefix = options.prefix.split()
        words = list(heard.words)
        if prefix and words and words[0].text.strip() != prefix[0]:
            words = words[1:]
        said = [word.text.strip() for word in words[: len(prefix)]]
        assert said == prefix, f"the forced prefix {prefix} is not what is heard: {said}"
        return replace(heard, words=tuple(words[len(prefix) :]))

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
        self.windows.append(window)
        return self._recognizer.identify(window, candidates)


class WatchedPolicy:
    """A policy that checks what every policy owes, whatever it decides."""

    def __init__(self, policy: StreamingPolicy, *, max_window_ms: int = 28_000) -> None:
        self._policy = policy
        self._max_window_ms = max_window_ms
        self._kept_from_ms = 0
        self._heard_ms = 0
        self._last = Word("", 0, 0, 1.0)
        self.requests: list[DecodeRequest | IdentifyRequest] = []
        self._without_progress = 0

    @property
    def language(self) -> str | None:
        return self._policy.language

    @property
    def done(self) -> bool:
        return self._policy.done

    @property
    def paused(self) -> bool:
        return self._policy.paused

    @property
    def keep_from_ms(self) -> int:
        self._kept_from_ms = max(self._kept_from_ms, self._policy.keep_from_ms)
        return self._policy.keep_from_ms

    def hear(self, to_ms: int, probabilities: Sequence[float]) -> None:
        self._heard_ms = to_ms
        self._without_progress = 0
        self._policy.hear(to_ms, probabilities)

    def end(self, to_ms: int) -> None:
        self._heard_ms = to_ms
        self._policy.end(to_ms)

    def request(self) -> DecodeRequest | IdentifyRequest | None:
        request = self._policy.request()
        if request is None:
            return None
        self._without_progress += 1
        assert self._without_progress < 50, "the policy asks and asks without hearing more"
        assert 0 <= request.from_ms < request.to_ms <= self._heard_ms, request
        assert request.to_ms - request.from_ms <= self._max_window_ms, request
        assert request.from_ms >= self._kept_from_ms, "asks for audio it had given up"
        self.requests.append(request)
        return request

    def identified(self, request: IdentifyRequest, scores: dict[str, float]) -> Outcome:
        return self._policy.identified(request, scores)

    def abandon(self, request: DecodeRequest) -> Outcome:
        return self._policy.abandon(request)

    def pace(self, hop_ms: int) -> None:
        self._policy.pace(hop_ms)

    def quicken(self, level: QualityLevel) -> None:
        self._policy.quicken(level)

    def accept(self, request: DecodeRequest, hypothesis: Hypothesis) -> Outcome:
        outcome = self._policy.accept(request, hypothesis)
        for word in outcome.committed:
            assert word.start_ms <= word.end_ms <= self._heard_ms, word
            assert word.start_ms >= self._last.start_ms, (word, self._last)
            assert word.end_ms >= self._last.end_ms, (word, self._last)
            self._last = word
        return outcome


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a session's log holds after recognition."""

    records: tuple[Recorded, ...]
    policy: WatchedPolicy

    @property
    def events(self) -> list[Event]:
        return [record.event for record in self.records]

    @property
    def state(self) -> SessionState:
        return fold(self.records)

    @property
    def words(self) -> list[Word]:
        return committed_words(self.records)

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.words]

    @property
    def segments(self) -> list[tuple[int, int, int, str]]:
        texts = {segment.id: segment.text for segment in self.state.segments.values()}
        return [
            (event.segment, event.start_ms, event.end_ms, texts[event.segment])
            for event in self.events
            if isinstance(event, SegmentClosed)
        ]


def committed_words(records: Iterable[Recorded]) -> list[Word]:
    """Every committed word of a log, in order."""
    return [
        word
        for record in records
        if isinstance(record.event, WordsCommitted)
        for word in record.event.words
    ]


async def keep_in_memory(records: Sequence[Recorded]) -> None:
    """A sink that has nothing to do: the log itself remembers."""


async def recognise(
    chunks: Sequence[Pcm],
    *,
    recognizer: SpeechRecognizer | None = None,
    vad: VoiceActivityDetector | None = None,
    policy: StreamingPolicy | None = None,
    dials: PolicySettings | None = None,
    language: str | None = "fr",
    ms_between: int = 0,
    real_time: bool = False,
) -> Recognised:
    """Run the recognition loop over `chunks` to the end.

    Args:
        chunks: audio as it arrives.
        recognizer: a `Listener` when absent.
        vad: the fake one when absent.
        policy: the one of `dials` over `language` when absent.
        dials: of the policy; AlignAtt's when absent.
        language: None = followed.
        ms_between: (virtual) time between two chunks.
        real_time: each chunk takes as long as it lasts, too.
    """
    vad = vad or FakeVad()
    built = build_policy(dials or AlignAttSettings(), frame_ms=vad.frame_ms, language=language)
    watched = WatchedPolicy(policy or built)
    log = EventLog("t", "s", clock=ManualClock(), sink=keep_in_memory)
    feed = AudioFeed()
    recognition = Recognition(
        log=log,
        feed=feed,
        policy=watched,
        segmenter=Segmenter(),
        recognizer=recognizer or Listener(),
        vad=vad.open(),
        frame_ms=vad.frame_ms,
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(recognition.run())
        for chunk in chunks:
            feed.put(chunk)
            length_ms = len(chunk) / SAMPLES_PER_MS if real_time else 0
            if wait_ms := ms_between + length_ms:
                await asyncio.sleep(wait_ms / 1000)
        feed.end()
        await running
    assert watched.done
    samples = sum(len(chunk) for chunk in chunks)
    assert recognition.heard_ms == samples // SAMPLES_PER_MS
    return Recognised(tuple(log.records), watched)
