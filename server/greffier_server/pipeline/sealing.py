"""Marking a session's audio as complete."""

import asyncio
import logging

from greffier_server.errors import StorageFailed
from greffier_server.storage.journal import SessionJournal

__all__ = ["seal"]

_log = logging.getLogger(__name__)

_ATTEMPTS = 30
_RETRY_S = 2.0


async def seal(journal: SessionJournal, session: str) -> None:
    """Mark the audio as complete; it is durable already, so this may fail."""
    for _ in range(_ATTEMPTS):
        try:
            await journal.seal()
        except StorageFailed:
            await asyncio.sleep(_RETRY_S)
        else:
            return
    _log.warning("the audio of session %s could not be marked as complete", session)
