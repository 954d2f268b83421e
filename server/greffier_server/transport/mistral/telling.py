"""From native messages to the events of Mistral's realtime transcription."""

import math
from typing import Any

from greffier.protocol import Caption, Error, Finished, ServerMessage, Speaker
from greffier_models.errors import EngineError
from greffier_server.errors import ServerError
from greffier_server.transport.reception import Line

__all__ = ["Telling"]


class Telling:
    """Tells one session: text as it is committed, segments as they close, then all of it.

    Args:
        line: the way back.
        model: as the client called it.
        turns: the client wants to know when somebody begins and ends to speak.
    """

    def __init__(self, line: Line, *, model: str, turns: bool) -> None:
        self._line = line
        self._model = model
        self._turns = turns
        self._text = ""
        self._language = ""
        self._open: dict[int, str] = {}
        self._segments: list[dict[str, Any]] = []
        self._speakers: dict[int, str | None] = {}
        self._words = 0
        self._heard_ms = 0

    async def hear(self, message: ServerMessage) -> None:
        """Tell what a native message means."""
        match message:
            case Caption():
                await self._caption(message)
            case Speaker(segment=segment, speaker=speaker):
                self._speakers[segment] = speaker
            case Error():
                await self._line.send(
                    {"type": "error", "error": {"message": message.message, "code": 500}}
                )
            case Finished():
                await self._done()
            case _:
                pass

    async def fail(self, error: ServerError | EngineError) -> None:
        """The session ended early."""
        status = error.status if isinstance(error, ServerError) else 503
        await self._line.send(
            {"type": "error", "error": {"message": error.message, "code": status}}
        )

    async def _caption(self, caption: Caption) -> None:
        if caption.language and caption.language != self._language and caption.committed:
            self._language = caption.language
            language = {"type": "transcription.language", "audio_language": caption.language}
            await self._line.send(language)
        begun = caption.segment in self._open
        if not begun and (caption.committed or caption.tail):
            self._open[caption.segment] = ""
            if self._turns:
                await self._line.send({"type": "turn.start", "time_s": caption.start_ms / 1000})
        if caption.committed:
            text = caption.committed if self._text else caption.committed.lstrip()
            self._text += text
            self._words += len(caption.words)
            self._open[caption.segment] += caption.committed
            self._heard_ms = max(self._heard_ms, caption.end_ms)
            await self._line.send({"type": "transcription.text.delta", "text": text})
        if caption.closed and caption.segment in self._open:
            await self._closed(caption)

    async def _closed(self, caption: Caption) -> None:
        text = self._open.pop(caption.segment).strip()
        if self._turns:
            ended = {"type": "turn.end", "time_s": caption.end_ms / 1000}
            await self._line.send({**ended, "end_reason": "threshold"})
        if not text:
            return
        segment: dict[str, Any] = {
            "text": text,
            "start": caption.start_ms / 1000,
            "end": caption.end_ms / 1000,
            "speaker_id": self._speakers.pop(caption.segment, None) or caption.speaker,
        }
        self._segments.append({"type": "transcription_segment", **segment})
        await self._line.send({"type": "transcription.segment", **segment})

    async def _done(self) -> None:
        usage = {
            "prompt_tokens": 0,
            "completion_tokens": self._words,
            "total_tokens": self._words,
            "prompt_audio_seconds": math.ceil(self._heard_ms / 1000),
        }
        await self._line.send(
            {
                "type": "transcription.done",
                "model": self._model,
                "text": self._text.rstrip(),
                "language": self._language or None,
                "segments": self._segments,
                "usage": usage,
            }
        )
