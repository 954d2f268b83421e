"""The states of sessions that were read lately, brought up to date instead of folded anew."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from greffier_server.core.events import Corrected, Recorded, WatchHandedOver
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import SessionNotFound
from greffier_server.storage.rows import Key
from greffier_server.storage.store import SessionRow, SessionStore

__all__ = ["Shelf", "Shelved"]

_PAGE = 2_000
"""Records folded at a time; others run in between."""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A session at the last event that is stored."""

    row: SessionRow
    state: SessionState
    edits: tuple[Recorded, ...] = ()
    """Corrections and notes of watches, with who made them and when."""
    last: Recorded | None = None


@dataclass(slots=True)
class _Place:
    shelved: Shelved
    used_s: float
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shelf:
    """Folds logs, and remembers the result for a while.

    Args:
        store: where the events are.
        places: most sessions remembered (one of four hours takes some 20 MB).
        kept_s: one that nobody asked for so long is forgotten at the next request.
    """

    def __init__(self, store: SessionStore, *, places: int = 6, kept_s: float = 120.0) -> None:
        self._store = store
        self._size = places
        self._kept_s = kept_s
        self._places: OrderedDict[Key, _Place] = OrderedDict()

    async def state(self, tenant: str, session: str) -> Shelved:
        """Return the session as it stands now.

        Raises:
            SessionNotFound: there is none, or no longer.
            StorageFailed: it cannot be read.
        """
        row = await self._store.get(tenant, session)
        key = (tenant, session)
        if row is None:
            self._places.pop(key, None)
            raise SessionNotFound("There is no such session.")
        place = self._take(key, row)
        async with place.reading:
            known = place.shelved
            if known.state.seq < row.last_seq:
                known = await self._read_on(known)
            place.shelved = known = Shelved(row, known.state, known.edits, known.last)
        return known

    def forget(self, tenant: str, session: str) -> None:
        """Nothing of it is to be kept in memory."""
        self._places.pop((tenant, session), None)

    def _take(self, key: Key, row: SessionRow) -> _Place:
        now_s = time.monotonic()
        for old in [k for k, place in self._places.items() if now_s - place.used_s > self._kept_s]:
            del self._places[old]
        place = self._places.get(key)
        if place is None or place.shelved.row.created_at_ms != row.created_at_ms:
            place = self._places[key] = _Place(Shelved(row, SessionState()), now_s)
        place.used_s = now_s
        self._places.move_to_end(key)
        while len(self._places) > self._size:
            self._places.popitem(last=False)
        return place

    async def _read_on(self, known: Shelved) -> Shelved:
        row, state, edits, last = known.row, known.state, list(known.edits), known.last
        fresh: list[Recorded] = []
        async for record in self._store.events(row.tenant, row.session, after=state.seq):
            fresh.append(record)
            if isinstance(record.event, Corrected | WatchHandedOver):
                edits.append(record)
            last = record
            if len(fresh) == _PAGE:
                state = await asyncio.to_thread(fold, fresh, state)
                fresh = []
        if fresh:
            state = await asyncio.to_thread(fold, fresh, state)
        return Shelved(row, state, tuple(edits), last)
