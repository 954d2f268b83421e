"""The sweep that packs closed segments, one after the other, at the lowest priority."""

import asyncio
import logging

from greffier_server.errors import ServerError
from greffier_server.storage.disk import DiskJournal

__all__ = ["Compaction"]

_log = logging.getLogger(__name__)


class Compaction:
    """Packs what was closed since the last sweep; the first one finds what earlier runs left.

    Args:
        journal: the audio.
        every_s: between two sweeps.
    """

    def __init__(self, journal: DiskJournal, *, every_s: float = 60.0) -> None:
        self._journal = journal
        self._every_s = every_s

    async def run(self) -> None:
        """Sweep until cancelled; what fails is tried again by the next sweep."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.run_once()
            except ServerError as error:
                _log.warning("packing waits for the disk: %s", error.code)

    async def run_once(self) -> int:
        """Pack all there is; return how many segments. What cannot be packed does not stop others.

        Raises:
            StorageFailed: the disk cannot be read.
        """
        count = 0
        for tenant, session in await self._journal.unpacked():
            try:
                count += await self._journal.pack(tenant, session)
            except ServerError as error:
                _log.warning("the audio of session %s is not packed: %s", session, error.code)
        return count
