"""What WHIP refuses.

* BadRequest
    * MalformedOffer: not an offer for a bundled WebRTC connection
    * UnsupportedOffer: an offer without anything the server takes
    * NotAnOffer: another kind of body
    * ConditionMissing, ConditionFailed: ``If-Match`` is not that of the connection
    * OtherTracks: a resumed session has another number of channels
* PublicationNotFound: no such WHIP resource
* WebRtcMissing: the server has no WebRTC
"""

from greffier_server.errors import BadRequest, ServerError

__all__ = [
    "ConditionFailed",
    "ConditionMissing",
    "MalformedOffer",
    "NotAnOffer",
    "OtherTracks",
    "PublicationNotFound",
    "UnsupportedOffer",
    "WebRtcMissing",
]


class MalformedOffer(BadRequest):
    """Not SDP, or not of a WebRTC connection."""

    code = "malformed_offer"


class UnsupportedOffer(BadRequest):
    """Nothing in it that the server takes."""

    code = "unsupported_offer"
    status = 422


class NotAnOffer(BadRequest):
    """The body has another media type."""

    code = "unsupported_media_type"
    status = 415


class ConditionMissing(BadRequest):
    """A change must say which ICE session it is for (RFC 9725 §4.3.1)."""

    code = "if_match_missing"
    status = 428


class ConditionFailed(BadRequest):
    """The ICE session was restarted in the meantime."""

    code = "if_match_failed"
    status = 412


class OtherTracks(BadRequest):
    """A session goes on with the tracks that it began with."""

    code = "other_tracks"
    status = 422


class PublicationNotFound(ServerError):
    """No such resource, or it has ended."""

    code = "publication_not_found"
    status = 404


class WebRtcMissing(ServerError):
    """The packages of the extra are not installed, or the way in is closed."""

    code = "no_webrtc"
    status = 501
