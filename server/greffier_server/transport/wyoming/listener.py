"""The TCP listener for Wyoming clients, and one connection of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

from greffier.protocol import AudioFormat
from greffier_models.errors import EngineError
from greffier_server.core.events import (
    LanguageDetected,
    RecognitionFinished,
    SessionFinished,
    WordsCommitted,
)
from greffier_server.errors import (
    ServerBusy,
    ServerError,
    SessionClosed,
    UnsupportedAudio,
)
from greffier_server.transport.aligning import Aligner
from greffier_server.transport.frames import ClientGone
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.parting import InternalError
from greffier_server.transport.refusals import HostRefused, IdleTimeout, ServerStopping
from greffier_server.transport.visiting import batches
from greffier_server.transport.wyoming.asked import audio_format, info, start_of
from greffier_server.transport.wyoming.wire import (
    MAX_LINE_BYTES,
    WyomingEvent,
    encode_event,
    read_event,
)
from greffier_server.wyoming_settings import WyomingSettings

__all__ = ["WyomingAddressTaken", "WyomingListener", "open_wyoming"]

logger = logging.getLogger(__name__)

_GOODBYE_TIMEOUT_S: Final = 5.0


class WyomingAddressTaken(ServerError):
    """Something else listens there, or the address is not this machine's."""

    code = "address_taken"


