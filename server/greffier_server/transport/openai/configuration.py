"""The settings of an OpenAI realtime session, as its client updates them; pure."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from greffier.protocol import AudioFormat, GlossaryTerm, Start
from greffier_server.errors import UnsupportedAudio
from greffier_server.transport.encoded_audio import is_list
from greffier_server.transport.greeting import check_format
from greffier_server.transport.openai.errors import ParameterRefused
from greffier_server.transport.openai.hints import language_of, terms_of

__all__ = ["LOGPROBS", "Configuration"]

LOGPROBS: Final = "item.input_audio_transcription.logprobs"
_PCM_RATE: Final = 24_000
_G711_RATE: Final = 8_000
_SHOWN_CHARS: Final = 2_000
_SERVER_VAD: Final[dict[str, Any]] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}
_BETA_FORMATS: Final = {
    "pcm16": AudioFormat("pcm_s16le", _PCM_RATE),
    "g711_ulaw": AudioFormat("mulaw", _G711_RATE),
    "g711_alaw": AudioFormat("alaw", _G711_RATE),
}
_BETA_NAMES: Final = {form.encoding: name for name, form in _BETA_FORMATS.items()}
_TYPES: Final = {"pcm_s16le": "audio/pcm", "mulaw": "audio/pcmu", "alaw": "audio/pcma"}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the client has asked for so far."""

    format: AudioFormat = _BETA_FORMATS["pcm16"]
    model: str = ""
    language: str = "auto"
    terms: tuple[GlossaryTerm, ...] = ()
    turn_detection: dict[str, Any] | None = field(default_factory=lambda: dict(_SERVER_VAD))
    """None: the client commits."""
    transcription: dict[str, Any] = field(default_factory=dict[str, Any])
    """As the client wrote it, to be shown."""
    logprobs: bool = False

    @property
    def manual(self) -> bool:
        """The client says where an item ends."""
        return self.turn_detection is None

    def start(self) -> Start:
        """Return the session that it asks for."""
        return Start(
            format=self.format, language=self.language, glossary=self.terms, minutes=not self.manual
        )

    def updated(self, session: Any) -> "Configuration":
        """Return the settings after an update in either shape, today's or the earlier one.

        What is not named stays as it is; what is not known is passed over.

        Raises:
            ParameterRefused: a value that cannot be used; nothing of the update holds.
        """
        told = _object(session, "session")
        kind = told.get("type", "transcription")
        if kind != "transcription":
            raise ParameterRefused(
                "this server transcribes and does not answer; write transcription",
                param="session.type",
            )
        earlier = {
            name.removeprefix("input_audio_"): value
            for name, value in told.items()
            if name in ("input_audio_format", "input_audio_transcription", "turn_detection")
        }
        audio = _object(told.get("audio") or {}, "session.audio")
        given = {**earlier, **_object(audio.get("input") or {}, "session.audio.input")}
        now = self
        if given.get("format") is not None:
            now = replace(now, format=_format(given["format"]))
        if "turn_detection" in given:
            now = replace(now, turn_detection=_turn_detection(given["turn_detection"]))
        if given.get("transcription") is not None:
            now = now._hinted(_object(given["transcription"], "session.audio.input.transcription"))
        include = told.get("include")
        if is_list(include):
            now = replace(now, logprobs=LOGPROBS in include)
        return now

    def _hinted(self, told: dict[str, Any]) -> "Configuration":
        where = "session.audio.input.transcription"
        languages = _texts(told.get("languages"), f"{where}.languages")
        language = _string(told.get("language"), f"{where}.language")
        if not language and len(languages) == 1:
            language = languages[0]
        prompt = _string(told.get("prompt"), f"{where}.prompt")
        keywords = _texts(told.get("keywords"), f"{where}.keywords")
        shown = {
            name: value[:_SHOWN_CHARS] if isinstance(value, str) else value
            for name, value in told.items()
            if name in ("model", "language", "prompt")
        }
        return replace(
            self,
            model=_string(told.get("model"), f"{where}.model")[:_SHOWN_CHARS] or self.model,
            language=language_of(language, param=f"{where}.language"),
            terms=terms_of(prompt, keywords),
            transcription=shown,
        )

    def shown(self, session_id: str, *, expires_at: int) -> dict[str, Any]:
        """The session as events carry it."""
        form: dict[str, Any] = {"type": _TYPES[self.format.encoding]}
        if self.format.encoding == "pcm_s16le":
            form["rate"] = self.format.rate
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "expires_at": expires_at,
            "audio": {
                "input": {
                    "format": form,
                    "noise_reduction": None,
                    "transcription": self._transcription(),
                    "turn_detection": self.turn_detection,
                }
            },
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def shown_earlier(self, session_id: str, *, expires_at: int) -> dict[str, Any]:
        """The same in the shape before ``session.type`` (header ``OpenAI-Beta: realtime=v1``)."""
        return {
            "object": "realtime.transcription_session",
            "id": session_id,
            "expires_at": expires_at,
            "modalities": ["text"],
            "input_audio_format": _BETA_NAMES[self.format.encoding],
            "input_audio_noise_reduction": None,
            "input_audio_transcription": self._transcription(),
            "turn_detection": self.turn_detection,
            "include": [LOGPROBS] if self.logprobs else None,
        }

    def _transcription(self) -> dict[str, Any]:
        return {"model": self.model, "language": None, "prompt": None, **self.transcription}


def _format(told: Any) -> AudioFormat:
    where = "session.audio.input.format"
    if isinstance(told, str):
        known = _BETA_FORMATS.get(told)
    else:
        form = _object(told, where)
        match form.get("type"):
            case "audio/pcm":
                known = _pcm(form.get("rate", _PCM_RATE), where)
            case "audio/pcmu":
                known = _BETA_FORMATS["g711_ulaw"]
            case "audio/pcma":
                known = _BETA_FORMATS["g711_alaw"]
            case _:
                known = None
    if known is None:
        raise ParameterRefused("write audio/pcm, audio/pcmu or audio/pcma", param=f"{where}.type")
    return known


def _pcm(rate: Any, where: str) -> AudioFormat:
    known = AudioFormat("pcm_s16le", rate if isinstance(rate, int) else -1)
    try:
        check_format(known)
    except UnsupportedAudio:
        raise ParameterRefused("write 8000 to 192000", param=f"{where}.rate") from None
    return known


def _turn_detection(told: Any) -> dict[str, Any] | None:
    if told is None:
        return None
    where = "session.audio.input.turn_detection"
    wanted = _object(told, where)
    kind = wanted.get("type", "server_vad")
    if kind not in ("server_vad", "semantic_vad"):
        raise ParameterRefused("write server_vad, semantic_vad or null", param=f"{where}.type")
    numbers = {
        name: value
        for name, value in wanted.items()
        if name in _SERVER_VAD and isinstance(value, int | float)
    }
    if kind == "semantic_vad":
        eager = wanted.get("eagerness")
        known = eager if eager in ("low", "medium", "high", "auto") else "auto"
        return {"type": kind, "eagerness": known}
    return {**_SERVER_VAD, **numbers}


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ParameterRefused("write an object", param=where)
    return cast("dict[str, Any]", value)


def _string(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ParameterRefused("write a string", param=where)
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not is_list(value):
        raise ParameterRefused("write a list of strings", param=where)
    return tuple(_string(entry, where) for entry in value)
