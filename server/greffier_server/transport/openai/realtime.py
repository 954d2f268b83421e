"""``/v1/realtime``: live transcription as clients of OpenAI speak it, and clients of vLLM.

Both say hello alike; which of them a client speaks shows in its first update.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from starlette.websockets import WebSocket

from greffier.protocol import Continuation, ServerMessage
from greffier_models.errors import EngineError
from greffier_server.errors import BadRequest, ServerError
from greffier_server.transport.encoded_audio import decoded
from greffier_server.transport.guest import Doorway
from greffier_server.transport.mistral.vllm import VllmTalk
from greffier_server.transport.openai.configuration import Configuration
from greffier_server.transport.openai.errors import ParameterRefused, error_body, error_response
from greffier_server.transport.openai.items import Chain, Items
from greffier_server.transport.reception import Line, Reception
from greffier_server.transport.turns import Turn

__all__ = ["BufferEmpty", "realtime_reception"]

_HOUR_S: Final = 3_600
_EVENT_ID_CHARS: Final = 512
_LEAST_MS: Final = 100
"""A commit of less audio is refused, as OpenAI does."""


class BufferEmpty(BadRequest):
    """A commit without audio."""

    code = "input_audio_buffer_commit_empty"


def realtime_reception(door: Doorway) -> Reception:
    """Return what serves ``/v1/realtime``."""
    return Reception(
        door,
        protocol="openai-realtime",
        converse=lambda socket, line: RealtimeTalk(
            line, earlier=_is_earlier(socket), hours=door.limits.max_session_hours
        ),
        deny=error_response,
        subprotocols=("realtime",),
    )


def _is_earlier(socket: WebSocket) -> bool:
    return (
        "realtime=v1" in socket.headers.get("openai-beta", "")
        or "openai-beta.realtime-v1" in socket.scope["subprotocols"]
    )


class RealtimeTalk:
    """One client.

    Args:
        line: the way back.
        earlier: it speaks the shape before ``session.type``.
        hours: how long a session lasts at most.
    """

    def __init__(self, line: Line, *, earlier: bool, hours: float) -> None:
        self._line = line
        self._chain = Chain(earlier=earlier)
        self._now = Configuration()
        self._form = self._now.format
        self._id = f"sess_{line.id}"
        self._expires_at = int(time.time() + hours * _HOUR_S)
        self._turn: Turn | None = None
        self._items: Items | None = None
        self._rest = b""
        self._bytes = 0
        self._offset_ms = 0
        self._before = ""
        self._begun = False
        self._vllm: VllmTalk | None = None

    async def greet(self) -> None:
        """Say that the session is there; `id` and `created` are for clients of vLLM."""
        kind = "transcription_session.created" if self._chain.earlier else "session.created"
        shown = self._shown()
        await self._line.send(
            self._chain.event(kind, session=shown, id=self._id, created=int(time.time()))
        )

    def error(
        self, error: ServerError | EngineError, message: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the event of an error."""
        if self._vllm is not None:
            return self._vllm.error(error, message)
        cause = (message or {}).get("event_id")
        known = cause[:_EVENT_ID_CHARS] if isinstance(cause, str) else None
        return self._chain.event("error", error={**error_body(error), "event_id": known})

    async def take(self, message: dict[str, Any]) -> bool:
        """Act on an event of the client."""
        if self._vllm is not None:
            return await self._vllm.take(message)
        match message.get("type"):
            case "session.update" if not self._begun and VllmTalk.speaks(message):
                self._vllm = VllmTalk(self._line)
                return await self._vllm.take(message)
            case "session.update" | "transcription_session.update" as kind:
                await self._update(message, earlier=kind != "session.update")
            case "input_audio_buffer.append":
                await self._append(decoded(message.get("audio")))
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case _:
                raise ParameterRefused(
                    "this server knows session.update and input_audio_buffer.append, commit and "
                    "clear; the event was passed over",
                    param="type",
                )
        self._begun = True
        return True

    async def _update(self, message: dict[str, Any], *, earlier: bool) -> None:
        after = self._now.updated(message.get("session"))
        changes = replace(after, turn_detection=None) != replace(self._now, turn_detection=None)
        changes = changes or after.manual != self._now.manual
        if changes and self._turn is not None and not self._now.manual:
            await self._end_turn()  # otherwise it holds from the client's next commit on
        self._now = after
        self._chain.logprobs = after.logprobs
        if earlier:
            self._chain.earlier = True
        kind = "transcription_session.updated" if self._chain.earlier else "session.updated"
        await self._line.send(self._chain.event(kind, session=self._shown()))

    async def _append(self, audio: bytes) -> None:
        turn = await self._open()
        frame_bytes = self._form.frame_bytes
        audio = self._rest + audio
        whole = len(audio) // frame_bytes * frame_bytes
        if whole:
            await turn.push(audio[:whole])
        self._rest = audio[whole:]
        self._bytes += whole

    async def _open(self) -> Turn:
        if self._turn is not None and not self._turn.over.is_set():
            return self._turn
        self._close_turn()  # the server had ended it
        items = Items(self._chain, manual=self._now.manual, offset_ms=self._offset_ms)
        start = self._now.start()
        if self._before:
            start = replace(start, continues=Continuation(self._before, self._offset_ms))
        self._form = start.format

        async def hear(native: ServerMessage) -> None:
            await self._send(items.events(native))

        async def fail(error: ServerError | EngineError) -> None:
            await self._send(items.fail(error.code, error.message))

        self._turn = await self._line.turns.open(start, hear=hear, fail=fail)
        self._items = items
        return self._turn

    async def _commit(self) -> None:
        if self._turn is None or self._items is None or self._heard_ms < _LEAST_MS:
            raise BufferEmpty(
                f"there is no audio to commit: {self._heard_ms} ms since the last commit, "
                f"and at least {_LEAST_MS} are needed"
            )
        await self._send(self._items.commit(end_ms=self._heard_ms))
        await self._end_turn()

    async def _clear(self) -> None:
        if self._items is not None:
            self._items.drop()
        await self._end_turn()
        await self._line.send(self._chain.event("input_audio_buffer.cleared"))

    async def _end_turn(self) -> None:
        turn = self._turn
        self._close_turn()
        if turn is not None:
            await turn.finish()

    def _close_turn(self) -> None:
        if self._turn is not None:
            self._offset_ms += self._heard_ms
            self._before = self._turn.id
        self._turn = self._items = None
        self._bytes, self._rest = 0, b""

    @property
    def _heard_ms(self) -> int:
        """Audio since the turn began."""
        if self._turn is None:
            return 0
        return self._bytes // self._form.frame_bytes * 1000 // self._form.rate

    async def _send(self, events: Iterator[dict[str, Any]]) -> None:
        for event in events:
            await self._line.send(event)

    def _shown(self) -> dict[str, Any]:
        show = self._now.shown_earlier if self._chain.earlier else self._now.shown
        return show(self._id, expires_at=self._expires_at)
