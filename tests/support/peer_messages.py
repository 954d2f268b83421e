"""Messages and audio of client tests against a scripted `Peer`."""

from collections.abc import AsyncIterable

from greffier.backoff import RetryPolicy
from greffier.protocol import Caption, ServerMessage

__all__ = ["SECOND", "SOON", "caption", "events_of", "numbered_audio"]

SECOND = 32_000
"""Bytes."""
SOON = RetryPolicy(attempts=5, first_s=0.001)


def caption(seq: int, text: str = "word", **others: object) -> Caption:
    """A caption of one committed word."""
    fields: dict[str, object] = {"segment": seq, "start_ms": 0, "end_ms": 10, "tail": ""}
    return Caption(**{"seq": seq, "committed": text, **fields, **others})  # type: ignore[arg-type]


def numbered_audio(seconds: float) -> bytes:
    """Audio of which every four bytes tell their place."""
    size = int(seconds * SECOND)
    return b"".join(index.to_bytes(4, "big") for index in range(size // 4))


async def events_of(session: AsyncIterable[ServerMessage]) -> list[ServerMessage]:
    """All messages of a session to its end."""
    return [message async for message in session]
