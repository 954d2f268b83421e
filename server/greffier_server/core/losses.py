"""What was lost of a session's audio, as its readers are told; the log keeps each gap."""

from greffier.losses import Loss, joined
from greffier_server.core.state import SessionState

__all__ = ["losses"]


def losses(state: SessionState) -> list[Loss[int]]:
    """Return the session's gaps, short ones joined (see `greffier.losses`), with their channels."""
    return joined((gap.from_ms, gap.to_ms, gap.cause, gap.channel) for gap in state.gaps)
