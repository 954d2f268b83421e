"""HTTP: a session's captions as an HLS track of WebVTT, for the players of a live video."""

import asyncio
from collections import OrderedDict
from typing import Annotated, Any, Final, cast
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Path, Query, Request
from starlette.responses import Response

from greffier_models.errors import EngineError
from greffier_server.core.hls import SPEECH, Reel
from greffier_server.errors import ServerError, SessionNotFound
from greffier_server.pipeline.ports import SessionDesk
from greffier_server.storage.store import SessionRow
from greffier_server.transport.auth import TOKEN_PARAMETERS
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.cross_origin import cross_origin
from greffier_server.transport.frames import closing
from greffier_server.transport.guest import Doorway
from greffier_server.transport.parameters import SessionId
from greffier_server.transport.refusals import NoSegmentYet, NotTranslated

__all__ = ["Reels", "add_hls_routes"]

_IDLE_S: Final = 120.0
"""Players ask every few seconds; a track for which nobody asks is let go."""
_TRACKS: Final = 256
"""Followed at once; of more, those asked for least lately are let go."""
_WINDOW: Final = 20
_MAX_WINDOW: Final = 1_000
_MPEG_WRAP: Final = (1 << 33) - 1
_PLAYLIST = "application/vnd.apple.mpegurl"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        401: "No token was given.",
        403: "Not this token, or a page of another site.",
        404: "No such session, track or segment, or none yet.",
        421: "Not a name of this server.",
        422: "A parameter is out of range.",
    }.items()
}
_routes = APIRouter(
    prefix="/v1/sessions/{session}/hls/{track}", tags=["texts"], responses=_REFUSALS
)

Key = tuple[str, str, str]
Track = Annotated[
    str,
    Path(
        pattern=r"^(speech|[a-z]{2,3}(-[A-Za-z0-9]{2,8})?)$",
        description="Language code, or `speech`: what is said, in whatever language.",
    ),
]
Mpegts = Annotated[
    int,
    Query(ge=0, le=_MPEG_WRAP, description="The session's time 0 on the video's 90 kHz clock."),
]


def add_hls_routes(app: FastAPI) -> None:
    """Add the routes; they find `Doorway` and `Reels` in ``app.state``."""
    app.include_router(_routes)


class _Followed:
    """A track, and the task that keeps it up to date."""

    def __init__(self, reel: Reel) -> None:
        self.reel = reel
        self.task: asyncio.Task[None] | None = None
        self.asked_at = asyncio.get_running_loop().time()
        self.over = False
        self.failure: ServerError | EngineError | None = None
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def up_to(self, seq: int) -> None:
        """Wait until the log is folded as far as `seq`, or it ended."""
        while self.reel.seq < seq and not self.over and not self.reel.ended:
            await self._changed.wait()


