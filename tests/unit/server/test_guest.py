"""Sessions of clients that cannot come back: opened, finished, kept when the server stops."""

import pytest

from greffier.protocol import AudioFormat, Finished, Start
from greffier_server.errors import ModelNotLoaded, ServerBusy, UnsupportedAudio
from greffier_server.services import Readiness, Services
from greffier_server.settings import LimitSettings, Settings
from greffier_server.telemetry import Metrics
from greffier_server.transport.auth import Gate
from greffier_server.transport.guest import Doorway, welcome
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections
from tests.support.fake_desk import FakeDesk, MemoryStore

pytestmark = pytest.mark.unit


def doorway(*, ready: bool = True, limit: int = 8) -> tuple[Doorway, FakeDesk]:
    store = MemoryStore()
    desk = FakeDesk(store)
    services = Services(
        desk=desk,
        store=store,
        metrics=Metrics(),
        readiness=lambda: Readiness(ready=ready, reason="" if ready else "no model"),
    )
    connections = Connections(limit=limit)
    return Doorway(services, Gate(Settings()), LimitSettings(), connections), desk


async def test_a_client_that_leaves_has_its_session_finished() -> None:
    door, desk = doorway()
    async with welcome(door, "default", Start(), protocol="test") as guest:
        await guest.push(bytes(3200))
        session = desk.sessions[guest.session.id]
        assert not session.finished
    assert session.finished
    assert session.detached == []
    assert session.accepted_samples == 1600


async def test_the_messages_end_with_finished() -> None:
    door, _ = doorway()
    async with welcome(door, "default", Start(), protocol="test") as guest:
        await guest.push(bytes(320))
        await guest.finish()
        messages = [message async for message in guest.messages()]
    assert isinstance(messages[-1], Finished)


async def test_a_session_is_kept_when_the_server_stops() -> None:
    door, desk = doorway()
    async with welcome(door, "default", Start(), protocol="test") as guest:
        door.connections.stop()
        with pytest.raises(ServerStopping):
            door.check_room()
    session = desk.sessions[guest.session.id]
    assert session.detached == ["server stopping"]
    assert not session.finished


async def test_refusals_are_counted_and_leave_no_session() -> None:
    door, desk = doorway(ready=False)
    with pytest.raises(ModelNotLoaded):
        async with welcome(door, "default", Start(), protocol="test"):
            pytest.fail("it was let in")
    ready, _ = doorway()
    with pytest.raises(UnsupportedAudio):
        async with welcome(ready, "default", Start(format=AudioFormat(rate=1)), protocol="test"):
            pytest.fail("it was let in")
    assert desk.sessions == {}
    assert b'"model_not_loaded"' in door.services.metrics.exposition()


def test_no_room_for_one_more() -> None:
    door, _ = doorway(limit=0)
    with door.connections.place(), pytest.raises(ServerBusy):
        door.check_room()
