"""A WebSocket of a WhisperLive client, from its first message on."""

import asyncio
import json
from typing import Any, Final

import numpy as np
from starlette.datastructures import QueryParams

from greffier_models.errors import EngineError
from greffier_server.core.events import RecognitionFinished, SessionFinished
from greffier_server.errors import (
    BadRequest,
    MisalignedAudio,
    ModelNotLoaded,
    ServerBusy,
    ServerError,
    SessionClosed,
)
from greffier_server.transport.address_options import with_options
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.parting import Farewell
from greffier_server.transport.refusals import IdleTimeout, ServerStopping, TooManyErrors
from greffier_server.transport.visiting import batches, converse
from greffier_server.transport.whisperlive.asked import Greeting
from greffier_server.transport.whisperlive.segments import SegmentsMapping

__all__ = ["NoTranslator", "WhisperLiveVisit", "farewell"]

_END: Final = b"END_OF_AUDIO"
_BACKEND: Final = "faster_whisper"
"""Its clients keep completed segments of this one only."""
_WAIT_MINUTES: Final = 1.0
"""No session says when it ends: clients are asked to come back in a minute."""
_MAX_COMPLAINTS: Final = 100


class NoTranslator(ServerError):
    """There is no language model that could translate."""

    code = "no_translator"
    status = 501


class WhisperLiveVisit:
    """One stream.

    Args:
        greeting: the client's first message.
        doorway: of the server.
        reader: the client's other frames.
        outbox: messages to it.
        query: of the address.
    """

    def __init__(
        self,
        greeting: Greeting,
        doorway: Doorway,
        reader: FrameReader,
        outbox: Outbox,
        *,
        query: QueryParams,
    ) -> None:
        self._asked = greeting
        self._query = query
        self._doorway = doorway
        self._reader = reader
        self._outbox = outbox
        self._mapping = SegmentsMapping(greeting)
        self._over = False
        self._complaints = 0

    async def hold(self, tenant: str) -> None:
        """Serve the stream to its end."""
        asked, doorway = self._asked, self._doorway
        untranslated = asked.start.translate_to and not self._translates()
        if untranslated and asked.translate:
            raise NoTranslator(
                "this server has no language model and cannot translate; ask for task transcribe"
            )
        start = with_options(asked.start, self._query)
        async with welcome(doorway, tenant, start, protocol="whisperlive") as guest:
            await self._say(message="SERVER_READY", backend=_BACKEND)
            if untranslated:
                message = "this server has no language model: nothing will be translated"
                await self._say(status="WARNING", message=message)
            await converse(
                self._outbox,
                doorway.connections,
                read=lambda: self._read(guest),
                relay=lambda: self._relay(guest),
            )

    def _translates(self) -> bool:
        models = self._doorway.services.models()
        return any(model.role == "language" and model.state == "loaded" for model in models)

    async def _read(self, guest: Guest) -> None:
        while True:
            frame = await self._next()
            if self._over or isinstance(frame, str):
                continue
            if frame == _END:
                self._over = True
                await guest.finish()
                continue
            try:
                await guest.push(self._samples(frame))
            except MisalignedAudio as error:
                await self._warn(error)
            except SessionClosed:
                self._over = True

    async def _relay(self, guest: Guest) -> None:
        recognised = False
        async for batch in batches(guest.records()):
            for message in self._mapping.messages(batch):
                await self._put(message)
            recognised = recognised or any(
                isinstance(record.event, RecognitionFinished) for record in batch
            )
            finished = any(isinstance(record.event, SessionFinished) for record in batch)
            if finished or (recognised and self._mapping.translated):
                break
        if not guest.finished:  # the server ended it: the longest time is over
            await self._say(message="DISCONNECT")

    def _samples(self, frame: bytes) -> bytes:
        if self._asked.sample_format != "uint8":
            return frame
        centred = np.frombuffer(frame, dtype=np.uint8).astype(np.int16) - 128
        return (centred * 256).astype("<i2").tobytes()

    async def _next(self) -> str | bytes:
        idle_s = self._doorway.limits.idle_timeout_s
        try:
            async with asyncio.timeout(None if self._over else idle_s):
                return await self._reader.next()
        except TimeoutError:
            raise IdleTimeout("no audio came for too long") from None

    async def _warn(self, error: ServerError) -> None:
        self._complaints += 1
        if self._complaints > _MAX_COMPLAINTS:
            raise TooManyErrors("too many frames could not be used; correct the client")
        await self._say(status="WARNING", message=error.message)

    async def _say(self, **fields: Any) -> None:
        await self._put({"uid": self._asked.uid, **fields})

    async def _put(self, message: dict[str, Any]) -> None:
        await self._outbox.put_text(json.dumps(message, ensure_ascii=False))


def farewell(uid: str, error: ServerError | EngineError) -> Farewell:
    """Return how a client with this `uid` is told that it goes on no longer."""
    match error:
        case ServerStopping():
            last: dict[str, Any] = {"uid": uid, "message": "DISCONNECT"}
            return Farewell(json.dumps(last), 1012, error.code)
        case ServerBusy() | ModelNotLoaded():
            last = {"uid": uid, "status": "WAIT", "message": _WAIT_MINUTES}
            return Farewell(json.dumps(last), 1013, error.code)
        case _:
            last = {"uid": uid, "status": "ERROR", "message": error.message}
            code = 1008 if isinstance(error, BadRequest) else 1011
            return Farewell(json.dumps(last), code, error.code)
