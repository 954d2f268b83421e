"""Realtime transcription as vLLM serves it; pure of sockets.

After ``session.update{model}`` the client streams 16 kHz PCM. ``commit`` begins a transcription,
``commit{final}`` ends its audio; text comes as ``transcription.delta`` and, whole, in
``transcription.done``. Each transcription is a session.
"""

from typing import Any, Final

from greffier.protocol import AudioFormat, Caption, Error, Finished, ServerMessage, Start
from greffier_models.errors import EngineError
from greffier_server.errors import BadRequest, ServerError
from greffier_server.transport.encoded_audio import decoded
from greffier_server.transport.reception import Line
from greffier_server.transport.turns import Turn

__all__ = ["VllmTalk"]

_FORMAT: Final = AudioFormat("pcm_s16le", 16_000)


class UnknownEvent(BadRequest):
    """An event that is not known there."""

    code = "unknown_event"


class VllmTalk:
    """One client; it was greeted already.

    Args:
        line: the way back.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._turn: Turn | None = None
        self._rest = b""
        self._text = ""

    @staticmethod
    def speaks(update: dict[str, Any]) -> bool:
        """Whether an update is one of vLLM's: the model stands in it, outside of a session."""
        return "session" not in update and "model" in update

    def error(
        self, error: ServerError | EngineError, message: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the event of an error."""
        del message
        return {"type": "error", "error": error.message, "code": error.code}

    async def take(self, message: dict[str, Any]) -> bool:
        """Act on an event of the client."""
        match message.get("type"):
            case "session.update":
                pass  # whatever the model is called, it is the one that is loaded
            case "input_audio_buffer.append":
                await self._append(decoded(message.get("audio")))
            case "input_audio_buffer.commit":
                if message.get("final") is True:
                    await self._end()
                else:
                    await self._open()
            case _:
                raise UnknownEvent(
                    "this server knows session.update and input_audio_buffer.append and commit"
                )
        return True

    async def _append(self, audio: bytes) -> None:
        turn = await self._open()
        audio = self._rest + audio
        whole = len(audio) // _FORMAT.frame_bytes * _FORMAT.frame_bytes
        if whole:
            await turn.push(audio[:whole])
        self._rest = audio[whole:]

    async def _open(self) -> Turn:
        if self._turn is None or self._turn.over.is_set():
            told = _Told(self._line)
            self._rest = b""
            self._turn = await self._line.turns.open(
                Start(format=_FORMAT), hear=told.hear, fail=told.fail
            )
        return self._turn

    async def _end(self) -> None:
        turn = await self._open()  # one without audio is answered, too
        self._turn = None
        await turn.finish()


class _Told:
    """What was said of one transcription."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._text = ""
        self._words = 0

    async def hear(self, message: ServerMessage) -> None:
        match message:
            case Caption(committed=committed) if committed:
                delta = committed if self._text else committed.lstrip()
                self._text += delta
                self._words += len(message.words)
                await self._line.send({"type": "transcription.delta", "delta": delta})
            case Error():
                await self._line.send(
                    {"type": "error", "error": message.message, "code": message.code}
                )
            case Finished():
                usage = {
                    "prompt_tokens": 0,
                    "completion_tokens": self._words,
                    "total_tokens": self._words,
                }
                done = {"type": "transcription.done", "text": self._text.rstrip()}
                await self._line.send({**done, "usage": usage})
            case _:
                pass

    async def fail(self, error: ServerError | EngineError) -> None:
        await self._line.send({"type": "error", "error": error.message, "code": error.code})
