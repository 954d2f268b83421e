"""A transcribed recording as OpenAI's HTTP interface gives it back; pure."""

import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from greffier_models.types import Word
from greffier_server.core import captions
from greffier_server.core.languages import name
from greffier_server.core.state import Segment, SessionState

__all__ = [
    "delta",
    "diarized",
    "done",
    "logprob",
    "plain",
    "segment_event",
    "subtitles",
    "text_of",
    "verbose",
]

_UNKNOWN_SPEAKER: Final = "unknown"
"""Where voices are not told apart: the field may not be absent."""
_LEAST: Final = 1e-6


def text_of(state: SessionState, language: str | None = None) -> str:
    """Return the whole text; `language` chooses its translation."""
    texts = (_text(segment, language) for segment in state.in_order())
    return " ".join(text for text in texts if text)


def plain(state: SessionState, *, model: str, language: str | None, logprobs: bool) -> Any:
    """The body of ``json``.

    `model` and `language` are not OpenAI's: clients of Mistral need them, others pass them over.
    """
    body: dict[str, Any] = {
        "text": text_of(state, language),
        "model": model,
        "language": language or state.language or None,
        "usage": _usage(state),
    }
    if logprobs:
        words = [word for segment in state.in_order() for word in segment.words]
        body["logprobs"] = [_logprob(word) for word in words]
    return body


def verbose(
    state: SessionState, *, language: str | None, words: bool, segments: bool
) -> dict[str, Any]:
    """The body of ``verbose_json``."""
    body: dict[str, Any] = {
        "task": "transcribe" if language is None else "translate",
        "language": name(language or state.language).lower(),
        "duration": _seconds(_duration_ms(state)),
        "text": text_of(state, language),
    }
    shown = [segment for segment in state.in_order() if _text(segment, language)]
    if segments:
        body["segments"] = [
            _verbose_segment(place, segment, language) for place, segment in enumerate(shown)
        ]
    if words:
        body["words"] = [
            {
                "word": word.text.strip(),
                "start": _seconds(word.start_ms),
                "end": _seconds(word.end_ms),
            }
            for segment in shown
            for word in segment.words
        ]
    body["usage"] = _usage(state)
    return body


def diarized(state: SessionState) -> dict[str, Any]:
    """The body of ``diarized_json``."""
    shown = [segment for segment in state.in_order() if segment.text]
    return {
        "task": "transcribe",
        "duration": _seconds(_duration_ms(state)),
        "text": text_of(state),
        "segments": [
            segment_event(
                segment.id,
                segment.text,
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                speaker=segment.speaker,
            )
            for segment in shown
        ],
        "usage": _usage(state),
    }


def subtitles(state: SessionState, kind: str, language: str | None) -> str:
    """The body of ``srt`` or ``vtt``."""
    return captions.to_srt(state, language) if kind == "srt" else captions.to_vtt(state, language)


def delta(text: str, words: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """The event of text that was added."""
    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": text}
    return event if words is None else {**event, "logprobs": words}


def done(text: str, words: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """The event of the whole text."""
    event: dict[str, Any] = {"type": "transcript.text.done", "text": text}
    return event if words is None else {**event, "logprobs": words}


def segment_event(
    number: int, text: str, *, start_ms: int, end_ms: int, speaker: str | None
) -> dict[str, Any]:
    """A segment with its speaker, in a stream or in ``diarized_json``."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number}",
        "start": _seconds(start_ms),
        "end": _seconds(end_ms),
        "text": text,
        "speaker": speaker or _UNKNOWN_SPEAKER,
    }


def logprob(text: str, probability: float) -> dict[str, Any]:
    """The entry of one word: words are this server's tokens."""
    value = math.log(max(probability, _LEAST))
    return {"token": text, "logprob": round(value, 4), "bytes": list(text.encode())}


def _logprob(word: Word) -> dict[str, Any]:
    return logprob(word.text, word.probability)


def _verbose_segment(place: int, segment: Segment, language: str | None) -> dict[str, Any]:
    text = _text(segment, language)
    logprobs = [math.log(max(word.probability, _LEAST)) for word in segment.words]
    packed = text.encode()
    return {
        "id": place,
        "seek": segment.start_ms // 10,
        "start": _seconds(segment.start_ms),
        "end": _seconds(segment.end_ms),
        "text": f" {text}",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(logprobs) / len(logprobs), 4) if logprobs else 0.0,
        "compression_ratio": round(len(packed) / len(zlib.compress(packed)), 4),
        "no_speech_prob": 0.0,
    }


def _text(segment: Segment, language: str | None) -> str:
    if language is None or segment.language == language:
        return segment.text.strip()
    translated = segment.translations.get(language)
    return "" if translated is None else translated.text.strip()


def _usage(state: SessionState) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(_duration_ms(state) / 1000)}


def _duration_ms(state: SessionState) -> int:
    return 0 if state.ended is None else state.ended.duration_ms


def _seconds(ms: int) -> float:
    return round(ms / 1000, 3)
