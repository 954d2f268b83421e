"""A sink of events that waits for a full disk or a lost database instead of failing."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from greffier_server.core.events import Recorded
from greffier_server.errors import StorageFailed
from greffier_server.pipeline.log import Sink
from greffier_server.storage.failures import LogConflict

__all__ = ["patient"]

_log = logging.getLogger(__name__)

_RETRY_S = 2.0


def patient(sink: Sink, *, stopping: Callable[[], bool]) -> Sink:
    """Return a sink that tries again until `sink` takes the records, or the server stops.

    A full disk or a lost database holds the session up; it does not end it.
    """

    async def store(records: Sequence[Recorded]) -> None:
        while True:
            try:
                await sink(records)
            except StorageFailed as error:
                if stopping() or isinstance(error, LogConflict):
                    raise
                _log.warning("events cannot be stored; trying again in %s s", _RETRY_S)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    return store
