"""Store, journal and ownership as the settings want them: one server, or one of several."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from greffier_server.settings import Settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.leases import Leases
from greffier_server.storage.objects import ObjectStore, Place, open_bucket
from greffier_server.storage.ownership import OnlyServer, Ownership
from greffier_server.storage.shared import SharedJournal
from greffier_server.storage.sole_use import SoleUse
from greffier_server.storage.sql import SqlStore

__all__ = ["Storage", "open_storage"]

_RENEWALS = 6
"""Of the lease before it runs out."""
_SLOWEST_RENEWAL_S = 1.0
"""A client that resumes elsewhere waits so long for the owner to hear of it."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where sessions are kept, and which of them are this server's."""

    store: SqlStore
    journal: AudioJournal
    ownership: Ownership
    renew_s: float | None
    """How often the lease is renewed; None = there is no other server."""


async def open_storage(settings: Settings, stack: AsyncExitStack) -> Storage:
    """Open what `settings` name; `stack` closes it.

    Raises:
        DirectoryInUse: another server has the data directory.
        SettingsInvalid: the settings cannot be used together.
        StorageFailed: the database, the directory or the object storage cannot be used.
    """
    use = await asyncio.to_thread(SoleUse.take, settings.data_dir)
    stack.callback(use.end)
    url = settings.database.get_secret_value()
    if not settings.on_postgresql:
        store = await SqlStore.open(url)
        stack.push_async_callback(store.close)
        disk = DiskJournal(settings.data_dir / "audio")
        stack.push_async_callback(disk.close)
        return Storage(store, disk, OnlyServer(store), None)
    holdings = Holdings(use.node)
    store = await SqlStore.open(url, holdings)
    stack.push_async_callback(store.close)
    leases = await Leases.open(
        url, holdings, lease_s=settings.shared.lease_s, portable=settings.shared.audio
    )
    stack.push_async_callback(leases.close)
    journal = await _journal(settings, holdings)
    stack.push_async_callback(journal.close)
    renew_s = min(settings.shared.lease_s / _RENEWALS, _SLOWEST_RENEWAL_S)
    return Storage(store, journal, leases, renew_s)


async def _journal(settings: Settings, holdings: Holdings) -> AudioJournal:
    if not settings.shared.audio:
        return DiskJournal(settings.data_dir / "audio")
    return await SharedJournal.open_at(
        settings.database.get_secret_value(),
        holdings,
        objects=await _objects(settings),
        prefix=settings.objects.prefix,
        segment_bytes=settings.objects.segment_bytes,
    )


async def _objects(settings: Settings) -> ObjectStore | None:
    wanted = settings.objects
    if wanted.url is None:
        return None
    place = Place(
        url=wanted.url,
        bucket=wanted.bucket,
        region=wanted.region,
        access_key=wanted.access_key,
        secret_key=wanted.secret_key.get_secret_value(),
        path_style=wanted.path_style,
    )
    bucket = await asyncio.to_thread(open_bucket, place)
    try:
        await asyncio.to_thread(bucket.check)
    except BaseException:
        bucket.close()
        raise
    return bucket
