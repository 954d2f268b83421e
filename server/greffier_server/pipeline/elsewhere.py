"""Sessions that another server has: asking for one, and following one from afar."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from greffier_server.core.events import Recorded, SessionFinished
from greffier_server.errors import SessionBusy, SessionNotFound
from greffier_server.pipeline.hands import Hands
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.failures import SessionMoved
from greffier_server.storage.ownership import Ownership
from greffier_server.storage.rows import Key
from greffier_server.storage.store import SessionStore

__all__ = ["claim_from_owner", "follow"]

_TAIL_POLL_S = 0.3
"""How often the events of a session at another server are looked for."""
_CLAIM_POLL_S = 0.2
_RELUCTANCE_S = 3.0
"""Beyond its lease, how long an owner is waited for: it may be about to let go."""


async def claim_from_owner(
    key: Key,
    *,
    ownership: Ownership,
    store: SessionStore,
    hands: Hands,
    is_live: Callable[[], bool],
) -> bool:
    """Ask the owner to let go, and wait for that, the session's end, or that of the lease.

    Args:
        key: tenant and session.
        ownership: of this server.
        store: says whether the session goes on.
        hands: locks out others of this process.
        is_live: whether the session has come to this process meanwhile.
    """
    over = time.monotonic() + ownership.wait_s + _RELUCTANCE_S
    asked = False
    while True:
        async with hands.lock(key):
            if is_live() or await ownership.claim(*key):
                return True
        if not asked:
            await ownership.ask(*key)
            asked = True
        await asyncio.sleep(_CLAIM_POLL_S)
        now = await store.get(*key)
        if now is None or now.state == "finished" or time.monotonic() > over:
            return False


async def follow(
    key: Key,
    *,
    after: int,
    store: SessionStore,
    live_log: Callable[[], EventLog | None],
    goes_on: Callable[[], bool],
) -> AsyncIterator[Recorded]:
    """Events of a session from seq > `after` to its end, wherever it lives and moves.

    Of a session at another server: the durable ones, a moment later.

    Args:
        key: tenant and session.
        after: last event already seen.
        store: what every server can read.
        live_log: the session's log while it lives in this process.
        goes_on: whether more may come when what there is has been read.

    Raises:
        SessionNotFound: there is no such session.
    """
    seen, finished = after, False
    while True:
        log = live_log()
        if log is not None:
            records = log.follow(after=seen)
        else:
            row = await store.get(*key)
            if row is None and seen == after:
                raise SessionNotFound("There is no such session.")
            if row is None:
                return
            records = store.events(*key, after=seen)
            finished = row.state == "finished"
        try:
            async for record in records:
                seen = max(seen, record.seq)
                finished = finished or isinstance(record.event, SessionFinished)
                yield record
        except (SessionMoved, SessionBusy):  # it goes on at another server
            if log is None:
                raise
        if finished or not goes_on():
            return
        await asyncio.sleep(_TAIL_POLL_S)
