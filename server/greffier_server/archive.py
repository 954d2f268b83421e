"""What becomes of text once it is written: read, corrected, searched, counted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from greffier_server.core.events import Recorded
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.editing import Editor
from greffier_server.pipeline.indexing import Indexer
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.shelf import Shelf
from greffier_server.pulse import Pulse
from greffier_server.storage.search import SqlSearch
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.usage import SqlUsage

__all__ = ["Archive", "open_archive"]


@dataclass(frozen=True, slots=True)
class Archive:
    """The parts; whoever built them runs `indexer`."""

    shelf: Shelf
    editor: Editor
    indexer: Indexer
    search: SqlSearch
    usage: SqlUsage
    clock: Clock
    pulse: Pulse


def open_archive(
    store: SqlStore,
    *,
    sink: Callable[[Sequence[Recorded]], Awaitable[None]],
    clock: Clock,
    open_logs: Sequence[Callable[[str, str], EventLog | None]],
    pulse: Pulse,
) -> Archive:
    """Build the parts over a store.

    Args:
        store: sessions and events.
        sink: makes records durable.
        clock: wall clock.
        open_logs: each returns the log of a session while this process writes to it.
        pulse: load and lag; whoever built it runs it.
    """
    shelf = Shelf(store)
    search, usage = store.search(), store.usage()
    return Archive(
        shelf=shelf,
        editor=Editor(shelf, sink=sink, clock=clock, open_logs=open_logs),
        indexer=Indexer(search, usage, shelf),
        search=search,
        usage=usage,
        clock=clock,
        pulse=pulse,
    )
