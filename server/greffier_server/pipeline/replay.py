"""A session heard again from its journal, by the recognition that heard it live.

Audio comes as fast as the engine goes; what the clock decided then is taken from the log. So the
same weights give the same events, and other weights, policies or versions can be held against them.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count

from greffier.protocol import QualityLevel
from greffier_models.errors import EngineError
from greffier_models.protocols import SpeechRecognizer
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.epochs import is_heard
from greffier_server.core.events import Recorded, SessionStarted
from greffier_server.core.ladder import LEVELS
from greffier_server.core.state import SessionState
from greffier_server.errors import ReplayRefused
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.feed import AudioFeed, ChannelDecoder, ChannelFeeds
from greffier_server.pipeline.listening import Ears, Listening, channel_starts
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.pace import Paced, Tempo
from greffier_server.pipeline.read_back import read_stretch
from greffier_server.pipeline.recognise import Recognition
from greffier_server.pipeline.timing import Timing
from greffier_server.pipeline.vocabulary import Vocabulary
from greffier_server.storage.journal import SessionJournal

__all__ = ["RecordedPace", "Rehearing", "Script"]

_READ_MS = 5_000
_AHEAD_MS = 20_000
"""Audio decoded before a channel has heard it."""
_NEW_NUMBER = 1_000_000
"""Segments that the record does not have are numbered from here on."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the log says of one stretch of recognition, by channel (see `core/epochs.py`)."""

    paced: Mapping[int, Sequence[tuple[int, ...]]] = field(
        default_factory=dict[int, Sequence[tuple[int, ...]]]
    )
    given_up: Mapping[int, Set[tuple[int, ...]]] = field(
        default_factory=dict[int, Set[tuple[int, ...]]]
    )
    learned: Mapping[int, Sequence[tuple[int, ...]]] = field(
        default_factory=dict[int, Sequence[tuple[int, ...]]]
    )
    numbers: Mapping[int, Sequence[int]] = field(default_factory=dict[int, Sequence[int]])
    enough: Mapping[int, int] | None = None
    """Events of a channel after which it need not be heard any more; None = to the end."""


class RecordedPace:
    """Hurries channels as they were hurried then (see `Pacing`).

    Args:
        paced: by channel, in order.
    """

    def __init__(self, paced: Mapping[int, Sequence[tuple[int, ...]]]) -> None:
        self._left = {channel: list(reversed(changes)) for channel, changes in paced.items()}
        self._tempos: dict[int, Tempo] = {}

    def join(self, channel: Paced) -> None:
        """Nothing to do: no channel counts."""
        del channel

    def weigh(self) -> QualityLevel | None:
        """Nothing changes but what is recorded."""
        return None

    def tempo_of(self, channel: Paced) -> Tempo:
        """As it was when so much had been heard."""
        left = self._left.get(channel.channel, [])
        while left and left[-1][0] <= channel.heard_ms:
            _, hop_ms, step = left.pop()
            self._tempos[channel.channel] = Tempo(LEVELS[step], hop_ms)
        return self._tempos.get(channel.channel, Tempo())

    def stumble(self, channel: Paced) -> bool:
        """The record has the failures of then."""
        del channel
        return False

    def recover(self, channel: Paced) -> None:
        """Nothing to do."""
        del channel


