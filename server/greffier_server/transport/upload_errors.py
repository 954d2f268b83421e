"""Errors of recordings that are sent whole.

* ServerError
    * BadRequest
        * RecordingUnreadable: not a recording, or without sound, or damaged
        * RecordingTooLarge: too many bytes
        * RecordingTooLong: too many hours
"""

from greffier_server.errors import BadRequest

__all__ = ["RecordingTooLarge", "RecordingTooLong", "RecordingUnreadable"]


class RecordingUnreadable(BadRequest):
    """Not a recording that can be decoded, or not to its end."""

    code = "unreadable_recording"


class RecordingTooLarge(BadRequest):
    """It has more bytes than one upload may have."""

    code = "recording_too_large"
    status = 413


class RecordingTooLong(BadRequest):
    """It lasts longer than a session may."""

    code = "recording_too_long"
    status = 413
