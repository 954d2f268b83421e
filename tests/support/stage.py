"""The served application in a thread of its own, for browsers; what is said is up to a test."""

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from greffier.protocol import Start
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    TailRevised,
    WordsCommitted,
)
from greffier_server.settings import Settings
from tests.support.archived import loose_archive
from tests.support.fake_desk import FakeSession
from tests.support.served import Served, served

__all__ = ["Scene", "Stage", "stage"]

T = TypeVar("T")

_TIMEOUT_S = 30


@dataclass
class Scene:
    """A session in which one segment follows another."""

    stage: "Stage"
    session: FakeSession
    segment: int = 0
    at_ms: int = 0

    @property
    def id(self) -> str:
        return self.session.id

    def append(self, *events: Event) -> None:
        """Append events; they are with the viewers soon after."""
        self.stage.call(self.session.log.append(*events))

    def tail(self, text: str, *, language: str = "fr", speaker: str | None = None) -> None:
        """What is perhaps being said, in the segment to come."""
        end_ms = self.at_ms + 500
        self.append(
            TailRevised(
                self.segment + 1, text, self.at_ms, end_ms, language=language, speaker=speaker
            )
        )

    def say(
        self,
        text: str,
        *,
        language: str = "fr",
        speaker: str | None = None,
        close: bool = True,
        lag_ms: int = 800,
        **translations: str,
    ) -> int:
        """Say a segment for good, with its translations; return its number."""
        self.segment += 1
        start_ms = self.at_ms
        words: list[Word] = []
        for word in text.split():
            words.append(Word(f" {word}", self.at_ms, self.at_ms + 300, 0.9))
            self.at_ms += 350
        events: list[Event] = [
            SegmentOpened(self.segment, start_ms, language, speaker=speaker),
            WordsCommitted(self.segment, tuple(words), lag_ms=lag_ms),
        ]
        if close:
            events.append(SegmentClosed(self.segment, start_ms, self.at_ms))
        events += [
            SegmentTranslated(self.segment, code, translated, closed=True)
            for code, translated in translations.items()
        ]
        self.append(*events)
        return self.segment

    def finish(self) -> None:
        self.stage.call(self.session.finish())


@dataclass
class Stage:
    """A running server, and the loop it runs in."""

    server: Served
    loop: asyncio.AbstractEventLoop = field(repr=False)

    @property
    def url(self) -> str:
        return self.server.http

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_TIMEOUT_S)

    def open(self, title: str = "", *translate_to: str, tenant: str = "default") -> Scene:
        """Open a session."""
        start = Start(title=title, translate_to=translate_to, language="fr")
        session, _ = self.call(self.server.desk.open(tenant, start))
        return Scene(self, session)


@contextmanager
def stage(settings: Settings | None = None) -> Generator[Stage, None, None]:
    """Serve until the block ends."""
    ready = threading.Event()
    held: list[Stage] = []
    ends: list[asyncio.Event] = []

    async def run() -> None:
        async with served(settings, archived=loose_archive) as server:
            ends.append(asyncio.Event())
            held.append(Stage(server, asyncio.get_running_loop()))
            ready.set()
            await ends[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="stage", daemon=True)
    thread.start()
    assert ready.wait(_TIMEOUT_S)
    try:
        yield held[0]
    finally:
        held[0].loop.call_soon_threadsafe(ends[0].set)
        thread.join(_TIMEOUT_S)