class Rehearing:
    """One stretch of recognition, heard again; used once.

    Args:
        started: what the session was asked to do.
        state: of the log before the stretch.
        listening: the settings.
        ears: the models.
        journal: the session's audio.
        from_byte: the audio is heard from here on.
        script: what the clock decided.
        vocabulary: the session's terms, and those of its documents.
    """

    def __init__(
        self,
        started: SessionStarted,
        state: SessionState,
        *,
        listening: Listening,
        ears: Ears,
        journal: SessionJournal,
        from_byte: int,
        script: Script,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._form = started.format
        self._journal = journal
        self._from_byte = from_byte
        self._decoder = ChannelDecoder(self._form, separate=started.channels == "separate")
        self._progressed = asyncio.Event()
        start_ms = from_byte // self._form.frame_bytes * 1000 // self._form.rate
        pace = RecordedPace(script.paced)
        firm = Ears(_Firm(ears.recognizer), ears.vad)
        feeds: list[AudioFeed] = []
        self._channels: list[_Channel] = []
        for start in channel_starts(started, state, listening.policy):
            number = start.channel
            begin_ms = max(start_ms, start.from_ms)
            feeds.append(AudioFeed(begin_ms))
            sink = _Sink(None if script.enough is None else script.enough.get(number, 0))
            recognition = listening.open(
                started,
                start,
                firm,
                log=EventLog("", "", clock=ManualClock(), sink=sink.take),
                feed=feeds[-1],
                begin_ms=begin_ms,
                numbers=_numbers(script.numbers.get(number, ())),
                pace=pace,
                timing=partial(
                    Timing,
                    given_up=script.given_up.get(number, frozenset()),
                    learned=script.learned.get(number, ()),
                ),
                vocabulary=vocabulary,
                on_progress=self._progressed.set,
            )
            self._channels.append(_Channel(number, recognition, sink))
        self._feeds = ChannelFeeds(feeds, start_ms=start_ms)
        self.lost: list[tuple[int, int]] = []
        """Bytes (from, to) with audio that the disk no longer gives."""

    async def run(self) -> dict[int, list[Recorded]]:
        """Return what is heard, by channel.

        Raises:
            ReplayRefused: the speech model failed.
            StorageFailed: the audio cannot be read.
        """
        tasks = [asyncio.create_task(self._read(), name="replay-audio")]
        tasks += [
            asyncio.create_task(self._hear(channel), name=f"replay-channel-{channel.number}")
            for channel in self._channels
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return {channel.number: channel.sink.heard for channel in self._channels}

    async def _hear(self, channel: "_Channel") -> None:
        try:
            if not channel.sink.full:
                await channel.recognition.listen()
        except _Enough:
            pass
        finally:
            channel.ended = True
            self._progressed.set()

    async def _read(self) -> None:
        form, at = self._form, self._from_byte
        end = self._journal.durable_bytes
        step = _READ_MS * form.rate // 1000 * form.frame_bytes
        while at < end:
            upto = min(end, at + step)
            stretch = await read_stretch(self._journal, form, at, upto)
            if stretch.lost is not None:
                self.lost.append(stretch.lost)
            self._feeds.put(await asyncio.to_thread(self._decoder.decode, stretch.audio))
            at = upto
            while self._ahead_ms() > _AHEAD_MS:
                self._progressed.clear()
                await self._progressed.wait()
            if all(channel.ended for channel in self._channels):
                return
        self._feeds.put(await asyncio.to_thread(self._decoder.decode, b"", last=True))
        self._feeds.end()

    def _ahead_ms(self) -> int:
        heard = [each.recognition.heard_ms for each in self._channels if not each.ended]
        return self._feeds.received_ms - min(heard, default=self._feeds.received_ms)


@dataclass(slots=True)
class _Channel:
    number: int
    recognition: Recognition
    sink: "_Sink"
    ended: bool = False


class _Enough(Exception):
    """All that is to be compared has been heard."""


class _Sink:
    """Keeps what is heard, until there is enough."""

    def __init__(self, enough: int | None) -> None:
        self._enough = enough
        self.heard: list[Recorded] = []

    @property
    def full(self) -> bool:
        return self._enough is not None and len(self.heard) >= self._enough

    async def take(self, records: Sequence[Recorded]) -> None:
        self.heard += [record for record in records if is_heard(record.event)]
        if self.full:
            raise _Enough


class _Firm:
    """A recogniser whose failures end the replay: those of then are in the record."""

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self._recognizer = recognizer
        self.identity = recognizer.identity
        self.languages = recognizer.languages

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
        try:
            return await self._recognizer.transcribe(window, options)
        except EngineError as error:
            raise _failed(error) from error

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
        try:
            return await self._recognizer.identify(window, candidates)
        except EngineError as error:
            raise _failed(error) from error


def _failed(error: EngineError) -> ReplayRefused:
    return ReplayRefused(f"The replay was given up: {error.message}")


def _numbers(recorded: Sequence[int]) -> Iterator[int]:
    return chain(recorded, count(_NEW_NUMBER))
