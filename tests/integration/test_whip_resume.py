"""A WHIP publisher that comes back goes on in its session; nobody else does."""

import asyncio

import pytest

from greffier_server.settings import Settings
from greffier_server.transport.whip.settings import WebRtcSettings
from tests.support.served import served, until
from tests.support.whip_peer import FRAME, ClipTrack, publishing, tone

pytestmark = pytest.mark.integration


async def test_a_second_connection_takes_the_session_over() -> None:
    """As of a page that was loaded anew: there is room for it although the first is still there."""
    settings = Settings(webrtc=WebRtcSettings(peers=1))
    async with served(settings) as server:
        async with publishing(server.http, ClipTrack(tone(440, 60.0))) as first:
            answer = await first.publish(language="fr")
            token = answer.headers["greffier-resume"]
            session = server.desk.only()
            await until(lambda: len(session.audio) > FRAME)
            await until(lambda: first.of("started"))
            assert first.of("started")[0]["token"] == token
            again = ClipTrack(tone(440, 2.0))
            async with publishing(server.http, again) as second:
                second.token = token
                taken = await second.publish(language="fr", session=first.session, after_seq="1")
                assert taken.status_code == 201
                assert second.session == first.session
                assert taken.headers["greffier-resume"] == token
                assert taken.headers["location"] != answer.headers["location"]
                await until(lambda: session.detached == ["taken over"])
                before = len(session.audio)
                await again.played.wait()
                second.channel.send('{"type": "finish"}')
                async with asyncio.timeout(30):
                    await second.finished.wait()
        assert session.finished
        assert len(session.audio) > before
        assert len(server.desk.sessions) == 1


async def test_who_may_not_go_on_is_refused_and_the_speaker_is_left_alone() -> None:
    async with (
        served() as server,
        publishing(server.http, ClipTrack(tone(440, 60.0))) as speaker,
    ):
        answer = await speaker.publish()
        token = answer.headers["greffier-resume"]
        session = server.desk.only()
        refusals = [
            (speaker.session, "guessed", 403, "authentication_failed"),
            (speaker.session, "", 403, "authentication_failed"),
            ("unknown", token, 404, "session_not_found"),
        ]
        for name, given, status, code in refusals:
            async with publishing(server.http, ClipTrack(tone(440, 1.0))) as other:
                other.token = given
                refused = await other.publish(session=name)
                assert (refused.status_code, refused.json()["code"]) == (status, code)
        pair = (ClipTrack(tone(440, 1.0)), ClipTrack(tone(880, 1.0)))
        async with publishing(server.http, *pair) as other:
            other.token = token
            refused = await other.publish(session=speaker.session)
            assert (refused.status_code, refused.json()["code"]) == (422, "other_tracks")
        guess = ClipTrack(tone(440, 1.0))
        async with publishing(server.http, guess) as other:
            await other.connection.setLocalDescription(await other.connection.createOffer())
            for _ in range(8):
                refused = await other.http.post(
                    "/v1/whip",
                    params={"session": speaker.session},
                    content=other.connection.localDescription.sdp,
                    headers={"Content-Type": "application/sdp", "Greffier-Resume": "guess"},
                )
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_guesses")
        before = len(session.audio)
        await until(lambda: len(session.audio) > before)
        assert not session.detached


async def test_what_has_ended_is_not_gone_on_with() -> None:
    async with served() as server:
        async with publishing(server.http, ClipTrack(tone(440, 60.0))) as speaker:
            token = (await speaker.publish()).headers["greffier-resume"]
            assert (await speaker.http.delete(speaker.location)).status_code == 200
        async with publishing(server.http, ClipTrack(tone(440, 1.0))) as other:
            other.token = token
            refused = await other.publish(session=speaker.session)
            assert (refused.status_code, refused.json()["code"]) == (409, "session_closed")


async def test_who_loses_the_network_keeps_the_session() -> None:
    settings = Settings(webrtc=WebRtcSettings(lost_timeout_s=0.05))
    async with (
        served(settings) as server,
        publishing(server.http, ClipTrack(tone(440, 60.0))) as peer,
    ):
        await peer.publish()
        session = server.desk.only()
        await until(lambda: len(session.audio) > FRAME)
        (publication,) = server.app.state.publications._of(session.id)
        await publication._peer.path._current.close()  # the path, not the peer
        await until(lambda: session.detached)
        assert session.detached == ["connection lost"]
        assert not session.finished