class Reels:
    """The tracks that are being asked for, each folded once for all who ask.

    Args:
        desk: where sessions are followed.
    """

    def __init__(self, desk: SessionDesk) -> None:
        self._desk = desk
        self._followed: OrderedDict[Key, _Followed] = OrderedDict()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Tracks kept now."""
        return len(self._followed)

    async def reel(self, tenant: str, row: SessionRow, track: str) -> Reel:
        """Return a track that holds all that was stored when it was asked for.

        Raises:
            SessionNotFound: deleted meanwhile.
            ServerError: its log cannot be read.
        """
        key = (tenant, row.session, track)
        now = asyncio.get_running_loop().time()
        self._let_go(now)
        found = self._followed.get(key)
        broken = found is not None and found.over and not found.reel.ended
        if found is None or (broken and found.reel.seq < row.last_seq):
            found = self._followed[key] = _Followed(Reel(track))
            found.task = asyncio.create_task(self._follow(key, found), name="hls")
        found.asked_at = now
        self._followed.move_to_end(key)
        await found.up_to(row.last_seq)
        if found.failure is not None:
            raise found.failure
        return found.reel

    async def close(self) -> None:
        """Follow nothing any more."""
        tasks = [one.task for one in self._followed.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._ending, return_exceptions=True)
        self._followed.clear()

    def _let_go(self, now: float) -> None:
        while self._followed:
            key, oldest = next(iter(self._followed.items()))
            if len(self._followed) < _TRACKS and now - oldest.asked_at < _IDLE_S:
                return
            del self._followed[key]
            if oldest.task is not None:
                oldest.task.cancel()
                self._ending.add(oldest.task)
                oldest.task.add_done_callback(self._ending.discard)

    async def _follow(self, key: Key, followed: _Followed) -> None:
        tenant, session, _ = key
        clock = asyncio.get_running_loop().time
        try:
            async with closing(self._desk.follow(tenant, session, after=0)) as records:
                async for record in records:
                    before = followed.reel.seq
                    followed.reel.take(record)
                    if followed.reel.seq > before:
                        followed.changed()
                    if followed.reel.ended or clock() - followed.asked_at > _IDLE_S:
                        break
        except (ServerError, EngineError) as error:
            followed.failure = error
        finally:
            followed.over = True
            followed.changed()
            if self._followed.get(key) is followed and not followed.reel.ended:
                del self._followed[key]


@_routes.get(
    "/playlist.m3u8",
    summary="Captions as an HLS track",
    response_class=Response,
    responses={200: {"content": {_PLAYLIST: {"schema": {"type": "string"}}}}},
)
async def get_playlist(
    request: Request,
    session: SessionId,
    track: Track,
    window: Annotated[
        int, Query(ge=0, le=_MAX_WINDOW, description="Segments listed; 0 = all.")
    ] = _WINDOW,
    mpegts: Mpegts = 0,
) -> Response:
    """Closed segments of 6 s; `EXT-X-ENDLIST` once the session has ended."""
    reel = await _reel(request, session, track)
    if not reel.count and not reel.ended:
        raise NoSegmentYet("the first segment is not complete yet; ask again in a few seconds")
    given = request.query_params
    carried = {name: given[name] for name in TOKEN_PARAMETERS if name in given}
    if mpegts:
        carried["mpegts"] = str(mpegts)
    query = f"?{urlencode(carried)}" if carried else ""
    text = reel.playlist(window=window, query=query)
    headers = {"Cache-Control": "no-cache", **cross_origin(request)}
    return Response(text, media_type=_PLAYLIST, headers=headers)


@_routes.get(
    "/{number}.vtt",
    summary="A segment of an HLS track",
    response_class=Response,
    responses={200: {"content": {"text/vtt": {"schema": {"type": "string"}}}}},
)
async def get_segment(
    request: Request,
    session: SessionId,
    track: Track,
    number: Annotated[int, Path(ge=0, le=1_000_000, description="From 0.")],
    mpegts: Mpegts = 0,
) -> Response:
    """WebVTT; the same bytes whenever it is asked for."""
    reel = await _reel(request, session, track)
    text = reel.segment(number, mpegts=mpegts)
    if text is None:
        raise NoSegmentYet("there is no such segment, or it is not complete yet")
    headers = {"Cache-Control": "private, max-age=86400, immutable", **cross_origin(request)}
    return Response(text, media_type="text/vtt", headers=headers)


async def _reel(request: Request, session: str, track: str) -> Reel:
    doorway = cast("Doorway", request.app.state.doorway)
    doorway.gate.check_origin(request)
    tenant = doorway.gate.tenant(request)
    row = await doorway.services.store.get(tenant, session)
    if row is None:
        raise SessionNotFound("no such session")
    reel = await cast("Reels", request.app.state.reels).reel(tenant, row, track)
    known = {SPEECH, row.language, *row.translate_to, *reel.languages}
    if track not in known:
        raise NotTranslated(
            "nothing is said in this language, nor translated into it; "
            "name it in translate_to when the session starts"
        )
    return reel
