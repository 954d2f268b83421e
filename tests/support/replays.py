"""Live sessions under a troubled clock, and what they leave behind for a replay."""

import asyncio
import copy
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from greffier.protocol import AudioFormat, Resume, Start
from greffier_models.errors import EngineError, EngineUnavailable, RequestPoisoned
from greffier_models.fakes import FakeRecognizer, FakeVad, RecognitionDials
from greffier_models.load import DeviceLoad
from greffier_models.protocols import SpeechRecognizer
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.events import Recorded
from greffier_server.core.policies import PolicySettings, default_dials
from greffier_server.pipeline.building import Engines, SessionSettings
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.listening import Ears
from greffier_server.pipeline.replaying import SessionReplay
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, Disk, MemoryJournal, until

__all__ = ["Lived", "Trouble", "Troubled", "Unsteady", "live_session", "quiet_ears"]

_DIALS = RecognitionDials(unstable_ms=700, instability=0.5)
"""What is heard depends on where a window ends, so that a decode at another time shows."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes on around a session; everything is drawn from `seed`."""

    seed: int = 0
    chunk_ms: int = 100
    jitter_s: float = 0.0
    """Chunks come up to this much late, and then at once."""
    decode_s: float = 0.0
    """Longest time of a decode."""
    load: bool = False
    """The device's load varies."""
    deaf: float = 0.0
    """Share of the windows that the engine never answers."""
    poison: float = 0.0
    """Share of the windows that end the engine's process each time."""
    stumbles: float = 0.0
    """Share of the requests that fail once."""
    kills: tuple[float, ...] = ()
    """Shares of the audio after which the server is killed and started again."""
    stops: tuple[float, ...] = ()
    """The same, but the server stops in good order."""


class Unsteady:
    """A fake recogniser whose answers depend on all of the window, languages too."""

    def __init__(self) -> None:
        self._recognizer = FakeRecognizer(_DIALS)
        self.identity = self._recognizer.identity
        self.languages = self._recognizer.languages

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        return await self._recognizer.transcribe(window, options)

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        french = zlib.crc32(window.pcm.tobytes()) % 100 / 100
        return {"fr": french, "en": 1.0 - french}


class Troubled:
    """A recogniser that is late, stumbles, and never answers some windows."""

    def __init__(self, trouble: Trouble, recognizer: SpeechRecognizer | None = None) -> None:
        self._trouble = trouble
        self._recognizer = recognizer or Unsteady()
        self._draw = random.Random(trouble.seed)
        self.identity = self._recognizer.identity
        self.languages = self._recognizer.languages

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        await self._trip(window)
        return await self._recognizer.transcribe(window, options)

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        await self._trip(window)
        return await self._recognizer.identify(window, candidates)

    async def _trip(self, window: AudioWindow) -> None:
        if self._trouble.decode_s:
            await asyncio.sleep(self._draw.random() * self._trouble.decode_s)
        sound = zlib.crc32(window.pcm.tobytes(), self._trouble.seed)
        if sound % 1_000 < self._trouble.deaf * 1_000:
            raise EngineError("The engine never answers this window.")
        if (sound >> 10) % 1_000 < self._trouble.poison * 1_000:
            raise RequestPoisoned("This window ended the engine.")
        if self._draw.random() < self._trouble.stumbles:
            raise EngineUnavailable("The engine stumbled.")


@dataclass(frozen=True, slots=True)
class Lived:
    """What a session leaves."""

    records: list[Recorded]
    journal: MemoryJournal
    session: str

    async def replay(self) -> SessionReplay:
        return SessionReplay(self.records, await self.journal.open(TENANT, self.session))


@dataclass(slots=True)
class _Server:
    """A desk over a store and a disk; what it leaves can be copied at any instant."""

    trouble: Trouble
    policy: PolicySettings
    expected: tuple[str, ...]
    engines: Engines
    store: MemoryStore = field(default_factory=MemoryStore)
    disk: Disk = field(default_factory=Disk)

    def desk(self) -> Desk:
        return Desk(
            store=self.store,
            sink=self.store.append,
            journal=MemoryJournal(self.disk),
            engines=self.engines,
            clock=ManualClock(),
            settings=DeskSettings(
                sessions=SessionSettings(policy=self.policy, expected_languages=self.expected)
            ),
        )


def quiet_ears() -> Ears:
    """The fakes of `live_session` without any trouble."""
    return Ears(Unsteady(), FakeVad())


async def live_session(
    audio: bytes,
    trouble: Trouble,
    *,
    channels: int = 1,
    language: str = "en",
    policy: PolicySettings | None = None,
    expected: tuple[str, ...] = ("en", "fr"),
    ears: Ears | None = None,
    load: Callable[[], DeviceLoad] | None = None,
) -> Lived:
    """Live through a session of `audio` (16 kHz) at real time (virtual in tests).

    A killed server leaves what was durable at that instant; a new one goes on from there, and the
    client sends again what was not.
    """
    draw = random.Random(trouble.seed + 1)
    form = AudioFormat(channels=channels)
    ears = ears or quiet_ears()

    def jumping() -> DeviceLoad:
        return DeviceLoad(streams=draw.randint(1, 30), cost_s=0.1)

    if trouble.load and load is None:
        load = jumping

    server = _Server(
        trouble,
        policy or default_dials("alignatt"),
        expected,
        Engines(Troubled(trouble, ears.recognizer), ears.vad, load=load),
    )
    start = Start(
        form,
        language=language,
        minutes=False,
        channels="separate" if channels > 1 else "mix",
    )
    desk = server.desk()
    session, token = await desk.open(TENANT, start)
    ends = {round(len(audio) * share): "kill" for share in trouble.kills}
    ends |= {round(len(audio) * share): "stop" for share in trouble.stops}
    step = trouble.chunk_ms * form.rate // 1000 * form.frame_bytes
    at = 0
    for edge in [*sorted(ends), len(audio)]:
        while at < edge:
            chunk = audio[at : at + step]
            await asyncio.sleep(trouble.chunk_ms / 1000)
            if draw.random() < 0.2:
                await asyncio.sleep(draw.random() * trouble.jitter_s)
            await session.push(chunk)
            at += len(chunk)
        if edge not in ends or edge == len(audio):
            continue
        if ends[edge] == "kill":
            server.store, server.disk = copy.deepcopy((server.store, server.disk))
        await desk.close()
        desk = server.desk()
        await desk.recover()
        durable = len(server.disk.files[TENANT, session.id]) // form.frame_bytes
        session = await desk.resume(TENANT, Resume(session.id, token, durable))
        at = durable * form.frame_bytes
    await session.finish()
    await until(lambda: not desk.live_count)
    await desk.close()
    records = [record async for record in server.store.events(TENANT, session.id)]
    return Lived(records, MemoryJournal(server.disk), session.id)
