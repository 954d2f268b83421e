"""Where sessions are opened, found, resumed and ended; it owns their tasks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from greffier.protocol import Resume, Start
from greffier_server.core.admission import Room, refusal
from greffier_server.core.audio import check_format
from greffier_server.core.channels import check_speakers
from greffier_server.core.events import Recorded, SessionStarted
from greffier_server.core.glossary import merged
from greffier_server.core.records import MalformedRecord
from greffier_server.core.state import fold
from greffier_server.errors import (
    ServerBusy,
    ServerError,
    SessionBusy,
    SessionClosed,
    SessionNotFound,
    SessionTakenOver,
    StorageFailed,
    UnexpectedMessage,
)
from greffier_server.pipeline import elsewhere
from greffier_server.pipeline.building import Engines, SessionBuilder, SessionSettings
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.hands import Hands
from greffier_server.pipeline.live_sessions import LiveSession, occupancy
from greffier_server.pipeline.log import EventLog, Sink
from greffier_server.pipeline.opening import check_languages, first_event, first_row
from greffier_server.pipeline.patient_sink import patient
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.pipeline.session import Session
from greffier_server.pipeline.session_tokens import (
    check_token,
    hash_token,
    new_session_id,
    new_token,
)
from greffier_server.pipeline.stranded import Stranded
from greffier_server.pipeline.takeover import Takeover
from greffier_server.storage.failures import SessionMoved, moved
from greffier_server.storage.glossaries import Glossaries, MemoryGlossaries
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.ownership import OnlyServer, Ownership
from greffier_server.storage.rows import Key
from greffier_server.storage.store import SessionRow, SessionStore

__all__ = ["Desk", "DeskSettings"]

_log = logging.getLogger(__name__)

_MAX_SKIP_S = 3_600
_REST_S = 30.0
"""A session that could not go on is not taken again for so long."""
_LOOKED_AT = 100
"""Sessions that nobody has, of which a few are taken: some may rest, or be left to others."""


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Bounds of the whole server."""

    sessions: SessionSettings = field(default_factory=SessionSettings)
    max_sessions: int = 16
    """Live streams at once (see `core.admission`)."""
    retention_ms: int | None = None
    """Finished sessions are deleted this long after they were opened; None = never."""


