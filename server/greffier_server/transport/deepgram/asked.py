"""What the query of ``/v1/listen`` asks for (developers.deepgram.com/reference/speech-to-text)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import QueryParams

from greffier.protocol import AudioFormat, Encoding, GlossaryTerm, Start
from greffier_server.errors import BadRequest, MalformedMessage, UnsupportedAudio

__all__ = ["EgressRefused", "Listen", "RedactionRefused"]

_ENCODINGS: Final[Mapping[str, Encoding]] = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
_CONTAINERS: Final = ("flac", "ogg-opus")
"""Encodings that say themselves how they are to be read."""
_TELEPHONE: Final = ("mulaw", "alaw")
_TELEPHONE_RATE: Final = 8_000
_TRUE: Final = ("true", "1", "yes")


class EgressRefused(BadRequest):
    """The server was asked to reach another address."""

    code = "egress_refused"


class RedactionRefused(BadRequest):
    """Words were to be left out, which this server does not do: better none than all of them."""

    code = "redaction_unsupported"


@dataclass(frozen=True, slots=True)
class Listen:
    """A request, checked."""

    format: AudioFormat | None
    """None: the audio says it itself (a container)."""
    language: str
    glossary: tuple[GlossaryTerm, ...]
    channels: int
    separate: bool
    """Each channel by itself."""
    interim: bool
    endpointing: bool
    utterance_end_ms: int | None
    vad_events: bool
    multilingual: bool
    diarize: bool
    utterances: bool
    """Of recordings: each utterance by itself, too."""

    @classmethod
    def read(cls, query: QueryParams) -> "Listen":
        """Read the parameters; those that are not known are ignored.

        Raises:
            UnsupportedAudio, MalformedMessage, EgressRefused, RedactionRefused.
        """
        if query.get("callback", ""):
            raise EgressRefused("this server calls no other address: leave callback out")
        if query.get("redact", "") not in {"", "false"}:
            raise RedactionRefused("this server redacts nothing: leave redact out")
        language, multilingual = _language(query)
        end_ms = _number(query, "utterance_end_ms", 0)
        return cls(
            format=_format(query),
            language=language,
            glossary=_glossary(query),
            channels=_number(query, "channels", 1),
            separate=_true(query, "multichannel"),
            interim=_true(query, "interim_results"),
            endpointing=query.get("endpointing", "true") != "false",
            utterance_end_ms=end_ms or None,
            vad_events=_true(query, "vad_events"),
            multilingual=multilingual,
            diarize=_true(query, "diarize") or query.get("diarize_model", "") != "",
            utterances=_true(query, "utterances"),
        )

    def start(self, form: AudioFormat) -> Start:
        """Return what the native protocol would ask."""
        return Start(
            format=form,
            language=self.language,
            glossary=self.glossary,
            channels="separate" if self.separate and form.channels > 1 else "mix",
        )


def _format(query: QueryParams) -> AudioFormat | None:
    name = query.get("encoding", "")
    channels = _number(query, "channels", 1)
    if not name:
        return None
    if name in _CONTAINERS:
        return None
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        raise UnsupportedAudio(
            f"encoding: this server takes {', '.join(_ENCODINGS)}, or containers without encoding"
        )
    rate = _number(query, "sample_rate", _TELEPHONE_RATE if encoding in _TELEPHONE else 0)
    if not rate:
        raise MalformedMessage("sample_rate: is needed with encoding")
    return AudioFormat(encoding, rate, channels)


def _language(query: QueryParams) -> tuple[str, bool]:
    """Return the language of the speech, and whether words say theirs."""
    asked = query.get("language", "")
    if asked == "multi":
        return "auto", True
    if not asked or _true(query, "detect_language"):
        return "auto", False
    return asked.replace("_", "-").split("-")[0].lower(), False


def _glossary(query: QueryParams) -> tuple[GlossaryTerm, ...]:
    """Keyterms, and keywords with or without a weight (``term:2``), which is ignored."""
    terms = [term.strip() for term in query.getlist("keyterm")]
    terms += [word.rsplit(":", 1)[0].strip() for word in query.getlist("keywords")]
    return tuple(GlossaryTerm(term) for term in dict.fromkeys(terms) if term)


def _true(query: QueryParams, name: str) -> bool:
    return query.get(name, "").lower() in _TRUE


def _number(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise MalformedMessage(f"{name}: is a whole number")
    return int(text)
