"""The first message of a WhisperLive client (`whisper_live.client.Client.on_open`, 0.10)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast

from greffier.protocol import AudioFormat, Encoding, GlossaryTerm, Start
from greffier_server.errors import MalformedMessage, UnsupportedAudio

__all__ = ["Greeting"]

SampleFormat = Literal["float32", "int16", "uint8"]

_MAX_UID_CHARS: Final = 128
_MOST_SEGMENTS: Final = 1_000
_RATE: Final = 16_000


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the client asks for; fields that are not here are ignored."""

    uid: str
    language: str
    """``auto`` when the client leaves it to the server."""
    translate: bool
    """``task`` is ``translate``: segments are shown in English."""
    target_language: str | None
    """``enable_translation``: translated segments are sent beside."""
    last_segments: int
    word_times: bool
    sample_format: SampleFormat
    glossary: tuple[GlossaryTerm, ...]

    @classmethod
    def read(cls, message: Mapping[str, object]) -> "Greeting":
        """Read the message.

        Raises:
            MalformedMessage, UnsupportedAudio: the message says which field.
        """
        uid = message.get("uid")
        if not isinstance(uid, str) or not 0 < len(uid) <= _MAX_UID_CHARS:
            raise MalformedMessage(f"uid: is a text of 1 to {_MAX_UID_CHARS} characters")
        language = message.get("language")
        if language is not None and not isinstance(language, str):
            raise MalformedMessage("language: is a code such as fr, or null")
        target = message.get("target_language")
        wanted = message.get("enable_translation") is True and isinstance(target, str)
        return cls(
            uid=uid,
            language=language.lower() if language else "auto",
            translate=message.get("task") == "translate",
            target_language=cast("str", target).lower() if wanted else None,
            last_segments=_count(message.get("send_last_n_segments"), 10),
            word_times=message.get("word_timestamps") is True,
            sample_format=_sample_format(message.get("audio_format")),
            glossary=_glossary(message.get("hotwords")),
        )

    @property
    def start(self) -> Start:
        """What the native protocol would ask."""
        into = ["en"] if self.translate else []
        if self.target_language is not None and self.target_language not in into:
            into.append(self.target_language)
        encoding: Encoding = "pcm_f32le" if self.sample_format == "float32" else "pcm_s16le"
        return Start(
            format=AudioFormat(encoding, _RATE, 1),
            language=self.language,
            translate_to=tuple(into),
            glossary=self.glossary,
        )


def _count(value: object, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_SEGMENTS:
        raise MalformedMessage(f"send_last_n_segments: is 1 to {_MOST_SEGMENTS}")
    return value


def _sample_format(value: object) -> SampleFormat:
    match value:
        case None | "float32":
            return "float32"
        case "int16":
            return "int16"
        case "uint8":
            return "uint8"
        case _:
            raise UnsupportedAudio("audio_format: is float32, int16 or uint8")


def _glossary(hotwords: object) -> tuple[GlossaryTerm, ...]:
    """Hotwords come as one text with commas, or as a list."""
    if isinstance(hotwords, str):
        names: list[object] = list(hotwords.split(","))
    elif isinstance(hotwords, list):
        names = cast("list[object]", hotwords)
    else:
        return ()
    terms = [name.strip() for name in names if isinstance(name, str)]
    return tuple(GlossaryTerm(term) for term in dict.fromkeys(terms) if term)