class Desk:
    """The sessions of one process.

    Args:
        store: sessions and events.
        sink: makes records durable (a writer over the store).
        journal: audio.
        engines: shared models.
        clock: wall clock.
        settings: bounds.
        on_commit: told the lag of each committed batch of words.
        ownership: which sessions are this server's; all, when absent.
        glossaries: terms of tenants, which their sessions are opened with.
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        sink: Sink,
        journal: AudioJournal,
        engines: Engines,
        clock: Clock,
        settings: DeskSettings | None = None,
        on_commit: Callable[[int], None] = lambda lag_ms: None,
        ownership: Ownership | None = None,
        glossaries: Glossaries | None = None,
    ) -> None:
        self._store = store
        self._glossaries = glossaries or MemoryGlossaries()
        self._ownership = ownership or OnlyServer(store)
        self._sink = sink
        self._patient_sink = patient(sink, stopping=lambda: self._closed)
        self._journal = journal
        self._engines = engines
        self._clock = clock
        self._settings = settings or DeskSettings()
        self._builder = SessionBuilder(
            journal=journal, engines=engines, settings=self._settings.sessions, on_commit=on_commit
        )
        self._live: dict[tuple[str, str], LiveSession] = {}
        self._hands = Hands()
        self._opening = 0
        self._closed = False
        self._stranded = Stranded(self._bring_back)
        self._takeover = Takeover(
            self._ownership,
            is_full=lambda: self._refusal() is not None,
            clock=lambda: asyncio.get_running_loop().time(),
        )

    @property
    def live_count(self) -> int:
        """Sessions with input or work left."""
        return len(self._live)

    async def open(self, tenant: str, start: Start) -> tuple[SpeakingSession, str]:
        """Begin a session; return it and its resume token (see `SessionDesk.open`)."""
        check_format(start.format)
        check_speakers(start)
        translated = frozenset[str]()
        if self._engines.generator is not None:
            translated = self._settings.sessions.translating.languages
        check_languages(start, self._engines.recognizer.languages, translated)
        if self._closed:
            raise ServerBusy("The server is stopping; try again in a moment.")
        self._check_room()
        self._opening += 1
        try:
            return await self._open(tenant, start)
        finally:
            self._opening -= 1

    def _check_room(self) -> None:
        reason = self._refusal()
        if reason is not None:
            raise ServerBusy(reason)

    def _refusal(self) -> str | None:
        taken = occupancy(self._live.values(), opening=self._opening)
        return refusal(Room(self._settings.max_sessions), taken)

    async def _open(self, tenant: str, start: Start) -> tuple[SpeakingSession, str]:
        now_ms = self._clock.now_ms()
        session_id = new_session_id(now_ms)
        token = new_token()
        await self._store.create(
            first_row(
                start,
                tenant=tenant,
                session=session_id,
                now_ms=now_ms,
                token_hash=hash_token(token),
                retention_ms=self._settings.retention_ms,
            )
        )
        glossary = merged(start.glossary, await self._glossaries.terms(tenant))
        started = first_event(start, glossary)
        # The first event is stored without patience, so that the client can be told.
        log = EventLog(tenant, session_id, clock=self._clock, sink=self._sink)
        try:
            await log.append(started)
            log = EventLog(
                tenant,
                session_id,
                clock=self._clock,
                sink=self._patient_sink,
                history=log.records,
            )
            session = await self._builder.build(tenant, session_id, started, log)
            if self._closed:
                raise ServerBusy("The server is stopping; try again in a moment.")
        except ServerError:  # nobody holds it: it would stay open in the store
            await self._forget(tenant, session_id)
            raise
        self._launch(session, hash_token(token))
        return await session.attach(), token

    async def resume(self, tenant: str, resume: Resume) -> SpeakingSession:
        """Take a session again after a lost socket (see `SessionDesk.resume`)."""
        live = self._live.get((tenant, resume.session))
        if live is None:
            row = await self._store.get(tenant, resume.session)
            if row is None:
                raise SessionNotFound("There is no such session.")
            check_token(resume.token, row.token_hash)
            live = await self._fetch(row)
            if live is None:
                raise SessionClosed("The session has ended; read it over HTTP, or open a new one.")
        check_token(resume.token, live.token_hash)
        session = live.session
        ahead = resume.from_sample - session.accepted_samples
        if resume.from_sample < 0 or ahead > _MAX_SKIP_S * session.format.rate:
            raise UnexpectedMessage("resume.from_sample is too far from what the server holds.")
        if session.holder is not None and not resume.takeover:
            raise SessionBusy("Another client speaks on this session; try again when it has left.")
        if session.dormant:
            self._check_room()
        return await session.attach(skip_to_sample=resume.from_sample)

    async def follow(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Events of a live or a stored session, from seq > `after` to its end.

        Of a session at another server: the durable ones, a moment later.
        """
        key = (tenant, session)

        def live_log() -> EventLog | None:
            live = self._live.get(key)
            return None if live is None else live.session.log

        records = elsewhere.follow(
            key,
            after=after,
            store=self._store,
            live_log=live_log,
            goes_on=lambda: self._ownership.shared and not self._closed,
        )
        async for record in records:
            yield record

    def log_of(self, tenant: str, session: str) -> EventLog | None:
        """Return the log of a session that is live here."""
        live = self._live.get((tenant, session))
        return None if live is None else live.session.log

    async def delete(self, tenant: str, session: str) -> None:
        """End the session if it is live, here or elsewhere, then delete its events and audio."""
        live = self._live.pop((tenant, session), None)
        if live is not None:
            await live.stop()
        elif self._ownership.shared:
            row = await self._store.get(tenant, session)
            if row is not None and row.state != "finished":
                await self._claim_from_owner(row)
        await self._journal.delete(tenant, session)
        if not await self._store.delete(tenant, session) and live is None:
            raise SessionNotFound("There is no such session.")
        await self._ownership.release(tenant, session)

    async def recover(self, *, limit: int = 1000) -> int:
        """Go on with sessions that nobody has, as far as there is room; return how many.

        One that cannot go on does not keep the others; it is tried again after a while.
        """
        count = 0
        turn = await self._takeover.turn()
        for row in await self._ownership.unowned(limit=max(limit, _LOOKED_AT)):
            key = (row.tenant, row.session)
            if self._closed or self._hands.rests(key) or count >= limit or not turn.takes(key):
                continue
            try:
                count += await self._take(row) is not None
            except ServerError:  # the others go on
                _log.exception("session %s cannot go on yet", row.session)
                self._strand(row.tenant, row.session)
            except MalformedRecord:
                _log.exception("session %s cannot go on", row.session)
        return count

    def _strand(self, tenant: str, session: str) -> None:
        """Note a session that cannot go on now, and try again later."""
        if not self._ownership.shared:  # else what nobody owns is looked for all the time
            self._stranded.add((tenant, session))

    async def _bring_back(self, key: Key) -> None:
        row = await self._store.get(*key)
        if row is not None:
            await self._fetch(row)

    async def let_go(self, tenant: str, session: str, *, lost: bool) -> None:
        """End the work on a session of this process, for another server to go on with.

        Args:
            tenant: owner.
            session: id.
            lost: another server has it already; nothing more can be written.
        """
        key = (tenant, session)
        async with self._hands.lock(key):
            live = self._live.pop(key, None)
            if live is not None:
                taken = SessionTakenOver("Another client has taken this session over.")
                live.session.move(moved() if lost else taken)
                if live.session.holder is not None and not lost:
                    await live.session.holder.detach("session_moved")
                await live.stop()
            if live is not None or lost:
                await self._ownership.release(tenant, session)

    async def _fetch(self, row: SessionRow) -> LiveSession | None:
        """Go on with an unfinished session that is not live here; None when it has finished.

        Where servers share their sessions, the one that has it is asked for it, or was stopped.
        """
        if row.state == "finished":
            return None
        if self._closed:
            raise ServerBusy("The server is stopping; try again in a moment.")
        if not self._ownership.shared:
            return await self._take(row)
        if not await self._takeover.admits((row.tenant, row.session)):
            raise ServerBusy("This server is full, and there are others; try again, or there.")
        if await self._claim_from_owner(row):
            return await self._take(row)
        now = await self._store.get(row.tenant, row.session)
        if now is None or now.state == "finished":
            return None
        raise SessionBusy("The session is still held by another server; try again.")

    async def _claim_from_owner(self, row: SessionRow) -> bool:
        key = (row.tenant, row.session)
        return await elsewhere.claim_from_owner(
            key,
            ownership=self._ownership,
            store=self._store,
            hands=self._hands,
            is_live=lambda: key in self._live,
        )

    async def _take(self, row: SessionRow) -> LiveSession | None:
        """Claim a session and go on with it; None when another server was faster."""
        key = (row.tenant, row.session)
        async with self._hands.lock(key):
            if key in self._live or not await self._ownership.claim(*key):
                return self._live.get(key)
            try:
                await self._recover(row)
            except BaseException:
                self._hands.rest(key, _REST_S)
                await self._release(*key)
                raise
            return self._live.get(key)

    async def _release(self, tenant: str, session: str) -> None:
        try:
            await self._ownership.release(tenant, session)
        except StorageFailed:  # the lease runs out
            _log.warning("session %s could not be released; its lease runs out", session)

    async def _recover(self, row: SessionRow) -> None:
        history = [r async for r in self._store.events(row.tenant, row.session)]
        if not history or not isinstance(history[0].event, SessionStarted):
            await self._forget(row.tenant, row.session)
            return
        log = await asyncio.to_thread(  # a long history is packed
            EventLog,
            row.tenant,
            row.session,
            clock=self._clock,
            sink=self._patient_sink,
            history=history,
        )
        session = await self._builder.build(
            row.tenant, row.session, history[0].event, log, fold(history)
        )
        if self._closed:
            raise ServerBusy("The server is stopping; try again in a moment.")
        self._launch(session, row.token_hash)

    async def close(self) -> None:
        """Stop taking sessions; hand the unfinished ones to the next start."""
        self._closed = True
        await self._stranded.close()
        live, self._live = list(self._live.values()), {}
        for entry in live:
            if entry.session.holder is not None:
                await entry.session.lose(entry.session.holder, "server_stopped")
        await asyncio.gather(*(entry.stop() for entry in live))
        for entry in live:
            await self._release(entry.session.tenant, entry.session.id)

    def _launch(self, session: Session, token_hash: str) -> None:
        key = (session.tenant, session.id)
        self._takeover.forget(key)
        task = asyncio.create_task(self._live_through(session), name=f"session {session.id}")
        self._live[key] = LiveSession(session, token_hash, task)

    async def _live_through(self, session: Session) -> None:
        key = (session.tenant, session.id)
        try:
            await session.run()
        except* SessionMoved:
            _log.info("session %s goes on at another server", session.id)
        except* Exception:  # noqa: BLE001 - one session must never end the server
            self._hands.rest(key, _REST_S)
            _log.exception("session %s ended by an unexpected error", session.id)
            await session.settled()
            self._strand(session.tenant, session.id)
        finally:
            entry = self._live.get(key)
            if entry is not None and entry.session is session:
                del self._live[key]
        await self._release(*key)

    async def _forget(self, tenant: str, session: str) -> None:
        try:
            await self._store.delete(tenant, session)
            await self._ownership.release(tenant, session)
        except StorageFailed:
            _log.warning("session %s could not be removed from the store", session)
