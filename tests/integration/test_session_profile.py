"""A session names the kind of its audio: what the detector asks for follows it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from greffier.codec import decode_client
from greffier.errors import MalformedFrame
from greffier.protocol import AudioProfile, Start
from greffier_models.encoded import encode_speech, spoken
from greffier_models.fakes import FakeRecognizer, FakeVad
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import Pcm
from greffier_server.core.captions import to_txt
from greffier_server.core.events import SessionStarted
from greffier_server.core.speech import PROFILES
from greffier_server.core.state import fold
from greffier_server.pipeline.building import Engines, SessionSettings
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import Disk, MemoryJournal, until

pytestmark = pytest.mark.integration

SAID = "compagnie de contrôle rendez compte de votre position"
PCM = encode_speech(spoken(SAID, start_ms=400), duration_ms=6_000)


class _Faint:
    """Sees speech as a detector sees it on a noisy channel."""

    frame_ms = 32

    def __init__(self, most: float) -> None:
        self._most = most
        self._stream = FakeVad().open()

    def open(self) -> "_Faint":
        return _Faint(self._most)

    def push(self, pcm: Pcm) -> Sequence[float]:
        return [self._most * share for share in self._stream.push(pcm)]


async def _heard(profile: AudioProfile | None, *, most: float, own: AudioProfile) -> str:
    store = MemoryStore()
    async with RecognitionRuntime(FakeRecognizer()) as recognizer:
        desk = Desk(
            store=store,
            sink=store.append,
            journal=MemoryJournal(Disk()),
            engines=Engines(recognizer, _Faint(most)),
            clock=ManualClock(),
            settings=DeskSettings(sessions=SessionSettings(speech=PROFILES[own])),
        )
        try:
            start = Start(language="fr", minutes=False, profile=profile)
            session, _ = await desk.open("t", start)
            await session.push(PCM.tobytes())
            await session.finish()
            await until(lambda: not desk.live_count)
            started = session.log.records[0].event
            assert isinstance(started, SessionStarted)
            assert started.profile == profile
            return to_txt(fold(session.log.records), None)
        finally:
            await desk.close()


@pytest.mark.parametrize(
    ("profile", "own", "most", "heard"),
    [
        ("radio", "wide", 0.22, True),
        ("telephone", "wide", 0.22, False),
        ("telephone", "wide", 0.3, True),
        ("wide", "radio", 0.3, False),
        (None, "radio", 0.22, True),
        (None, "wide", 0.22, False),
    ],
)
async def test_the_profile_of_the_session_wins(
    profile: AudioProfile | None, own: AudioProfile, most: float, heard: bool
) -> None:
    assert ("position" in await _heard(profile, most=most, own=own)) is heard


def test_the_wire_knows_three_profiles() -> None:
    assert decode_client('{"type":"start","profile":"radio"}') == Start(profile="radio")
    assert decode_client('{"type":"start","profile":null}') == Start()
    for bad in ('"am"', '""', "1", "[]"):
        with pytest.raises(MalformedFrame):
            decode_client(f'{{"type":"start","profile":{bad}}}')


def test_a_start_without_profile_is_what_it_was() -> None:
    assert replace(Start(), profile="radio") != Start()
    assert Start().profile is None
    assert SessionStarted(Start().format, "fr").profile is None
