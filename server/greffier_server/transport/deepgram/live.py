"""WebSocket ``/v1/listen``: one live stream of a Deepgram client."""

import asyncio
import hashlib
import json
import uuid
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Final, cast

from starlette.responses import Response
from starlette.websockets import WebSocket

from greffier.protocol import AudioFormat
from greffier_models.errors import EngineError
from greffier_server.core.events import RecognitionFinished, SessionFinished
from greffier_server.errors import (
    BadRequest,
    MalformedMessage,
    ServerError,
    SessionClosed,
    UnsupportedAudio,
)
from greffier_server.transport.address_options import with_options
from greffier_server.transport.aligning import Aligner
from greffier_server.transport.deepgram.asked import Listen
from greffier_server.transport.deepgram.described import model_info, refusal
from greffier_server.transport.deepgram.results import ResultsMapping, seconds
from greffier_server.transport.deepgram.wav import UndecodableAudio, WavHeader
from greffier_server.transport.flushing import ClientClock, Flusher
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.parting import Farewell
from greffier_server.transport.refusals import IdleTimeout, StartTimeout, TooManyErrors
from greffier_server.transport.visiting import batches, converse, receive, subprotocol

__all__ = ["ListenEndpoint"]

_MAX_COMPLAINTS: Final = 100
_REASON_BYTES: Final = 120
_UNDECODABLE: Final = (UndecodableAudio.code, UnsupportedAudio.code)


class ListenEndpoint:
    """Serves every WebSocket to ``/v1/listen``.

    Args:
        doorway: of the server.
    """

    def __init__(self, doorway: Doorway) -> None:
        self._doorway = doorway

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end; raises nothing but cancellation."""
        await receive(socket, self._doorway, _ListenVisit(socket, self._doorway))


class _ListenVisit:
    """One connection (see `visiting.Visit`)."""

    def __init__(self, socket: WebSocket, doorway: Doorway) -> None:
        self._socket = socket
        self._doorway = doorway
        self._request_id = str(uuid.uuid4())
        self._reader = FrameReader(socket, max_frame_bytes=doorway.limits.max_frame_bytes)
        self._outbox = Outbox(socket, send_timeout_s=doorway.limits.send_timeout_s)

    async def hold(self, tenant: str) -> None:
        """Serve the stream to its end."""
        asked = Listen.read(self._socket.query_params)
        async with AsyncExitStack() as stack:
            header = None if asked.format is not None else WavHeader(asked.channels)
            first = b""
            if header is not None:
                await self._accept()
                first = await self._first_samples(header)
            form = asked.format or (header.format if header is not None else None)
            if form is None:
                return  # the client closed its stream before any audio
            start = with_options(asked.start(form), self._socket.query_params)
            guest = await stack.enter_async_context(
                welcome(self._doorway, tenant, start, protocol="deepgram")
            )
            if header is None:
                await self._accept()
            stream = _Stream(
                guest,
                asked,
                form=form,
                outbox=self._outbox,
                reader=self._reader,
                header=header,
                idle_timeout_s=self._doorway.limits.idle_timeout_s,
                request_id=self._request_id,
                model=model_info(self._doorway.services),
            )
            await stream.take(first)
            await converse(
                self._outbox, self._doorway.connections, read=stream.read, relay=stream.relay
            )
            await self._outbox.goodbye()

    async def _accept(self) -> None:
        headers = [(b"dg-request-id", self._request_id.encode())]
        await self._socket.accept(subprotocol=subprotocol(self._socket), headers=headers)

    async def _first_samples(self, header: WavHeader) -> bytes:
        """Read until the container has said what it holds.

        Raises:
            StartTimeout: nothing came.
            UndecodableAudio, UnsupportedAudio: as in `WavHeader.feed`.
        """
        while header.format is None:
            try:
                async with asyncio.timeout(self._doorway.limits.start_timeout_s):
                    frame = await self._reader.next()
            except TimeoutError:
                raise StartTimeout("no audio came in time") from None
            if isinstance(frame, str):
                if _command(frame) == "CloseStream":
                    await self._socket.close(1000)
                    return b""
            elif frame:
                samples = header.feed(frame)
                if samples:
                    return samples
        return b""

    def denial(self, error: ServerError | EngineError) -> Response:
        """Return the answer that refuses the handshake."""
        return refusal(error, self._request_id)

    def farewell(self, error: ServerError | EngineError) -> Farewell:
        """Return the last message, and the close that Deepgram's clients know the meaning of."""
        code = 1008 if isinstance(error, BadRequest) else 1011
        if error.code in _UNDECODABLE:
            label = "DATA-0000"
        elif isinstance(error, IdleTimeout | StartTimeout):
            code, label = 1011, "NET-0001"
        else:
            label = error.code
        reason = f"{label}: {error.message}".encode()[:_REASON_BYTES].decode(errors="ignore")
        return Farewell(json.dumps(_error(error.code, error.message)), code, reason)


