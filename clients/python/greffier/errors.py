"""Errors of the client.

* GreffierError
    * ConnectionFailed (retryable): the server cannot be reached
    * ConnectionLost (retryable): the connection broke and could not be resumed
    * ServerRefused: the server said no; `code`, `message` and `retryable` are the server's
        * AuthenticationFailed: no token, or not one of this server's
    * ProtocolViolation: the peer does not speak ``greffier.v1``
        * MalformedFrame: a text frame that is not a message of the protocol
    * MisalignedAudio: not a whole number of frames
    * InputClosed: audio after `finish`
    * EventsUnread: audio is sent but nobody reads the events
    * FileUnreadable: a recording that cannot be opened or decoded
    * SourceFailed: the microphone or standard input cannot be read
    * ExtraMissing: an optional part of Greffier is not installed
    * SpoolUnusable: a folder of kept audio cannot be written, or another process sends it
    * AudioKept (retryable): the session is over here, and a part of it waits in the spool

Each has a stable `code`, a message that tells the user what to do (never text of a session), and
`retryable`: the same call may succeed later.
"""

__all__ = [
    "AudioKept",
    "AuthenticationFailed",
    "ConnectionFailed",
    "ConnectionLost",
    "EventsUnread",
    "ExtraMissing",
    "FileUnreadable",
    "GreffierError",
    "InputClosed",
    "MalformedFrame",
    "MisalignedAudio",
    "ProtocolViolation",
    "ServerRefused",
    "SourceFailed",
    "SpoolUnusable",
]


class GreffierError(Exception):
    """The client could not do what was asked."""

    code: str = "client_error"
    retryable: bool = False
    retry_after_s: float | None = None
    """Where the server told when to try again."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConnectionFailed(GreffierError):
    """The server cannot be reached."""

    code = "connection_failed"
    retryable = True


class ConnectionLost(GreffierError):
    """The connection broke and could not be resumed in the time allowed."""

    code = "connection_lost"
    retryable = True


class ServerRefused(GreffierError):
    """The server said no; the attributes are its own."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class AuthenticationFailed(ServerRefused):
    """No token was given, or it is not one of this server's."""


class ProtocolViolation(GreffierError):
    """The peer does not speak ``greffier.v1``."""

    code = "protocol_violation"


class MalformedFrame(ProtocolViolation):
    """A text frame that is not a message of the protocol; the message names the field at fault."""

    code = "malformed_frame"


class MisalignedAudio(GreffierError):
    """Not a whole number of frames (one sample of every channel)."""

    code = "misaligned_audio"


class InputClosed(GreffierError):
    """Audio was sent after `finish`."""

    code = "input_closed"


class EventsUnread(GreffierError):
    """Audio is sent but nobody reads the events, so that acknowledgements no longer get through."""

    code = "events_unread"


class FileUnreadable(GreffierError):
    """A recording cannot be opened or decoded."""

    code = "file_unreadable"


class SourceFailed(GreffierError):
    """The microphone or standard input cannot be read."""

    code = "source_failed"


class ExtraMissing(GreffierError):
    """An optional part is not installed; the message says how to install it."""

    code = "extra_missing"

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs: pip install "greffier[{extra}]"')
        self.extra = extra


class SpoolUnusable(GreffierError):
    """A folder of kept audio cannot be written or read, or another process is sending it."""

    code = "spool_unusable"


class AudioKept(GreffierError):
    """The server could not be reached: audio waits on this machine, and can be sent later."""

    code = "audio_kept"
    retryable = True

    def __init__(self, folder: object, *, waiting_ms: int) -> None:
        super().__init__(
            f"the server has not got {waiting_ms // 1000} s of the recording yet; they are kept: "
            f"greffier forward {folder}"
        )
        self.folder = folder
        self.waiting_ms = waiting_ms
