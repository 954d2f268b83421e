"""``/v1/audio/transcriptions/realtime``: live transcription as Mistral's hosted service speaks it.

One connection is one session: ``session.update`` before the audio, ``input_audio.append`` with
base64, ``input_audio.end``, then ``transcription.done`` and the close.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from greffier.protocol import AudioFormat, Encoding, GlossaryTerm, Start
from greffier_models.errors import EngineError
from greffier_server.errors import BadRequest, ServerError, UnexpectedMessage, UnsupportedAudio
from greffier_server.transport.encoded_audio import decoded, is_list
from greffier_server.transport.greeting import check_format
from greffier_server.transport.guest import Doorway
from greffier_server.transport.mistral.telling import Telling
from greffier_server.transport.openai.hints import language_of, terms_of
from greffier_server.transport.reception import Line, Reception
from greffier_server.transport.turns import Turn

__all__ = ["mistral_reception"]

_ENCODINGS: Final[dict[str, Encoding]] = {
    "pcm_s16le": "pcm_s16le",
    "pcm_s32le": "pcm_s16le",
    "pcm_f16le": "pcm_f32le",
    "pcm_f32le": "pcm_f32le",
    "pcm_mulaw": "mulaw",
    "pcm_alaw": "alaw",
}
"""Theirs, and what the session is given."""
_WIDTHS: Final = {"pcm_s32le": 4, "pcm_f16le": 2}
_MODEL_CHARS: Final = 200


class FieldRefused(BadRequest):
    """A field of an update has a value that cannot be used."""

    code = "invalid_value"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the client has asked for so far."""

    model: str
    encoding: str = "pcm_s16le"
    rate: int = 16_000
    language: str = "auto"
    terms: tuple[GlossaryTerm, ...] = ()
    delay_ms: int | None = None
    turns: bool = False

    @property
    def format(self) -> AudioFormat:
        return AudioFormat(_ENCODINGS[self.encoding], self.rate)

    def updated(self, told: Any) -> "_Wanted":
        fields = _object(told, "session")
        now = self
        if fields.get("audio_format") is not None:
            now = now._heard_as(_object(fields["audio_format"], "session.audio_format"))
        if fields.get("language") is not None:
            if not isinstance(fields["language"], str):
                raise FieldRefused("session.language: write a code, such as fr")
            now = replace(now, language=language_of(fields["language"], param="session.language"))
        if fields.get("context_bias") is not None:
            now = replace(now, terms=terms_of("", _texts(fields["context_bias"])))
        delay_ms = fields.get("target_streaming_delay_ms")
        if isinstance(delay_ms, int):
            now = replace(now, delay_ms=delay_ms)
        if "turn_detection" in fields:
            now = replace(now, turns=fields["turn_detection"] is not None)
        return now

    def _heard_as(self, told: dict[str, Any]) -> "_Wanted":
        encoding, rate = told.get("encoding"), told.get("sample_rate")
        if not isinstance(encoding, str) or encoding not in _ENCODINGS:
            raise FieldRefused(f"session.audio_format.encoding: write {', '.join(_ENCODINGS)}")
        if not isinstance(rate, int):
            raise FieldRefused("session.audio_format.sample_rate: write a number")
        try:
            check_format(AudioFormat(rate=rate))
        except UnsupportedAudio:
            raise FieldRefused("session.audio_format.sample_rate: write 8000 to 192000") from None
        return replace(self, encoding=encoding, rate=rate)

    def shown(self, request_id: str) -> dict[str, Any]:
        return {
            "request_id": request_id,
            "model": self.model,
            "audio_format": {"encoding": self.encoding, "sample_rate": self.rate},
            "target_streaming_delay_ms": self.delay_ms,
            "language": None if self.language == "auto" else self.language,
            "context_bias": [entry.term for entry in self.terms] or None,
        }


def mistral_reception(door: Doorway) -> Reception:
    """Return what serves ``/v1/audio/transcriptions/realtime``."""
    return Reception(
        door,
        protocol="mistral-realtime",
        converse=lambda socket, line: HostedTalk(line, model=_model(socket)),
        deny=_deny,
    )


def _model(socket: WebSocket) -> str:
    return socket.query_params.get("model", "")[:_MODEL_CHARS]


def _deny(error: ServerError) -> Response:
    return JSONResponse(
        {"object": "error", "message": error.message, "type": error.code, "code": error.status},
        status_code=error.status,
    )


class HostedTalk:
    """One client.

    Args:
        line: the way back.
        model: as the client called it.
    """

    def __init__(self, line: Line, *, model: str) -> None:
        self._line = line
        self._wanted = _Wanted(model)
        self._request_id = line.id
        self._turn: Turn | None = None
        self._rest = b""

    async def greet(self) -> None:
        """Say that the session is there."""
        await self._say("session.created")

    def error(
        self, error: ServerError | EngineError, message: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the event of an error; its code is an HTTP status."""
        del message
        status = error.status if isinstance(error, ServerError) else 503
        return {"type": "error", "error": {"message": error.message, "code": status}}

    async def take(self, message: dict[str, Any]) -> bool:
        """Act on an event of the client."""
        match message.get("type"):
            case "session.update":
                if self._turn is not None:
                    raise UnexpectedMessage("a session is updated before its audio begins")
                self._wanted = self._wanted.updated(message.get("session"))
                await self._say("session.updated")
            case "input_audio.append":
                await self._append(decoded(message.get("audio")))
            case "input_audio.flush":
                pass  # nothing is held back
            case "input_audio.end":
                turn = await self._open()
                await turn.finish()
                await turn.over.wait()
                return False
            case _:
                raise UnexpectedMessage(
                    "this server knows session.update and input_audio.append, flush and end"
                )
        return True

    async def _say(self, kind: str) -> None:
        await self._line.send({"type": kind, "session": self._wanted.shown(self._request_id)})

    async def _append(self, audio: bytes) -> None:
        turn = await self._open()
        form = self._wanted.format
        width = _WIDTHS.get(self._wanted.encoding, form.frame_bytes)
        audio = self._rest + audio
        whole = len(audio) // width * width
        self._rest = audio[whole:]
        if whole:
            await turn.push(_converted(audio[:whole], self._wanted.encoding))

    async def _open(self) -> Turn:
        if self._turn is None:
            wanted = self._wanted
            start = Start(format=wanted.format, language=wanted.language, glossary=wanted.terms)
            telling = Telling(self._line, model=wanted.model, turns=wanted.turns)
            self._turn = await self._line.turns.open(start, hear=telling.hear, fail=telling.fail)
        return self._turn


def _converted(audio: bytes, encoding: str) -> bytes:
    """What a session takes, of whole samples of theirs."""
    match encoding:
        case "pcm_s32le":
            return (np.frombuffer(audio, "<i4") >> 16).astype("<i2").tobytes()
        case "pcm_f16le":
            return np.frombuffer(audio, "<f2").astype("<f4").tobytes()
        case _:
            return audio


def _texts(value: Any) -> list[str]:
    if not is_list(value) or not all(isinstance(entry, str) for entry in value):
        raise FieldRefused("session.context_bias: write a list of strings")
    return value


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FieldRefused(f"{where}: write an object")
    return cast("dict[str, Any]", value)
