"""A live HLS track over real sockets: its window, its end, and a player that knows the format."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from greffier.protocol import Start
from greffier_server.core.events import RecognitionFinished, SegmentTranslated
from greffier_server.settings import NetworkSettings, Settings
from tests.support.served import Served, served
from tests.unit.core.test_hls import cues, speech

pytestmark = pytest.mark.integration

TOKEN = "a-token-long-enough"


@asynccontextmanager
async def asking(server: Served, token: str = "") -> AsyncGenerator[httpx.AsyncClient, None]:
    parameters = {"token": token} if token else {}
    async with httpx.AsyncClient(
        trust_env=False, base_url=f"{server.http}/v1/sessions/", params=parameters
    ) as client:
        yield client


async def test_a_track_grows_ends_and_stays_what_it_was() -> None:
    async with served() as server, asking(server) as client:
        session, _ = await server.desk.open("default", Start(language="fr", translate_to=("en",)))
        track = f"{session.id}/hls/speech"
        early = await client.get(f"{track}/playlist.m3u8")
        assert (early.status_code, early.json()["code"]) == (404, "no_segment_yet")
        assert early.json()["retryable"] is True
        await session.log.append(*speech(1, 0, 60))
        live = await client.get(f"{track}/playlist.m3u8")
        assert live.headers["content-type"].startswith("application/vnd.apple.mpegurl")
        assert "#EXT-X-ENDLIST" not in live.text
        assert live.text.count(".vtt") == 2
        first = await client.get(f"{track}/0.vtt")
        assert first.headers["content-type"].startswith("text/vtt")
        assert "immutable" in first.headers["cache-control"]
        assert cues(first.text)
        assert (await client.get(f"{track}/2.vtt")).status_code == 404
        await session.log.append(SegmentTranslated(1, "en", "All of it."), RecognitionFinished())
        await session.finish()
        over = await client.get(f"{track}/playlist.m3u8")
        assert over.text.endswith("#EXT-X-ENDLIST\n")
        await server.store.append(  # what a second pass adds later
            [replace(server.store.records["default", session.id][-1], seq=99)]
        )
        assert (await client.get(f"{track}/playlist.m3u8")).text == over.text
        assert (await client.get(f"{track}/0.vtt")).text == first.text
        english = await client.get(f"{session.id}/hls/en/playlist.m3u8?window=0&mpegts=900000")
        assert "0.vtt?mpegts=900000" in english.text
        segment = await client.get(f"{session.id}/hls/en/0.vtt?mpegts=900000")
        assert "MPEGTS:900000" in segment.text
        assert [text for _, _, text in cues(segment.text)] == ["All"]  # 24 s for three words
        for path, code in (
            (f"{session.id}/hls/de/playlist.m3u8", "not_translated"),
            ("nothing/hls/speech/playlist.m3u8", "session_not_found"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, code)
        assert (await client.get(f"{session.id}/hls/..%2F/0.vtt")).status_code in (404, 422)
        assert (await client.get(f"{track}/-1.vtt")).status_code == 422


async def test_a_player_reads_it_with_its_token() -> None:
    if (ffprobe := shutil.which("ffprobe")) is None:
        pytest.skip("no ffprobe: apt-get install ffmpeg")
    site = "https://video.example"
    settings = Settings.model_validate(
        {"tokens": f"ville:{TOKEN}", "network": NetworkSettings(allowed_origins=(site,))}
    )
    async with served(settings) as server, asking(server, TOKEN) as client:
        session, _ = await server.desk.open("ville", Start(language="fr"))
        await session.log.append(*speech(1, 0, 60))
        await session.finish()
        path = f"{session.id}/hls/speech/playlist.m3u8"
        playlist = await client.get(path, headers={"Origin": site})
        assert playlist.headers["access-control-allow-origin"] == site
        assert f"0.vtt?token={TOKEN}" in playlist.text
        refused = await client.get(path, headers={"Origin": "https://other.example"})
        assert refused.json()["code"] == "origin_refused"
        player = await asyncio.create_subprocess_exec(
            *(ffprobe, "-v", "error", "-allowed_extensions", "ALL", "-extension_picky", "0"),
            *("-show_entries", "stream=codec_name:packet=pts_time,duration_time"),
            *("-show_packets", "-of", "csv", f"{server.http}/v1/sessions/{path}?token={TOKEN}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, complaint = await player.communicate()
        lines = out.decode().splitlines()
        assert "stream,webvtt" in lines, complaint.decode()
        assert len([line for line in lines if line.startswith("packet")]) >= 5


async def test_many_players_share_one_reading_of_the_log() -> None:
    async with served() as server, asking(server) as client:
        session, _ = await server.desk.open("default", Start(language="fr"))
        await session.log.append(*speech(1, 0, 60))
        path = f"{session.id}/hls/speech/playlist.m3u8"
        answers = await asyncio.gather(*(client.get(path) for _ in range(30)))
        assert len({answer.text for answer in answers}) == 1
        before = answers[0].text
        await session.log.append(*speech(2, 24_000, 20))
        assert (await client.get(path)).text.startswith(before)
