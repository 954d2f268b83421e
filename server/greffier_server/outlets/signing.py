"""Signatures of webhooks: HMAC-SHA256 over the moment of sending and the body.

The header ``Greffier-Signature`` is ``t=<seconds since the epoch>,v1=<hexadecimal>``, with one
``v1`` for each secret; what is signed is ``<t>.<body>``. A receiver refuses what is older than the
replay window, so that a delivery that was overheard cannot be sent to it again later.
"""

import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["HEADER", "REPLAY_WINDOW_S", "sign", "verify"]

HEADER = "Greffier-Signature"
REPLAY_WINDOW_S = 300
"""What receivers should allow between the time that is signed and theirs."""


def sign(body: bytes, secrets: Sequence[str], *, now_s: int) -> str:
    """Return the header's value.

    Args:
        body: as it is sent.
        secrets: one signature for each.
        now_s: seconds since the epoch.
    """
    return ",".join([f"t={now_s}", *(f"v1={_digest(body, secret, now_s)}" for secret in secrets)])


def verify(
    body: bytes, header: str, secret: str, *, now_s: float, window_s: float = REPLAY_WINDOW_S
) -> bool:
    """Whether `header` is a signature of `body` with `secret`, of about now."""
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) < 16):
        return False
    signed_s = int(times[0])
    if abs(now_s - signed_s) > window_s:
        return False
    expected = _digest(body, secret, signed_s).encode()
    given = [value.encode() for name, _, value in parts if name.strip() == "v1"]
    return any(hmac.compare_digest(value, expected) for value in given)


def _digest(body: bytes, secret: str, now_s: int) -> str:
    return hmac.new(secret.encode(), f"{now_s}.".encode() + body, hashlib.sha256).hexdigest()
