"""A replay that cannot be one says so."""

from dataclasses import replace

import pytest

from greffier_models.errors import EngineError
from greffier_models.fakes import FakeVad
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.events import ClientAttached, RecognitionBegun
from greffier_server.core.policies import default_dials
from greffier_server.errors import ReplayRefused
from greffier_server.pipeline.listening import Ears, Listening
from greffier_server.pipeline.replaying import SessionReplay
from tests.support.desk import TENANT, Disk, MemoryJournal
from tests.support.recordings import recording_of
from tests.support.replays import Lived, Trouble, Unsteady, live_session, quiet_ears
from tests.support.sessions import chain

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

AUDIO = recording_of([(90, 310)] * 20, stops=[9], end_ms=900).pcm.astype("<i2").tobytes()


class _Broken(Unsteady):
    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        raise EngineError("No memory.")


async def lived(trouble: Trouble | None = None) -> Lived:
    return await live_session(AUDIO, trouble or Trouble())


async def test_an_engine_that_fails_now_ends_it() -> None:
    replay = await (await lived()).replay()
    with pytest.raises(ReplayRefused, match="No memory"):
        await replay.faithful(Ears(_Broken(), FakeVad()))


async def test_failures_of_then_are_repeated_only_in_a_faithful_one() -> None:
    replay = await (await lived(Trouble(2, deaf=0.9))).replay()
    again = await replay.faithful(quiet_ears())
    other = await replay.otherwise(quiet_ears(), Listening.of(replay.begun))
    assert again.same
    assert again.words < other.words_replayed
    assert not other.same


async def test_audio_that_is_lost_since_is_told() -> None:
    live = await lived()
    audio = bytearray(AUDIO)
    spoiled = Disk(files={(TENANT, live.session): audio}, unreadable=(60_000, 90_000))
    journal = await MemoryJournal(spoiled).open(TENANT, live.session)
    again = await SessionReplay(live.records, journal).faithful(quiet_ears())
    assert again.audio_lost == 1
    assert not again.same
    difference = again.epochs[0].difference
    assert difference is not None
    assert difference.at_ms > 1_800


async def test_an_unknown_policy_is_refused() -> None:
    live = await lived()
    records = [
        replace(record, event=replace(record.event, policy="oracle"))
        if isinstance(record.event, RecognitionBegun)
        else record
        for record in live.records
    ]
    replay = await replace(live, records=records).replay()
    with pytest.raises(ReplayRefused, match="oracle"):
        await replay.faithful(quiet_ears())


async def test_nothing_recognised_and_no_start() -> None:
    live = await lived()
    journal = await live.journal.open(TENANT, live.session)
    with pytest.raises(ReplayRefused, match="Nothing was recognised"):
        SessionReplay(live.records[:2], journal)
    with pytest.raises(ReplayRefused, match="start"):
        SessionReplay(chain(ClientAttached()), journal)


async def test_another_policy_hears_the_same_audio_at_its_own_times() -> None:
    replay = await (await lived()).replay()
    whole = await replay.otherwise(
        quiet_ears(), replace(Listening.of(replay.begun), policy=default_dials("utterance"))
    )
    assert not whole.faithful
    assert whole.settings["policy"] == ("alignatt", "utterance")
    assert whole.lag_replayed.p50_ms > whole.lag.p50_ms
