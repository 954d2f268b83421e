"""Lets a DTLS handshake succeed with clients whose certificate is of an RSA key.

aiortc offers only what goes with ECDSA. As the server of DTLS (we answer ``setup:active``, RFC 8842
§5.3) GStreamer's webrtcbin shows a certificate of RSA and finds no cipher in common then.
"""

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection
    from OpenSSL.SSL import Context

__all__ = ["take_rsa"]

_CIPHERS: Final = b":".join(
    (
        b"ECDHE-ECDSA-AES128-GCM-SHA256",  # the one that all must have (RFC 8827 §6.5)
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
        b"ECDHE-RSA-AES128-GCM-SHA256",
        b"ECDHE-RSA-CHACHA20-POLY1305",
        b"ECDHE-ECDSA-AES128-SHA",
        b"ECDHE-ECDSA-AES256-SHA",
    )
)
"""aiortc's, and those of RSA that authenticate what they encrypt."""


def take_rsa(connection: "RTCPeerConnection") -> None:
    """Offer ciphers for RSA too; nothing is gathered yet.

    The client stays who its fingerprint says, whatever its key.
    """
    for certificate in cast("list[Any]", vars(connection)["_RTCPeerConnection__certificates"]):
        create = certificate._create_ssl_context

        def created(srtp_profiles: list[Any], create: Any = create) -> "Context":
            context = cast("Context", create(srtp_profiles))
            context.set_cipher_list(_CIPHERS)
            return context

        certificate._create_ssl_context = created
