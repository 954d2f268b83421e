"""Errors of the server.

* ServerError
    * SettingsInvalid: the configuration cannot be used
    * AuthenticationRequired, AuthenticationFailed: no token, wrong token
    * SessionNotFound, SessionExists, SessionBusy (retryable), SessionClosed
        * SessionTakenOver: another client speaks now; a SessionBusy that must not be retried
    * SessionUnfinished (retryable): what was asked needs a finished session
    * AudioMissing: the session's audio is no longer kept
    * SecondPassFailed (retryable): nothing could be read again
    * ReplayRefused: the session cannot be heard again as it was
    * ServerBusy (retryable): no room for another session
    * BadRequest
        * MalformedMessage: not a message of the protocol
        * UnexpectedMessage: a message of the protocol, at the wrong moment
        * UnsupportedAudio: encoding, rate or channels out of range
        * MisalignedAudio: not a whole number of frames
        * AudioTooFast: more audio at once than the session's buffer takes
        * UnknownLanguage: no such language, or not known to the loaded model
            * TranslationUnsupported: the loaded language model does not translate this pair
    * StorageFailed (retryable): disk full, database lost
    * ModelNotLoaded (retryable): weights missing or still loading

Each has a stable `code`, an HTTP `status`, a WebSocket close code where it ends the socket, a
message that tells the user what to do (never content of a session), and `retryable`.
"""

from typing import ClassVar

__all__ = [
    "AudioMissing",
    "AudioTooFast",
    "AuthenticationFailed",
    "AuthenticationRequired",
    "BadRequest",
    "MalformedMessage",
    "MisalignedAudio",
    "ModelNotLoaded",
    "ReplayRefused",
    "SecondPassFailed",
    "ServerBusy",
    "ServerError",
    "SessionBusy",
    "SessionClosed",
    "SessionExists",
    "SessionNotFound",
    "SessionTakenOver",
    "SessionUnfinished",
    "SettingsInvalid",
    "StorageFailed",
    "TranslationUnsupported",
    "UnexpectedMessage",
    "UnknownLanguage",
    "UnsupportedAudio",
]


class ServerError(Exception):
    """The server could not do what was asked."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SettingsInvalid(ServerError):
    """The configuration cannot be used."""

    code = "settings_invalid"


class AuthenticationRequired(ServerError):
    """No token was given."""

    code = "authentication_required"
    status = 401
    close_code = 4401


class AuthenticationFailed(ServerError):
    """The token is not one of this server's."""

    code = "authentication_failed"
    status = 403
    close_code = 4403


class SessionNotFound(ServerError):
    """No such session for this tenant."""

    code = "session_not_found"
    status = 404
    close_code = 4404


class SessionExists(ServerError):
    """The session id is taken."""

    code = "session_exists"
    status = 409
    close_code = 4409


class SessionBusy(ServerError):
    """Another client speaks on this session."""

    code = "session_busy"
    status = 409
    close_code = 4409
    retryable = True


class SessionTakenOver(SessionBusy):
    """A newer client speaks on this session: the older one must not take it back by itself."""

    code = "session_taken_over"
    retryable = False


class SessionClosed(ServerError):
    """The session has ended; no audio can be added."""

    code = "session_closed"
    status = 409
    close_code = 4410


class SessionUnfinished(ServerError):
    """The session has not finished yet."""

    code = "session_unfinished"
    status = 409
    retryable = True


class AudioMissing(ServerError):
    """The session's audio is no longer kept."""

    code = "audio_missing"
    status = 410


class SecondPassFailed(ServerError):
    """The second pass gave nothing."""

    code = "second_pass_failed"
    status = 503
    retryable = True


class ReplayRefused(ServerError):
    """The session cannot be heard again as it was."""

    code = "replay_refused"
    status = 409


class ServerBusy(ServerError):
    """No room for another session."""

    code = "server_busy"
    status = 503
    close_code = 1013
    retryable = True


class BadRequest(ServerError):
    """The request cannot be understood."""

    code = "bad_request"
    status = 400
    close_code = 4400


class MalformedMessage(BadRequest):
    """Not a message of the protocol."""

    code = "malformed_message"


class UnexpectedMessage(BadRequest):
    """A message of the protocol, at the wrong moment."""

    code = "unexpected_message"


class UnsupportedAudio(BadRequest):
    """Encoding, rate or channels out of range."""

    code = "unsupported_audio"


class MisalignedAudio(BadRequest):
    """Not a whole number of frames."""

    code = "misaligned_audio"


class AudioTooFast(BadRequest):
    """More audio at once than the session's buffer takes."""

    code = "audio_too_fast"
    retryable = True


class UnknownLanguage(BadRequest):
    """No such language, or not known to the loaded model."""

    code = "unknown_language"


class TranslationUnsupported(UnknownLanguage):
    """The loaded language model does not translate between these languages."""

    code = "translation_unsupported"


class StorageFailed(ServerError):
    """Disk full or database lost."""

    code = "storage_failed"
    status = 507
    retryable = True


class ModelNotLoaded(ServerError):
    """Weights are missing or still loading."""

    code = "model_not_loaded"
    status = 503
    close_code = 1013
    retryable = True
