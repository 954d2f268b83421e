"""Measures how many live streams this machine holds, with the real engine at real time.

Each stream plays the same recording from another place, over and over, into a session like any
other: journal, voice activity, recognition, ladder. What is judged is the lag of each committed
word on the wall clock, from the moment it was spoken.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from greffier.protocol import AudioFormat, Start
from greffier_server.core.events import QualityChanged, WordsCommitted
from greffier_server.pipeline.desk import Desk
from greffier_server.pipeline.ports import SpeakingSession

__all__ = ["Sound", "Trial", "TrialSettings", "find_limit", "hold"]

_TENANT = "capacity"
_CHUNK_MS = 100
_RANK = 0.95


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, decoded."""

    format: AudioFormat
    audio: bytes

    def rotated(self, share: float) -> bytes:
        """The recording begun at `share` of its length, 0 to 1."""
        frames = len(self.audio) // self.format.frame_bytes
        at = int(frames * share) * self.format.frame_bytes
        return self.audio[at:] + self.audio[:at]


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """How one number of streams is tried."""

    seconds: float = 45.0
    warm_up_s: float = 10.0
    """Words said before this are not judged: the first words of all streams come at once."""
    max_lag_ms: int = 5_000
    """95 of 100 words are committed within this, or the machine does not hold so many streams."""
    language: str = "auto"


@dataclass(frozen=True, slots=True)
class Trial:
    """What so many streams gave."""

    streams: int
    words: int
    p50_ms: float
    p95_ms: float
    busy: float
    """Share of the cores that this process used."""
    levels: tuple[str, ...]
    """Steps of the ladder that were seen, ``full`` left out."""
    held: bool


@dataclass(slots=True)
class _Heard:
    lags_ms: list[float] = field(default_factory=list[float])
    levels: set[str] = field(default_factory=set[str])


async def find_limit(
    tried: Callable[[int], Awaitable[Trial]], *, guess: int, most: int = 1_000
) -> int:
    """The greatest number of streams that is held; 0 when not even one is.

    From `guess` up or down by halves of itself until it is enclosed, then by bisection to within a
    tenth.
    """
    held, failed = 0, most + 1
    streams = min(max(1, guess), most)
    while failed - held > max(1, held // 10):
        if (await tried(streams)).held:
            held = streams
        else:
            failed = streams
        if failed > most:
            streams = min(most, held + max(1, held // 2))
        elif not held:
            streams = max(1, failed // 2)
        else:
            streams = (held + failed) // 2
    return held


async def hold(
    desk: Desk,
    sound: Sound,
    streams: int,
    settings: TrialSettings,
    *,
    cores: int = 1,
) -> Trial:
    """Play `sound` into `streams` sessions at once, for as long as the settings say.

    Raises:
        ServerError: a session could not be opened.
    """
    heard = _Heard()
    cpu_s, begun_s = time.process_time(), time.monotonic()
    sessions: list[SpeakingSession] = []
    try:
        for _ in range(streams):
            start = Start(format=sound.format, language=settings.language, minutes=False)
            session, _token = await desk.open(_TENANT, start)
            sessions.append(session)
        begun_s = time.monotonic()
        readers = [
            asyncio.create_task(_listen(session, begun_s, settings, heard)) for session in sessions
        ]
        try:
            await asyncio.gather(
                *(
                    _speak(session, sound.rotated(index / streams), begun_s, settings, heard)
                    for index, session in enumerate(sessions)
                )
            )
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
    finally:
        for session in sessions:
            await desk.delete(session.tenant, session.id)
    elapsed_s = time.monotonic() - begun_s
    lags = sorted(heard.lags_ms)
    p95_ms = _percentile(lags, _RANK)
    return Trial(
        streams=streams,
        words=len(lags),
        p50_ms=_percentile(lags, 0.5),
        p95_ms=p95_ms,
        busy=(time.process_time() - cpu_s) / max(elapsed_s * cores, 1e-3),
        levels=tuple(sorted(heard.levels)),
        held=p95_ms <= settings.max_lag_ms and "finals-only" not in heard.levels,
    )


async def _speak(
    session: SpeakingSession,
    audio: bytes,
    begun_s: float,
    settings: TrialSettings,
    heard: _Heard,
) -> None:
    form = session.format
    step = form.rate * _CHUNK_MS // 1000 * form.frame_bytes
    for index in range(int(settings.seconds * 1000) // _CHUNK_MS):
        if "finals-only" in heard.levels:  # decided: not held
            return
        at = index * step % max(len(audio) - step, 1) // form.frame_bytes * form.frame_bytes
        # Spoken when its last sample is; counted from the start, so that delays do not add up.
        wait_s = begun_s + (index + 1) * _CHUNK_MS / 1000 - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await session.push(audio[at : at + step])


async def _listen(
    session: SpeakingSession, begun_s: float, settings: TrialSettings, heard: _Heard
) -> None:
    async for record in session.log.follow():
        match record.event:
            case WordsCommitted(words=words):
                now_ms = (time.monotonic() - begun_s) * 1000
                heard.lags_ms += [
                    now_ms - word.end_ms
                    for word in words
                    if word.end_ms >= settings.warm_up_s * 1000
                ]
            case QualityChanged(level=level) if level != "full":
                heard.levels.add(level)
            case _:
                pass


def _percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile; infinite for no values: no words came through at all."""
    if not ordered:
        return math.inf
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
