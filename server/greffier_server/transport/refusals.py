"""Errors that only a transport can meet.

* ServerError
    * OriginRefused: a page of another site
    * HostRefused: a name that is not this server's (DNS rebinding)
    * LinkInvalid: a viewer link that does not exist, has run out, or was revoked
    * ServerStopping (retryable): shutting down; the session is kept and can be resumed
    * NotTranslated: the session has no translation into that language
    * NoMinutes: the session has none, or none yet
    * NoAudio: the session has no recording, or none of that stretch
    * NoSecondPass: the session has none, or none yet
    * NoSecondReader: this server makes none
    * NoSigningKey: this server signs nothing
    * NoOutlets: this server tells nobody of sessions
    * NoSegmentYet (retryable): a segment of a live track is not complete
    * BadRequest
        * UnsupportedSubprotocol: ``greffier.v1`` was not offered
        * UnknownMessageType: a message of a newer protocol; the connection goes on
        * FrameTooLarge: a message above the limit
        * StartTimeout (retryable): no first message in time
        * IdleTimeout (retryable): no audio for too long
        * TooManyErrors: the client does not mend its ways
        * TooManyFrames (retryable): a flood of frames that carry nothing
        * TooManyGuesses (retryable): wrong tokens, one after another
"""

from greffier_server.errors import BadRequest, ServerError

__all__ = [
    "FrameTooLarge",
    "HostRefused",
    "IdleTimeout",
    "LinkInvalid",
    "NoAudio",
    "NoMinutes",
    "NoOutlets",
    "NoSecondPass",
    "NoSecondReader",
    "NoSegmentYet",
    "NoSigningKey",
    "NotTranslated",
    "OriginRefused",
    "ServerStopping",
    "StartTimeout",
    "TooManyErrors",
    "TooManyFrames",
    "TooManyGuesses",
    "UnknownMessageType",
    "UnsupportedSubprotocol",
]


class OriginRefused(ServerError):
    """A browser page of another site asked."""

    code = "origin_refused"
    status = 403
    close_code = 4403


class HostRefused(ServerError):
    """The request names a host that is not this server."""

    code = "host_refused"
    status = 421
    close_code = 4403


class LinkInvalid(ServerError):
    """The viewer link does not exist, has run out, was revoked, or does not reach so far."""

    code = "link_invalid"
    status = 403
    close_code = 4403


class ServerStopping(ServerError):
    """The server is shutting down; what is durable is kept."""

    code = "server_stopping"
    status = 503
    close_code = 1012
    retryable = True


class NotTranslated(ServerError):
    """The session has no translation into this language."""

    code = "not_translated"
    status = 404


class NoAudio(ServerError):
    """The session has no recording, or none of that stretch."""

    code = "no_audio"
    status = 404


class NoMinutes(ServerError):
    """The session has no minutes, or none yet."""

    code = "no_minutes"
    status = 404


class NoSecondPass(ServerError):
    """The session was not read a second time, or not yet."""

    code = "no_second_pass"
    status = 404


class NoSecondReader(ServerError):
    """This server makes no second passes."""

    code = "no_second_reader"
    status = 501


class NoOutlets(ServerError):
    """No webhook and no broker is configured."""

    code = "no_outlets"
    status = 501


class NoSegmentYet(ServerError):
    """A player was faster than the session."""

    code = "no_segment_yet"
    status = 404
    retryable = True


class NoSigningKey(ServerError):
    """This server signs nothing, so it makes no bundles."""

    code = "no_signing_key"
    status = 501


class UnsupportedSubprotocol(BadRequest):
    """The subprotocol was not offered."""

    code = "unsupported_subprotocol"


class UnknownMessageType(BadRequest):
    """A type this server does not know."""

    code = "unknown_message"


class FrameTooLarge(BadRequest):
    """A message is above the limit."""

    code = "frame_too_large"
    status = 413
    close_code = 1009


class StartTimeout(BadRequest):
    """No first message came in time."""

    code = "start_timeout"
    status = 408
    close_code = 4408
    retryable = True


class IdleTimeout(BadRequest):
    """No audio came for too long."""

    code = "idle_timeout"
    status = 408
    close_code = 4408
    retryable = True


class TooManyErrors(BadRequest):
    """The client repeats messages that cannot be used."""

    code = "too_many_errors"


class TooManyFrames(BadRequest):
    """Many more frames than any audio needs."""

    code = "too_many_frames"
    status = 429
    close_code = 4429
    retryable = True


class TooManyGuesses(BadRequest):
    """Wrong tokens for one session, one after another."""

    code = "too_many_guesses"
    status = 429
    close_code = 4429
    retryable = True
