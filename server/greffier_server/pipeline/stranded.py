"""Sessions that could not go on, tried again at growing intervals until they do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from greffier_server.core.records import MalformedRecord
from greffier_server.errors import ServerError
from greffier_server.storage.rows import Key

__all__ = ["Stranded"]

_log = logging.getLogger(__name__)

_RETURN_S = 5.0
_LONGEST_RETURN_S = 300.0


class Stranded:
    """The sessions, and the task that tries them while there are any.

    Args:
        bring_back: goes on with a session, or raises what it raised before.
    """

    def __init__(self, bring_back: Callable[[Key], Awaitable[None]]) -> None:
        self._bring_back = bring_back
        self._keys: set[Key] = set()
        self._returning: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, key: Key) -> None:
        """Try the session again later."""
        self._keys.add(key)
        if self._returning is None and not self._closed:
            self._returning = asyncio.create_task(self._return(), name="stranded")

    async def close(self) -> None:
        """Try none again."""
        self._closed = True
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)

    async def _return(self) -> None:
        delay_s = _RETURN_S
        while self._keys:
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_RETURN_S)
            for key in sorted(self._keys):
                try:
                    await self._bring_back(key)
                except (ServerError, MalformedRecord) as error:
                    _log.warning("session %s cannot go on yet: %s", key[1], error)
                else:
                    self._keys.discard(key)
        self._returning = None
