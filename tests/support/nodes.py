"""One server's part of a shared database, without the server: store, leases and journal."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from greffier_server.storage.engines import engine_for
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.leases import Leases
from greffier_server.storage.objects import ObjectStore
from greffier_server.storage.shared import SharedJournal
from greffier_server.storage.space import Quota
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.texts import EncryptedTexts

__all__ = ["Node", "node"]


@dataclass(frozen=True)
class Node:
    """What a server holds."""

    holdings: Holdings
    store: SqlStore
    leases: Leases
    journal: SharedJournal


@asynccontextmanager
async def node(
    url: str,
    name: str,
    *,
    lease_s: float = 1.0,
    objects: ObjectStore | None = None,
    segment_bytes: int = 8 * 1024 * 1024,
    patience_s: float = 5.0,
    portable: bool = True,
    keys: KeyRing | None = None,
    compress: bool = False,
    quota: Quota = lambda _: None,
) -> AsyncGenerator[Node, None]:
    """Open a node; at the end it is closed as at a stop of the server. It ships when told to."""
    holdings = Holdings(name)
    async with AsyncExitStack() as stack:
        texts = None if keys is None else EncryptedTexts(keys)
        store = await SqlStore.open(url, holdings, texts=texts)
        stack.push_async_callback(store.close)
        leases = await Leases.open(url, holdings, lease_s=lease_s, portable=portable)
        stack.push_async_callback(leases.close)
        journal = SharedJournal(
            await engine_for(url),
            holdings,
            objects=objects,
            segment_bytes=segment_bytes,
            gather_s=0.001,
            patience_s=patience_s,
            keys=keys,
            compress=compress,
            quota=quota,
        )
        stack.push_async_callback(journal.close)
        yield Node(holdings, store, leases, journal)