class WyomingListener:
    """Serves connections until it is closed.

    Args:
        settings: who may come.
        doorway: of the server.
    """

    def __init__(self, settings: WyomingSettings, doorway: Doorway) -> None:
        self._settings = settings
        self._doorway = doorway
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        if self._server is None or not self._server.sockets:
            return 0
        return cast("int", self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            WyomingAddressTaken: the message says what to do.
        """
        host, port = self._settings.host.strip("[]"), self._settings.port
        try:
            self._server = await asyncio.start_server(
                self._enter, host, port or 0, limit=MAX_LINE_BYTES
            )
        except OSError as error:
            raise WyomingAddressTaken(
                f"cannot listen on {host}:{port} for Wyoming ({error.strerror}); stop what listens "
                "there, or set wyoming.port to another port"
            ) from error
        logger.info("listening for Wyoming", extra={"port": self.port})

    async def close(self) -> None:
        """Stop listening; end what is still connected."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="wyoming")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; raises nothing but cancellation."""
        connection = _Connection(reader, writer, self._settings, self._doorway)
        try:
            with self._doorway.connections.place():
                try:
                    self._check(writer)
                    await connection.serve()
                except* ClientGone:
                    logger.info("client left")
                except* (ServerError, EngineError) as group:
                    await connection.refuse(_first(group))
                except* Exception as group:
                    logger.error("connection failed", exc_info=group)
                    failed = InternalError("the server failed; its log says where")
                    await connection.refuse(failed)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _check(self, writer: asyncio.StreamWriter) -> None:
        peer: Any = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._settings.lets_in(address):
            raise HostRefused("this address is not in wyoming.allowed_clients")
        if len(self._serving) > self._settings.connections:
            raise ServerBusy("too many connections; try again later")
        self._doorway.check_room()


class _Connection:
    """One client: utterances, one after another."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        settings: WyomingSettings,
        doorway: Doorway,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._settings = settings
        self._doorway = doorway
        self._asked: Mapping[str, Any] = {}

    async def serve(self) -> None:
        """Answer events until the client leaves or the server stops (raised as a group)."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stop())
            while True:
                event = await self._next()
                match event.type:
                    case "describe":
                        await self._send(info(self._doorway.services))
                    case "ping":
                        await self._send(WyomingEvent("pong", {"text": event.data.get("text")}))
                    case "transcribe":
                        self._asked = event.data
                    case "audio-start" | "audio-chunk":
                        await self._utterance(event)
                        self._asked = {}
                    case _:
                        pass  # the protocol asks servers to drop what they do not know

    async def refuse(self, error: ServerError | EngineError) -> None:
        """Tell the client why nothing more will come."""
        logger.info("connection ended", extra={"code": error.code})
        event = WyomingEvent("error", {"text": error.message, "code": error.code})
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
                self._writer.write(encode_event(event))
                await self._writer.drain()

    async def _utterance(self, first: WyomingEvent) -> None:
        """Take audio up to ``audio-stop``, and answer with its text."""
        form = audio_format(first.data)
        start = start_of(self._asked, form, language=self._settings.language)
        tenant = self._settings.tenant
        async with (
            welcome(self._doorway, tenant, start, protocol="wyoming") as guest,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._relay(guest))
            await self._listen(guest, form, first if first.payload else None)

    async def _listen(
        self, guest: Guest, form: AudioFormat, first: WyomingEvent | None = None
    ) -> None:
        aligner, over = Aligner(form.frame_bytes), False
        event = first or await self._next()
        while event.type != "audio-stop":
            if event.type == "audio-chunk":
                if event.data and audio_format(event.data) != form:
                    raise UnsupportedAudio("the audio changed its format in mid-stream")
                whole = aligner.whole(event.payload)
                try:
                    if whole and not over:
                        await guest.push(whole)
                except SessionClosed:  # its longest time is over; the text so far is sent
                    over = True
            elif event.type == "ping":
                await self._send(WyomingEvent("pong", {"text": event.data.get("text")}))
            event = await self._next()
        await guest.finish()

    async def _relay(self, guest: Guest) -> None:
        """Send words as they are decided, and at the end all of them."""
        text, language, begun = "", guest_language(self._asked), False
        async for batch in batches(guest.records()):
            piece = ""
            for record in batch:
                match record.event:
                    case WordsCommitted(words=words):
                        piece += "".join(word.text for word in words)
                    case LanguageDetected(language=found):
                        language = found
                    case _:
                        pass
            if not text:
                piece = piece.lstrip()
            if piece:
                if not begun:
                    begun = True
                    await self._send(WyomingEvent("transcript-start", _language(language)))
                text += piece
                await self._send(WyomingEvent("transcript-chunk", {"text": piece}))
            if any(isinstance(r.event, RecognitionFinished | SessionFinished) for r in batch):
                break
        if not begun:
            await self._send(WyomingEvent("transcript-start", _language(language)))
        await self._send(WyomingEvent("transcript", {"text": text.strip(), **_language(language)}))
        await self._send(WyomingEvent("transcript-stop"))

    async def _next(self) -> WyomingEvent:
        try:
            async with asyncio.timeout(self._settings.idle_timeout_s):
                return await read_event(
                    self._reader, max_payload_bytes=self._doorway.limits.max_frame_bytes
                )
        except TimeoutError:
            raise IdleTimeout("nothing came for too long") from None

    async def _send(self, event: WyomingEvent) -> None:
        try:
            async with asyncio.timeout(self._doorway.limits.send_timeout_s):
                self._writer.write(encode_event(event))
                await self._writer.drain()
        except (TimeoutError, OSError):
            raise ClientGone("does not read") from None

    async def _stop(self) -> None:
        await self._doorway.connections.stopped()
        raise ServerStopping("the server is shutting down; try again when it is back")


def guest_language(asked: Mapping[str, Any]) -> str:
    """Return the language that the client named, '' when it named none."""
    named = asked.get("language")
    return named if isinstance(named, str) else ""


@asynccontextmanager
async def open_wyoming(
    settings: WyomingSettings, doorway: Doorway
) -> AsyncGenerator[WyomingListener | None, None]:
    """Listen for as long as the block lasts; None when the settings name no port.

    Raises:
        WyomingAddressTaken: something else listens there.
    """
    if settings.port is None:
        yield None
        return
    listener = WyomingListener(settings, doorway)
    await listener.open()
    try:
        yield listener
    finally:
        await listener.close()


def _language(language: str) -> dict[str, str]:
    return {"language": language} if language else {}


def _first(group: BaseExceptionGroup[Any]) -> ServerError | EngineError:
    held: list[Any] = list(group.exceptions)
    while held:
        error = held.pop(0)
        if isinstance(error, ServerError | EngineError):
            return error
        held += getattr(error, "exceptions", ())
    return InternalError("the server failed; its log says where")
