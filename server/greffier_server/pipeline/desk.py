"""Where sessions are opened, found, resumed and ended; it owns their tasks."""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from greffier.protocol import Resume, Start
from greffier_server.core.admission import Occupancy, Room, refusal
from greffier_server.core.audio import check_format
from greffier_server.core.channels import check_speakers
from greffier_server.core.events import Recorded, SessionStarted
from greffier_server.core.languages import canonical
from greffier_server.core.records import MalformedRecord
from greffier_server.core.state import fold
from greffier_server.errors import (
    AuthenticationFailed,
    ServerBusy,
    ServerError,
    SessionBusy,
    SessionClosed,
    SessionNotFound,
    StorageFailed,
    UnexpectedMessage,
    UnknownLanguage,
)
from greffier_server.pipeline.building import Engines, SessionBuilder, SessionSettings
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.pipeline.session import Session
from greffier_server.storage.failures import LogConflict
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.store import SessionRow, SessionStore

__all__ = ["Desk", "DeskSettings"]

_log = logging.getLogger(__name__)

_SINK_RETRY_S = 2.0
_MAX_SKIP_S = 3_600
_MAX_LANGUAGES = 8


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """Bounds of the whole server."""

    sessions: SessionSettings = field(default_factory=SessionSettings)
    max_sessions: int = 16
    """Live streams at once (see `core.admission`)."""
    retention_ms: int | None = None
    """Finished sessions are deleted this long after they were opened; None = never."""


