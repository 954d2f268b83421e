"""What is said becomes searchable: segments as they close, whole sessions when they have ended.

The index follows the log and never holds it up. What a crash, an older version or another server
has left out is found by comparing the log's length with how far the index is, and made up for.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from greffier_server.core.corrections import shown
from greffier_server.core.events import (
    Corrected,
    DocumentAttached,
    DocumentDetached,
    MinutesTranslated,
    MinutesWritten,
    Recorded,
    SecondPassFinished,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.passages import Passage, passages_of
from greffier_server.core.records import MalformedRecord
from greffier_server.errors import ServerError, SessionNotFound
from greffier_server.pipeline.shelf import Shelf, Shelved
from greffier_server.storage.rows import Key
from greffier_server.storage.search import SqlSearch
from greffier_server.storage.usage import Counted, SqlUsage

__all__ = ["Indexer"]

_log = logging.getLogger(__name__)

_MOST_SESSIONS = 1_000
"""Followed live; of any more, the text is found once they have finished."""
_PAGE = 20
_REST_S = 600.0
"""A session that cannot be indexed is left alone for so long."""


@dataclass(slots=True)
class _Following:
    """A live session as far as it is not written to the index."""

    words: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    languages: dict[int, str] = field(default_factory=dict[int, str])
    translated: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])
    times: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    ready: list[Passage] = field(default_factory=list[Passage])

    def take(self, record: Recorded) -> None:
        match record.event:
            case SessionStarted(title=title) if title.strip():
                self.ready.append(Passage("title", 0, "", title))
            case SegmentOpened() as event:
                self.words[event.segment] = []
                self.languages[event.segment] = event.language
            case WordsCommitted() as event if event.segment in self.words:
                self.words[event.segment] += [word.text for word in event.words]
            case SegmentClosed() as event if event.segment in self.words:
                text = "".join(self.words.pop(event.segment)).strip()
                place = (event.start_ms, event.end_ms)
                language = self.languages.pop(event.segment)
                self.times[event.segment] = place
                if text:
                    self.ready.append(Passage("speech", event.segment, language, text, *place))
            case SegmentTranslated() as event:
                key = (event.segment, event.language)
                self.translated[key] = self.translated.get(key, "") + event.text
                if event.closed:
                    text = self.translated.pop(key).strip()
                    place = self.times.get(event.segment, (0, 0))
                    if text:
                        self.ready.append(
                            Passage("translation", event.segment, event.language, text, *place)
                        )
            case _:
                pass


class Indexer:
    """Keeps the search index and the figures of use up to date.

    Args:
        search: the index.
        usage: the figures.
        shelf: states of sessions.
        every_s: how long text waits to be written.
        look_s: how often sessions that are behind are looked for.
    """

    def __init__(
        self,
        search: SqlSearch,
        usage: SqlUsage,
        shelf: Shelf,
        *,
        every_s: float = 1.0,
        look_s: float = 60.0,
    ) -> None:
        self._search = search
        self._usage = usage
        self._shelf = shelf
        self._every_s = every_s
        self._look_s = look_s
        self._following: dict[Key, _Following] = {}
        self._whole: dict[Key, None] = {}
        self._failed: dict[Key, float] = {}
        self._noted = asyncio.Event()
        self._work = asyncio.Lock()

    def note(self, records: Sequence[Recorded]) -> None:
        """Take records that are stored; cheap, and never fails."""
        for record in records:
            key = (record.tenant, record.session)
            match record.event:
                case SessionFinished():
                    self._following.pop(key, None)
                    self._whole[key] = None
                case Corrected() | MinutesWritten() | SecondPassFinished():
                    self._whole[key] = None
                case DocumentAttached() | DocumentDetached() | MinutesTranslated():
                    pass  # also of finished sessions, which are no longer followed
                case _:
                    if key not in self._following:
                        if len(self._following) >= _MOST_SESSIONS or key in self._whole:
                            continue
                        self._following[key] = _Following()
                    self._following[key].take(record)
        self._noted.set()

    async def run(self) -> None:
        """Index until cancelled; a store that fails is tried again later."""
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            if loop.time() >= look_at:
                more = await self._guarded(self.catch_up())
                look_at = loop.time() + (0.0 if more else self._look_s)
            await self._guarded(self.run_once())
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, look_at - loop.time())):
                    await self._noted.wait()
            await asyncio.sleep(self._every_s)

    async def run_once(self) -> bool:
        """Write what was noted; whether there was anything.

        Raises:
            StorageFailed: what is left is written by the next call.
        """
        async with self._work:
            self._noted.clear()
            done = False
            for key, following in list(self._following.items()):
                ready, following.ready = following.ready, []
                if ready and key not in self._whole:
                    done = True
                    try:
                        await self._search.put(*key, ready)
                    except SessionNotFound:
                        self._following.pop(key, None)
                    except ServerError:
                        self._whole[key] = None
                        raise
            while self._whole:
                key = next(iter(self._whole))
                del self._whole[key]
                done = True
                await self._index(key)
            return done

    async def catch_up(self) -> bool:
        """Index some finished sessions that are behind; whether there were any.

        Raises:
            StorageFailed: the store cannot be read or written.
        """
        async with self._work:
            now_s = time.monotonic()
            self._failed = {key: at for key, at in self._failed.items() if now_s < at + _REST_S}
            rows = await self._search.behind(limit=_PAGE + len(self._failed))
            keys = [(row.tenant, row.session) for row in rows]
            due = [key for key in keys if key not in self._failed]
            for key in due:
                await self._index(key)
            return bool(due)

    async def _index(self, key: Key) -> None:
        """Index all of a session; one that cannot be read does not keep the others."""
        try:
            now = await self._shelf.state(*key)
            passages, counted = await asyncio.to_thread(_read, now)
            await self._search.replace(*key, passages)
            if now.row.state == "finished":
                await self._usage.count(now.row, now.state.seq, counted)
        except SessionNotFound:  # deleted meanwhile: so are its passages
            self._shelf.forget(*key)
        except (ServerError, MalformedRecord) as error:
            _log.warning("session %s cannot be indexed yet: %s", key[1], type(error).__name__)
            self._failed[key] = time.monotonic()

    async def _guarded(self, work: Awaitable[bool]) -> bool:
        try:
            return await work
        except (ServerError, MalformedRecord) as error:
            _log.warning("the search index waits for the store: %s", type(error).__name__)
            return False


def _read(now: Shelved) -> tuple[list[Passage], Counted]:
    seen = shown(now.state)
    spoken = [segment.text for segment in now.state.segments.values()]
    words = sum(len(text.split()) for text in spoken)
    duration_ms = now.state.ended.duration_ms if now.state.ended else now.row.duration_ms
    return passages_of(seen), Counted(duration_ms, words, len(now.state.corrections))
