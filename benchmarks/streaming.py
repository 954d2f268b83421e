"""One recording played at real time into a server, with the time of everything that comes back."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import greffier
from benchmarks.corpora import RATE, Recording, read_pcm
from benchmarks.lag import Arrival, Playback
from greffier.protocol import Caption, Finished, Gap, Minutes, Quality, Translation, Withheld

__all__ = ["Played", "TimedTranslation", "play", "recorded_captions"]

CHUNK_MS = 40
BYTES_PER_MS = RATE * 2 // 1000


@dataclass(frozen=True, slots=True)
class TimedTranslation:
    """A translation message and when it came."""

    at_ms: float
    translation: Translation


@dataclass(slots=True)
class Played:
    """What one session sent and received; times are milliseconds of this process' clock."""

    recording: Recording
    session: str = ""
    playback: Playback = field(default_factory=Playback)
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    translations: list[TimedTranslation] = field(default_factory=list[TimedTranslation])
    gaps: list[Gap] = field(default_factory=list[Gap])
    withheld: list[Withheld] = field(default_factory=list[Withheld])
    levels: set[str] = field(default_factory=set[str])
    """Steps of the ladder that were announced."""
    finish_sent_ms: float = 0.0
    minutes_ms: float | None = None
    finished_ms: float | None = None

    @property
    def captions(self) -> list[Caption]:
        """Every caption, in order."""
        return [arrival.caption for arrival in self.arrivals]

    @property
    def text(self) -> str:
        """Everything committed, segments in the order of their audio."""
        segments: dict[int, tuple[int, str]] = {}
        for caption in self.captions:
            start_ms, text = segments.get(caption.segment, (caption.start_ms, ""))
            segments[caption.segment] = (start_ms, text + caption.committed)
        return " ".join(text.strip() for _, text in sorted(segments.values()) if text.strip())


async def play(
    recording: Recording,
    url: str,
    *,
    translate_to: Sequence[str] = (),
    minutes: bool = False,
    timeout_s: float = 600.0,
) -> Played:
    """Speak `recording` into a session of its own and read to the end.

    Raises:
        GreffierError: the server refused, or the connection broke: a measurement with a
            reconnection in it would mean nothing.
        TimeoutError: no ``finished`` within `timeout_s` after the recording's end.
    """
    pcm = await asyncio.to_thread(read_pcm, recording.path)
    played = Played(recording)
    async with (
        asyncio.timeout(recording.duration_ms / 1000 + timeout_s),
        greffier.connect(
            url,
            language=recording.language,
            translate_to=translate_to,
            minutes=minutes,
            title=recording.id,
            reconnect=False,
        ) as session,
    ):
        played.session = session.id
        reader = asyncio.create_task(_read(session, played), name=f"read-{recording.id}")
        try:
            await _speak(session, pcm, played)
            await reader
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
    return played


async def recorded_captions(url: str, session: str) -> list[Caption]:
    """The captions of a finished session as its record has them."""
    return [
        message
        async for message in greffier.watch(url, session, reconnect=False)
        if isinstance(message, Caption)
    ]


async def _speak(
    session: greffier.LiveSession | greffier.SpooledSession, pcm: bytes, played: Played
) -> None:
    step = CHUNK_MS * BYTES_PER_MS
    began_ms = _now_ms()
    for index, offset in enumerate(range(0, len(pcm), step), 1):
        chunk = pcm[offset : offset + step]
        # A chunk can be sent when its last sample has been spoken; counted from the start, so
        # that delays do not add up.
        wait_ms = began_ms + index * CHUNK_MS - _now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
        await session.send(chunk)
        end_ms = -(-(offset + len(chunk)) // BYTES_PER_MS)  # the last may hold less than a ms
        played.playback.sent(end_ms, at_ms=_now_ms())
    played.finish_sent_ms = _now_ms()
    await session.finish()


async def _read(session: greffier.LiveSession | greffier.SpooledSession, played: Played) -> None:
    async for message in session:
        at_ms = _now_ms()
        match message:
            case Caption():
                played.arrivals.append(Arrival(at_ms, message))
            case Translation():
                played.translations.append(TimedTranslation(at_ms, message))
            case Gap():
                played.gaps.append(message)
            case Withheld():
                played.withheld.append(message)
            case Quality():
                played.levels.add(message.level)
            case Minutes():
                played.minutes_ms = at_ms
            case Finished():
                played.finished_ms = at_ms
            case _:
                pass


def _now_ms() -> float:
    return time.perf_counter() * 1000