class _Stream:
    """Both directions of one accepted stream."""

    def __init__(
        self,
        guest: Guest,
        asked: Listen,
        *,
        form: AudioFormat,
        outbox: Outbox,
        reader: FrameReader,
        header: WavHeader | None,
        idle_timeout_s: float,
        request_id: str,
        model: dict[str, Any],
    ) -> None:
        self._guest = guest
        self._outbox = outbox
        self._reader = reader
        self._header = header
        self._idle_timeout_s = idle_timeout_s
        self._request_id = request_id
        self._model = model
        self._aligner = Aligner(1 if form.encoding == "encoded" else form.frame_bytes)
        self._channels = form.channels if asked.separate else 1
        self._clock = ClientClock()
        self._flusher = Flusher(guest, self._clock)
        self._mapping = ResultsMapping(
            asked,
            channels=self._channels,
            metadata={"request_id": request_id, "session": guest.session.id, **_model(model)},
            clock=self._clock.client_ms,
        )
        self._sha256 = hashlib.sha256()
        self._created = datetime.now(UTC)
        self._relayed_seq = 0
        self._finalizing: tuple[int, int] | None = None
        self._complaints = 0
        self._guest_over = False

    async def take(self, audio: bytes) -> None:
        """Take samples of the stream."""
        self._sha256.update(audio)
        whole = self._aligner.whole(audio)
        if whole:
            try:
                await self._guest.push(whole)
            except SessionClosed:  # its longest time is over: the log's end says so
                self._guest_over = True

    async def read(self) -> None:
        """Take the client's frames until the socket is closed, which is raised."""
        while True:
            frame = await self._next()
            if self._guest.finished or self._guest_over:
                continue
            if isinstance(frame, str):
                await self._obey(frame)
            elif not frame:
                await self._guest.finish()  # how streams were ended before CloseStream
            else:
                await self.take(frame if self._header is None else self._header.feed(frame))
                await self._put(self._mapping.heard(self._guest.session.heard_ms))

    async def relay(self) -> None:
        """Send what is recognised, and at the end what the stream was."""
        async for batch in batches(self._guest.records()):
            await self._put(self._mapping.messages(batch))
            self._relayed_seq = batch[-1].seq
            await self._answer_finalize()
            if any(isinstance(r.event, RecognitionFinished | SessionFinished) for r in batch):
                break
            await self._put(self._mapping.heard(self._guest.session.heard_ms))
        await self._put([self._farewell()])

    async def _next(self) -> str | bytes:
        waits_for_us = self._guest.finished  # for the last words, however long they take
        try:
            async with asyncio.timeout(None if waits_for_us else self._idle_timeout_s):
                return await self._reader.next()
        except TimeoutError:
            raise IdleTimeout("no audio or KeepAlive came for too long") from None

    async def _obey(self, text: str) -> None:
        try:
            command = _command(text)
        except MalformedMessage as error:
            await self._complain(error.message)
            return
        match command:
            case "KeepAlive":
                pass
            case "Finalize":
                await self._finalize()
            case "CloseStream":
                await self._guest.finish()
            case "Configure":
                await self._put([_not_configured(self._request_id)])
            case _:
                await self._complain("this server does not know this type of message")

    async def _finalize(self) -> None:
        at_ms = self._flusher.accepted_ms
        try:
            await self._flusher.flush()
        except SessionClosed:
            self._guest_over = True
            return
        self._finalizing = (self._guest.session.log.seq, at_ms)
        await self._answer_finalize()

    async def _answer_finalize(self) -> None:
        """Once every word up to it has been sent."""
        if self._finalizing is None or self._relayed_seq < self._finalizing[0]:
            return
        at_ms, self._finalizing = self._finalizing[1], None
        await self._put(self._mapping.finalized(at_ms))

    async def _complain(self, description: str) -> None:
        self._complaints += 1
        if self._complaints > _MAX_COMPLAINTS:
            raise TooManyErrors("too many messages could not be used; correct the client")
        await self._put([_error("SchemaError", description)])

    async def _put(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            await self._outbox.put_text(json.dumps(message, ensure_ascii=False))

    def _farewell(self) -> dict[str, Any]:
        duration_ms = self._clock.client_ms(self._flusher.accepted_ms)
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._sha256.hexdigest(),
            "created": self._created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": seconds(duration_ms),
            "channels": self._channels,
            "session": self._guest.session.id,
            "models": [self._model["uuid"]],
            "model_info": {self._model["uuid"]: self._model["info"]},
        }


def _model(model: dict[str, Any]) -> dict[str, Any]:
    return {"model_info": model["info"], "model_uuid": model["uuid"]}


def _command(text: str) -> str:
    """Return the type of a text message.

    Raises:
        MalformedMessage: it has none.
    """
    try:
        message: object = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedMessage("a text message is a JSON object with a type") from None
    kind = cast("dict[str, object]", message).get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str):
        raise MalformedMessage("a text message is a JSON object with a type")
    return kind


def _error(variant: str, description: str) -> dict[str, Any]:
    return {"type": "Error", "variant": variant, "description": description}


def _not_configured(request_id: str) -> dict[str, Any]:
    return {
        "type": "ConfigureFailure",
        "request_id": request_id,
        "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED",
        "description": "keyterms are given when the stream is opened",
    }
