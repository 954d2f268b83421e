"""What clients write into JSON: lists, and audio as base64."""

import base64
import binascii
from typing import Any, TypeGuard

from greffier_server.errors import BadRequest

__all__ = ["AudioNotBase64", "decoded", "is_list"]


class AudioNotBase64(BadRequest):
    """The audio of a message cannot be read."""

    code = "invalid_audio"


def decoded(audio: Any) -> bytes:
    """Return the bytes of base64.

    Raises:
        AudioNotBase64: it is none.
    """
    if not isinstance(audio, str):
        raise AudioNotBase64("write audio as a string of base64")
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError):
        raise AudioNotBase64("audio is not base64") from None


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether a value of JSON is a list."""
    return isinstance(value, list)
