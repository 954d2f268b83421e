"""What a Wyoming client asks for, and what it is told of this server."""

from collections.abc import Mapping
from typing import Any, Final, cast

from greffier._version import __version__
from greffier.protocol import AudioFormat, GlossaryTerm, Start
from greffier_server.errors import MalformedMessage, UnsupportedAudio
from greffier_server.services import Services
from greffier_server.transport.wyoming.wire import WyomingEvent

__all__ = ["audio_format", "info", "start_of"]

_DEFAULT_LANGUAGES: Final = ("en", "fr")
"""Where the model does not say what it knows."""


def audio_format(data: Mapping[str, Any]) -> AudioFormat:
    """Return the format of ``audio-start`` or ``audio-chunk``.

    Raises:
        MalformedMessage, UnsupportedAudio.
    """
    rate, width, channels = (_number(data, name) for name in ("rate", "width", "channels"))
    if width != 2:
        raise UnsupportedAudio("width: audio has 2 bytes a sample (16-bit PCM)")
    return AudioFormat("pcm_s16le", rate, channels)


def start_of(asked: Mapping[str, Any], form: AudioFormat, *, language: str) -> Start:
    """Return what the native protocol would ask.

    Args:
        asked: data of ``transcribe``; other fields are ignored.
        form: of the audio.
        language: where the client names none.
    """
    named = asked.get("language")
    spoken = named.replace("_", "-").split("-")[0].lower() if isinstance(named, str) else ""
    terms = [*_texts(asked.get("transcript_names")), *_texts(asked.get("transcript_terms"))]
    return Start(
        format=form,
        language=spoken or language,
        glossary=tuple(GlossaryTerm(term) for term in dict.fromkeys(terms)),
        minutes=False,  # a command of a few words
    )


def info(services: Services) -> WyomingEvent:
    """Return the answer to ``describe``."""
    models = [
        {
            "name": model.name,
            "languages": list(model.languages or _DEFAULT_LANGUAGES),
            "attribution": {"name": "Greffier", "url": ""},
            "installed": True,
            "description": model.name,
            "version": model.digest[:12] or None,
        }
        for model in services.models()
        if model.role == "recognition" and model.state == "loaded"
    ]
    program = {
        "name": "greffier",
        "attribution": {"name": "Greffier", "url": ""},
        "installed": True,
        "description": "Greffier",
        "version": __version__,
        "models": models,
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    others: dict[str, Any] = {
        name: [] for name in ("tts", "handle", "intent", "wake", "mic", "snd")
    }
    return WyomingEvent("info", {"asr": [program], **others})


def _number(data: Mapping[str, Any], name: str) -> int:
    value: object = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MalformedMessage(f"{name}: is a whole number")
    return value


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        return []
    found = (one.strip() for one in cast("list[object]", value) if isinstance(one, str))
    return [text for text in found if text]
