"""Store, journal and ownership as the settings want them: one server, or one of several."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from greffier_server.key_ring import check_keys, keys_are_shared, open_key_ring
from greffier_server.settings import Settings
from greffier_server.storage.database_shelf import DatabaseShelf
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.key_shelf import FolderShelf, KeyShelf
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.leases import Leases
from greffier_server.storage.objects import ObjectStore, Place, open_bucket
from greffier_server.storage.ownership import OnlyServer, Ownership
from greffier_server.storage.shared import SharedJournal
from greffier_server.storage.sole_use import take_in_time
from greffier_server.storage.space import Quota, Space, quota_of
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.texts import EncryptedTexts

__all__ = ["Storage", "open_storage", "open_to_read", "place_of"]

_RENEWALS = 6
"""Of the lease before it runs out."""
_SLOWEST_RENEWAL_S = 1.0
"""A client that resumes elsewhere waits so long for the owner to hear of it."""

_READER = "reader"
"""Owns nothing."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where sessions are kept, and which of them are this server's."""

    store: SqlStore
    journal: AudioJournal
    ownership: Ownership
    renew_s: float | None
    """How often the lease is renewed; None = there is no other server."""
    disk: DiskJournal | None
    """The journal, where it is on local disk."""
    shared: SharedJournal | None
    """The same, where servers share it."""
    node: str
    """This server's name among those that share the database."""

    @property
    def space(self) -> Space | None:
        """What the audio takes."""
        if self.shared is not None:
            return self.shared.space
        return None if self.disk is None else self.disk.space


async def open_storage(
    settings: Settings, stack: AsyncExitStack, *, wait_s: float = 0.0
) -> Storage:
    """Open what `settings` name; `stack` closes it.

    Args:
        settings: of the server.
        stack: closes what is opened.
        wait_s: a server that is stopping has this long to leave the data directory.

    Raises:
        DirectoryInUse: another server has the data directory.
        SettingsInvalid: the settings cannot be used together.
        StorageFailed: the database, the directory or the object storage cannot be used.
    """
    use = await take_in_time(settings.data_dir, wait_s=wait_s)
    stack.callback(use.end)
    url = settings.database.get_secret_value()
    keys = await _keys(settings, stack)
    texts = None if keys is None else EncryptedTexts(keys)
    holdings = Holdings(use.node) if settings.on_postgresql else None
    store = await SqlStore.open(url, holdings, texts=texts)
    stack.push_async_callback(store.close)
    if keys is not None:
        await asyncio.to_thread(check_keys, settings, keys)
    if holdings is None:
        disk = await _disk(settings, stack, keys)
        return Storage(store, disk, OnlyServer(store), None, disk, None, use.node)
    leases = await Leases.open(
        url, holdings, lease_s=settings.shared.lease_s, portable=settings.shared.audio
    )
    stack.push_async_callback(leases.close)
    renew_s = min(settings.shared.lease_s / _RENEWALS, _SLOWEST_RENEWAL_S)
    if not settings.shared.audio:
        disk = await _disk(settings, stack, keys)
        return Storage(store, disk, leases, renew_s, disk, None, use.node)
    journal = await _shared(settings, holdings, keys)
    stack.push_async_callback(journal.close)
    await journal.space.survey()
    return Storage(store, journal, leases, renew_s, None, journal, use.node)


async def open_to_read(settings: Settings, stack: AsyncExitStack) -> tuple[SqlStore, AudioJournal]:
    """Open what `settings` name to read finished sessions, beside a server that may be running.

    Raises:
        SettingsInvalid, StorageFailed: as `open_storage`.
    """
    keys = await _keys(settings, stack)
    texts = None if keys is None else EncryptedTexts(keys)
    store = await SqlStore.open(settings.database.get_secret_value(), texts=texts)
    stack.push_async_callback(store.close)
    if keys is not None:
        await asyncio.to_thread(check_keys, settings, keys)
    if settings.on_postgresql and settings.shared.audio:
        shared = await _shared(settings, Holdings(_READER), keys)
        stack.push_async_callback(shared.close)
        return store, shared
    journal = DiskJournal(settings.data_dir / "audio", keys=keys, read_only=True)
    stack.push_async_callback(journal.close)
    return store, journal


async def _keys(settings: Settings, stack: AsyncExitStack) -> KeyRing | None:
    """Open the keys without asking for one: the database may have to be brought up to date."""
    shelf: KeyShelf = FolderShelf(settings.keys_path)
    if keys_are_shared(settings):
        shelf = shared = DatabaseShelf(settings.database.get_secret_value())
        stack.push_async_callback(asyncio.to_thread, shared.close)
    return await asyncio.to_thread(open_key_ring, settings, shelf)


def _quota(settings: Settings) -> Quota:
    return quota_of(settings.storage.quota_bytes, settings.storage.named_quota_bytes)


async def _disk(settings: Settings, stack: AsyncExitStack, keys: KeyRing | None) -> DiskJournal:
    disk = DiskJournal(settings.data_dir / "audio", keys=keys, quota=_quota(settings))
    stack.push_async_callback(disk.close)
    await disk.take_stock()
    return disk


async def _shared(settings: Settings, holdings: Holdings, keys: KeyRing | None) -> SharedJournal:
    return await SharedJournal.open_at(
        settings.database.get_secret_value(),
        holdings,
        objects=await _objects(settings),
        prefix=settings.objects.prefix,
        segment_bytes=settings.objects.segment_bytes,
        keys=keys,
        compress=settings.storage.compress,
        quota=_quota(settings),
    )


def place_of(settings: Settings) -> Place | None:
    """Where the object storage of these settings is; None = there is none."""
    wanted = settings.objects
    if wanted.url is None:
        return None
    return Place(
        url=wanted.url,
        bucket=wanted.bucket,
        region=wanted.region,
        access_key=wanted.access_key,
        secret_key=wanted.secret_key.get_secret_value(),
        path_style=wanted.path_style,
    )


async def _objects(settings: Settings) -> ObjectStore | None:
    place = place_of(settings)
    if place is None:
        return None
    bucket = await asyncio.to_thread(open_bucket, place)
    try:
        await asyncio.to_thread(bucket.check)
    except BaseException:
        bucket.close()
        raise
    return bucket
