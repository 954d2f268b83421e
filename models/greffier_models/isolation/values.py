"""Windows, options, hypotheses and errors as the JSON of frames, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import numpy as np

from greffier_models import errors
from greffier_models.errors import EngineError
from greffier_models.isolation.frames import BrokenFrame, Header
from greffier_models.types import (
    AudioWindow,
    EngineIdentity,
    Hypothesis,
    Pcm,
    RecognitionOptions,
    Word,
)

__all__ = [
    "error_of",
    "header_of_error",
    "hypotheses_of",
    "identity_of",
    "options_of",
    "plain_hypothesis",
    "plain_identity",
    "plain_options",
    "samples_of",
    "scores_of",
    "windows_of",
]


def samples_of(window: AudioWindow) -> memoryview:
    """The samples as they are sent: little-endian, in one piece."""
    return np.ascontiguousarray(window.pcm, dtype="<i2").data


def windows_of(placed: object, body: bytearray) -> list[AudioWindow]:
    """The windows whose samples lie behind each other in `body`.

    Args:
        placed: pairs of start in milliseconds and number of samples.
        body: their samples.
    """
    windows: list[AudioWindow] = []
    samples: Pcm = np.frombuffer(body, dtype="<i2")
    at = 0
    for start_ms, count in cast("Sequence[tuple[int, int]]", placed):
        windows.append(AudioWindow(samples[at : at + count], start_ms))
        at += count
    if at != len(samples):
        raise BrokenFrame
    return windows


def plain_options(options: RecognitionOptions) -> dict[str, Any]:
    """Return `options` as JSON."""
    return asdict(options)


def options_of(plain: Mapping[str, Any]) -> RecognitionOptions:
    """Read `plain_options`."""
    given: dict[str, Any] = dict(plain)
    given["hotwords"] = tuple(given["hotwords"])
    return RecognitionOptions(**given)


def plain_hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    """Return `hypothesis` as JSON; a word is a list."""
    words = [
        [word.text, word.start_ms, word.end_ms, float(word.probability), word.heard]
        for word in hypothesis.words
    ]
    return {
        "words": words,
        "language": hypothesis.language,
        "language_probability": float(hypothesis.language_probability),
        "no_speech_probability": float(hypothesis.no_speech_probability),
        "mean_logprob": float(hypothesis.mean_logprob),
        "truncated": bool(hypothesis.truncated),
    }


def hypotheses_of(answer: object, count: int) -> list[Hypothesis]:
    """Read `count` hypotheses.

    Raises:
        BrokenFrame: they are something else.
    """
    if not isinstance(answer, list) or len(cast("list[object]", answer)) != count:
        raise BrokenFrame
    return [_hypothesis(plain) for plain in cast("list[object]", answer)]


def _hypothesis(plain: object) -> Hypothesis:
    try:
        given = cast("dict[str, Any]", plain)
        return Hypothesis(
            words=tuple(_word(word) for word in given["words"]),
            language=str(given["language"]),
            language_probability=float(given["language_probability"]),
            no_speech_probability=float(given["no_speech_probability"]),
            mean_logprob=float(given["mean_logprob"]),
            truncated=bool(given["truncated"]),
        )
    except (TypeError, ValueError, KeyError) as error:
        raise BrokenFrame from error


def _word(plain: Sequence[Any]) -> Word:
    text, start_ms, end_ms, probability, heard = plain
    return Word(str(text), int(start_ms), int(end_ms), float(probability), str(heard))


def scores_of(answer: object) -> dict[str, float]:
    """Read the probabilities of languages.

    Raises:
        BrokenFrame: they are something else.
    """
    if not isinstance(answer, dict):
        raise BrokenFrame
    try:
        scores = cast("dict[str, Any]", answer)
        return {code: float(score) for code, score in scores.items()}
    except (TypeError, ValueError) as error:
        raise BrokenFrame from error


def plain_identity(identity: EngineIdentity) -> dict[str, Any]:
    """Return `identity` as JSON."""
    return asdict(identity)


def identity_of(plain: object) -> EngineIdentity:
    """Read `plain_identity`.

    Raises:
        BrokenFrame: it is something else.
    """
    try:
        return EngineIdentity(**{k: str(v) for k, v in cast("dict[str, Any]", plain).items()})
    except (TypeError, AttributeError) as error:
        raise BrokenFrame from error


def header_of_error(error: EngineError) -> dict[str, str]:
    """Return `error` as JSON: its class and its message, which is fit for a user."""
    return {"type": type(error).__name__, "message": error.message}


def error_of(plain: object) -> EngineError:
    """Read `header_of_error`; a class that is not known is an `EngineError`."""
    given = cast("Header", plain if isinstance(plain, dict) else {})
    message = str(given.get("message", "The speech model failed; see the server's log."))
    kind = getattr(errors, str(given.get("type", "")), None)
    if isinstance(kind, type) and issubclass(kind, EngineError):
        return kind(message)
    return EngineError(message)
