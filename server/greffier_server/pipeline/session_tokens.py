"""The ids of sessions, and the tokens with which their clients come back."""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from greffier_server.errors import AuthenticationFailed

__all__ = ["check_token", "hash_token", "new_session_id", "new_token"]


def new_session_id(now_ms: int) -> str:
    """Return an id, sortable by time and unguessable enough to be unique."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{secrets.token_hex(4)}"


def new_token() -> str:
    """Return a token for one session."""
    return secrets.token_urlsafe(24)


def hash_token(token: str) -> str:
    """Return the only form in which a session's token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_token(token: str, token_hash: str) -> None:
    """Compare in constant time. Raises AuthenticationFailed."""
    if not hmac.compare_digest(hash_token(token), token_hash):
        raise AuthenticationFailed("The session's token is wrong.")