@dataclass(slots=True)
class _Live:
    session: Session
    token_hash: str
    task: asyncio.Task[None]


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
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        sink: Callable[[Sequence[Recorded]], Awaitable[None]],
        journal: AudioJournal,
        engines: Engines,
        clock: Clock,
        settings: DeskSettings | None = None,
        on_commit: Callable[[int], None] = lambda lag_ms: None,
    ) -> None:
        self._store = store
        self._sink = sink
        self._journal = journal
        self._engines = engines
        self._clock = clock
        self._settings = settings or DeskSettings()
        self._builder = SessionBuilder(
            journal=journal, engines=engines, settings=self._settings.sessions, on_commit=on_commit
        )
        self._live: dict[tuple[str, str], _Live] = {}
        self._opening = 0
        self._closed = False

    @property
    def live_count(self) -> int:
        """Sessions with input or work left."""
        return len(self._live)

    async def open(self, tenant: str, start: Start) -> tuple[SpeakingSession, str]:
        """Begin a session; return it and its resume token (see `SessionDesk.open`)."""
        check_format(start.format)
        check_speakers(start)
        self._check_languages(start)
        if self._closed:
            raise ServerBusy("The server is stopping; try again in a moment.")
        reason = refusal(Room(self._settings.max_sessions), self._occupancy())
        if reason is not None:
            raise ServerBusy(reason)
        self._opening += 1
        try:
            return await self._open(tenant, start)
        finally:
            self._opening -= 1

    def _occupancy(self) -> Occupancy:
        here = [entry.session for entry in self._live.values() if not entry.session.dormant]
        speaking = [session for session in here if not session.recognised]
        return Occupancy(
            speaking=len(speaking) + self._opening,
            live=len(here) + self._opening,
            lowest=sum(session.level == "finals-only" for session in speaking),
        )

    async def _open(self, tenant: str, start: Start) -> tuple[SpeakingSession, str]:
        now_ms = self._clock.now_ms()
        session_id = _new_id(now_ms)
        token = secrets.token_urlsafe(24)
        retention = self._settings.retention_ms
        await self._store.create(
            SessionRow(
                tenant=tenant,
                session=session_id,
                title=start.title,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
                state="open",
                language="" if start.language == "auto" else start.language,
                translate_to=start.translate_to,
                duration_ms=0,
                last_seq=0,
                token_hash=_hash(token),
                expires_at_ms=None if retention is None else now_ms + retention,
            )
        )
        started = SessionStarted(
            format=start.format,
            language=start.language,
            translate_to=start.translate_to,
            glossary=start.glossary,
            title=start.title,
            minutes=start.minutes,
            minutes_language=start.minutes_language,
            channels=start.channels,
            speakers=start.speakers,
            profile=start.profile,
            spooled=start.spooled,
            continues=start.continues,
        )
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
        self._launch(session, _hash(token))
        return await session.attach(), token

    def _check_languages(self, start: Start) -> None:
        known = self._engines.recognizer.languages
        if start.language != "auto" and start.language not in known:
            raise UnknownLanguage(
                "The speech language is not one the loaded model knows; "
                'use an ISO 639-1 code such as "fr", or "auto".'
            )
        targets = [*start.translate_to]
        if start.minutes_language:
            targets.append(start.minutes_language)
        # One spelling of each language: "en" and "en-GB" would be translated twice into one text.
        if not all(canonical(code) == code for code in targets):
            raise UnknownLanguage(
                "A target language is unknown, or is written with a region; "
                'use ISO 639-1 codes such as "en".'
            )
        if len(set(start.translate_to)) != len(start.translate_to):
            raise UnknownLanguage("A target language is named twice.")
        if len(start.translate_to) > _MAX_LANGUAGES:
            raise UnknownLanguage(f"At most {_MAX_LANGUAGES} target languages a session.")

    async def resume(self, tenant: str, resume: Resume) -> SpeakingSession:
        """Take a session again after a lost socket (see `SessionDesk.resume`)."""
        live = self._live.get((tenant, resume.session))
        if live is None:
            row = await self._store.get(tenant, resume.session)
            if row is None:
                raise SessionNotFound("There is no such session.")
            _check_token(resume.token, row.token_hash)
            raise SessionClosed("The session has ended; read it over HTTP, or open a new one.")
        _check_token(resume.token, live.token_hash)
        session = live.session
        ahead = resume.from_sample - session.accepted_samples
        if resume.from_sample < 0 or ahead > _MAX_SKIP_S * session.format.rate:
            raise UnexpectedMessage("resume.from_sample is too far from what the server holds.")
        if session.holder is not None and not resume.takeover:
            raise SessionBusy("Another client speaks on this session; try again when it has left.")
        if session.dormant:
            reason = refusal(Room(self._settings.max_sessions), self._occupancy())
            if reason is not None:
                raise ServerBusy(reason)
        return await session.attach(skip_to_sample=resume.from_sample)

    async def follow(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Events of a live or a stored session, from seq > `after` to its end."""
        live = self._live.get((tenant, session))
        if live is not None:
            async for record in live.session.log.follow(after=after):
                yield record
            return
        if await self._store.get(tenant, session) is None:
            raise SessionNotFound("There is no such session.")
        async for record in self._store.events(tenant, session, after=after):
            yield record

    async def delete(self, tenant: str, session: str) -> None:
        """End the session if it is live, then delete its events and audio."""
        live = self._live.pop((tenant, session), None)
        if live is not None:
            await _stop(live)
        await self._journal.delete(tenant, session)
        if not await self._store.delete(tenant, session) and live is None:
            raise SessionNotFound("There is no such session.")

    async def recover(self) -> int:
        """Go on with the sessions that the last stop left unfinished; return how many."""
        count = 0
        for row in await self._store.unfinished():
            try:
                count += await self._recover(row)
            except (ServerError, MalformedRecord):  # the others go on
                _log.exception("session %s cannot go on", row.session)
        return count

    async def _recover(self, row: SessionRow) -> bool:
        history = [r async for r in self._store.events(row.tenant, row.session)]
        if not history or not isinstance(history[0].event, SessionStarted):
            await self._forget(row.tenant, row.session)
            return False
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
        self._launch(session, row.token_hash)
        return True

    async def close(self) -> None:
        """Stop taking sessions; hand the unfinished ones to the next start."""
        self._closed = True
        live, self._live = list(self._live.values()), {}
        for entry in live:
            if entry.session.holder is not None:
                await entry.session.lose(entry.session.holder, "server_stopped")
        await asyncio.gather(*(_stop(entry) for entry in live))

    def _launch(self, session: Session, token_hash: str) -> None:
        key = (session.tenant, session.id)
        task = asyncio.create_task(self._live_through(session), name=f"session {session.id}")
        self._live[key] = _Live(session, token_hash, task)

    async def _live_through(self, session: Session) -> None:
        try:
            await session.run()
        except Exception:  # noqa: BLE001 - one session must never end the server
            _log.exception("session %s ended by an unexpected error", session.id)
        finally:
            self._live.pop((session.tenant, session.id), None)

    async def _forget(self, tenant: str, session: str) -> None:
        try:
            await self._store.delete(tenant, session)
        except StorageFailed:
            _log.warning("session %s could not be removed from the store", session)

    async def _patient_sink(self, records: Sequence[Recorded]) -> None:
        """A full disk or a lost database holds the session up; it does not end it."""
        while True:
            try:
                await self._sink(records)
            except StorageFailed as error:
                if self._closed or isinstance(error, LogConflict):
                    raise
                _log.warning("events cannot be stored; trying again in %s s", _SINK_RETRY_S)
                await asyncio.sleep(_SINK_RETRY_S)
            else:
                return


async def _stop(live: _Live) -> None:
    live.task.cancel()
    await asyncio.gather(live.task, return_exceptions=True)
    await live.session.log.settled()


def _new_id(now_ms: int) -> str:
    """Sortable by time, unguessable enough to be unique."""
    stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{secrets.token_hex(4)}"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _check_token(token: str, token_hash: str) -> None:
    if not hmac.compare_digest(_hash(token), token_hash):
        raise AuthenticationFailed("The session's token is wrong.")
