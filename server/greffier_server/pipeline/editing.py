"""Where editors' corrections enter a session's log, while it is live and after it has finished."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from greffier.protocol import CorrectionTarget
from greffier_server.core.corrections import VERDICTS, present
from greffier_server.core.events import (
    Corrected,
    DocumentAttached,
    DocumentDetached,
    Event,
    MinutesTranslated,
    Recorded,
    WatchHandedOver,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.errors import BadRequest, ServerError, SessionBusy
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.hands import Hands
from greffier_server.pipeline.log import EventLog, LogClosed
from greffier_server.pipeline.shelf import Shelf, Shelved
from greffier_server.storage.failures import LogConflict
from greffier_server.storage.rows import Key

__all__ = ["WRITES", "Change", "CorrectionConflict", "Editor", "NothingThere", "one_line"]

WRITES = frozenset(
    {Corrected, WatchHandedOver, DocumentAttached, DocumentDetached, MinutesTranslated}
)
"""What people append to a log, and what is made at their request."""
_ATTEMPTS = 5
_ELSEWHERE_POLL_S = 2.0
"""How often the corrections of another server are looked for."""
_MAX_CHARS = 2_000
_MAX_NAME_CHARS = 80


class CorrectionConflict(ServerError):
    """Somebody else has changed the place meanwhile; `present` is what stands there."""

    code = "correction_conflict"
    status = 409
    retryable = True

    def __init__(self, present: str) -> None:
        super().__init__("The text has changed since you read it. Look at it and correct it again.")
        self.present = present


class NothingThere(ServerError):
    """The place of a correction is not one of the session's."""

    code = "nothing_there"
    status = 404


@dataclass(frozen=True, slots=True)
class Change:
    """A correction as an editor asks for it."""

    who: str
    target: CorrectionTarget
    old: str
    """What the editor saw there."""
    new: str


class Editor:
    """Checks corrections against what is shown, and appends them.

    Args:
        shelf: states of sessions.
        sink: makes records durable (that of the desk).
        clock: wall clock.
        open_logs: each returns the log of a session while this process writes to it.
    """

    def __init__(
        self,
        shelf: Shelf,
        *,
        sink: Callable[[Sequence[Recorded]], Awaitable[None]],
        clock: Clock,
        open_logs: Sequence[Callable[[str, str], EventLog | None]] = (),
    ) -> None:
        self._shelf = shelf
        self._sink = sink
        self._clock = clock
        self._open_logs = tuple(open_logs)
        self._hands = Hands()
        self._changed = asyncio.Event()

    async def correct(self, tenant: str, session: str, change: Change) -> Recorded:
        """Record a correction; return it once it is durable.

        Raises:
            SessionNotFound, StorageFailed.
            NothingThere: no such words, speaker, translation or sentence.
            CorrectionConflict: something else stands there than the editor saw.
            SessionBusy: the session is live at another server.
            BadRequest: the text is too long, or changes nothing.
        """
        new = one_line(change.new)
        who = _name(change.who)
        if len(new) > _MAX_CHARS:
            raise BadRequest(f"A correction has at most {_MAX_CHARS} characters.")
        if change.target.kind == "verdict" and new not in VERDICTS:
            raise BadRequest("A verdict is accepted, rejected or empty.")

        def made(now: Shelved) -> Corrected:
            there = present(now.state, change.target)
            if there is None:
                raise NothingThere("There is nothing at this place to correct.")
            target, text = there
            if one_line(text) != one_line(change.old):
                raise CorrectionConflict(text)
            if one_line(text) == new:
                raise BadRequest("The correction changes nothing.")
            return Corrected(who, target, text, new)

        return await self._record(tenant, session, made)

    async def hand_over(self, tenant: str, session: str, event: WatchHandedOver) -> Recorded:
        """Record the note of a watch.

        Raises:
            SessionNotFound, StorageFailed, SessionBusy: as in `correct`.
            BadRequest: names or times are missing, or the note is too long.
        """
        if event.to_at_ms < event.from_at_ms:
            raise BadRequest("A watch ends after it has begun.")
        if len(event.note) > 10 * _MAX_CHARS:
            raise BadRequest(f"A note has at most {10 * _MAX_CHARS} characters.")
        noted = WatchHandedOver(
            _name(event.who),
            _name(event.relieved_by),
            event.from_at_ms,
            event.to_at_ms,
            event.note.strip(),
        )
        return await self._record(tenant, session, lambda _now: noted)

    async def add(self, tenant: str, session: str, made: Callable[[Shelved], Event]) -> Recorded:
        """Record what `made` (called in a thread) makes of the session as it stands.

        Raises:
            SessionNotFound, StorageFailed, SessionBusy: as in `correct`; and what `made` raises.
        """
        return await self._record(tenant, session, made)

    async def edits(
        self, tenant: str, session: str, *, after: int = 0, wait_s: float = 0.0
    ) -> Sequence[Recorded]:
        """Return corrections and notes with seq > `after`; wait for one where there is none.

        Raises:
            SessionNotFound, StorageFailed.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        while True:
            changed = self._changed
            now = await self._shelf.state(tenant, session)
            found = [record for record in now.edits if record.seq > after]
            left_s = until - loop.time()
            if found or left_s <= 0:
                return found
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _ELSEWHERE_POLL_S)):
                    await changed.wait()

    async def _record(
        self, tenant: str, session: str, made: Callable[[Shelved], Event]
    ) -> Recorded:
        key = (tenant, session)
        async with self._hands.lock(key):
            for _ in range(_ATTEMPTS):
                with suppress(LogClosed, LogConflict):
                    recorded = await self._append(key, made)
                    changed, self._changed = self._changed, asyncio.Event()
                    changed.set()
                    return recorded
        raise SessionBusy("The session changes too fast; try again.")

    async def _append(self, key: Key, made: Callable[[Shelved], Event]) -> Recorded:
        now = await self._shelf.state(*key)
        event = await asyncio.to_thread(made, now)
        logs = [log for find in self._open_logs if (log := find(*key)) is not None]
        if logs:
            at = await logs[0].append(event)
            return logs[0].records[at - 1]
        if now.row.state != "finished":
            raise SessionBusy("The session is live at another server: correct it there, or later.")
        record = Recorded(
            tenant=key[0],
            session=key[1],
            seq=now.state.seq + 1,
            at_ms=self._clock.now_ms(),
            audio_from_ms=0,
            audio_to_ms=0,
            prev_hash=GENESIS if now.last is None else record_hash(now.last),
            engine="",
            event=event,
        )
        await self._sink([record])
        return record


def one_line(text: str) -> str:
    """Without line breaks, controls and lone surrogates: words are set in a line of text."""
    clean = "".join(char if char.isprintable() or char.isspace() else "" for char in text)
    return " ".join(clean.split())


def _name(text: str) -> str:
    name = one_line(text)
    if not name or len(name) > _MAX_NAME_CHARS:
        raise BadRequest(f"Say who you are, in at most {_MAX_NAME_CHARS} characters.")
    return name
