"""In-memory desk, session and store behind the real event log; nothing is decoded."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from greffier.protocol import AudioFormat, Resume, Start
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    GapFound,
    InputEnded,
    Recorded,
    SessionFinished,
    SessionStarted,
)
from greffier_server.errors import (
    AuthenticationFailed,
    MisalignedAudio,
    ServerBusy,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    StorageFailed,
)
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.store import Job, SessionRow

__all__ = ["FakeDesk", "FakeSession", "MemoryStore"]


class MemoryStore:
    """Rows and records in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], SessionRow] = {}
        self.records: dict[tuple[str, str], list[Recorded]] = {}
        self.broken = False

    async def create(self, row: SessionRow) -> None:
        key = (row.tenant, row.session)
        if key in self.rows:
            raise SessionExists("taken")
        self.rows[key] = row
        self.records[key] = []

    async def append(self, records: Sequence[Recorded]) -> None:
        for record in records:
            key = (record.tenant, record.session)
            self.records[key].append(record)
            state = "finished" if isinstance(record.event, SessionFinished) else "open"
            self.rows[key] = replace(self.rows[key], last_seq=record.seq, state=state)

    async def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        for record in list(self.records.get((tenant, session), [])):
            if record.seq > after:
                yield record

    async def get(self, tenant: str, session: str) -> SessionRow | None:
        if self.broken:
            raise StorageFailed("the database is gone")
        return self.rows.get((tenant, session))

    async def list(
        self, tenant: str, *, limit: int = 50, before_ms: int | None = None
    ) -> Sequence[SessionRow]:
        rows = [
            row
            for row in self.rows.values()
            if row.tenant == tenant and (before_ms is None or row.created_at_ms < before_ms)
        ]
        return sorted(rows, key=lambda row: -row.created_at_ms)[:limit]

    async def unfinished(self) -> Sequence[SessionRow]:
        return [row for row in self.rows.values() if row.state != "finished"]

    async def delete(self, tenant: str, session: str) -> bool:
        self.records.pop((tenant, session), None)
        return self.rows.pop((tenant, session), None) is not None

    async def expired(self, now_ms: int, *, limit: int = 100) -> Sequence[SessionRow]:
        del now_ms, limit
        return []

    async def enqueue(self, kind: str, tenant: str, session: str, payload: str = "") -> int:
        raise NotImplementedError

    async def claim(self, kinds: Sequence[str], now_ms: int, lease_ms: int) -> Job | None:
        raise NotImplementedError

    async def complete(self, job: Job) -> None:
        raise NotImplementedError

    async def retry(self, job: Job, run_after_ms: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to release."""


class FakeSession:
    """Takes audio into memory; durable at once unless `hold` is set."""

    def __init__(self, tenant: str, session: str, audio: AudioFormat, log: EventLog) -> None:
        self._tenant, self._id, self._format, self._log = tenant, session, audio, log
        self.audio = bytearray()
        self.durable_bytes = 0
        self.hold = False
        self.finish_by_itself = True
        self.detached: list[str] = []
        self.finished = False
        self.push_error: Exception | None = None
        self.ack_error: Exception | None = None
        self.full = asyncio.Event()
        """Cleared = the buffer is full and `push` waits."""
        self.full.set()
        self._grown = asyncio.Event()

    @property
    def tenant(self) -> str:
        return self._tenant

    @property
    def id(self) -> str:
        return self._id

    @property
    def format(self) -> AudioFormat:
        return self._format

    @property
    def log(self) -> EventLog:
        return self._log

    @property
    def accepted_samples(self) -> int:
        return len(self.audio) // self._format.frame_bytes

    @property
    def durable_samples(self) -> int:
        return self.durable_bytes // self._format.frame_bytes

    @property
    def heard_ms(self) -> int:
        return self.accepted_samples * 1000 // self._format.rate

    async def push(self, audio: bytes) -> None:
        if self.push_error is not None:
            raise self.push_error
        if len(audio) % self._format.frame_bytes:
            raise MisalignedAudio("not a whole number of samples")
        if self.finished:
            raise SessionClosed("the input has ended")
        await self.full.wait()
        self.audio += audio
        if not self.hold:
            self.sync()

    async def note_gaps(self, gaps: Sequence[GapFound]) -> None:
        await self._log.append(*gaps)

    def sync(self) -> None:
        """Everything taken is on disk now."""
        self.durable_bytes = len(self.audio)
        self._grown.set()

    async def acks(self) -> AsyncIterator[int]:
        told = 0
        while True:
            if self.ack_error is not None:
                raise self.ack_error
            if self.durable_samples > told:
                told = self.durable_samples
                yield told
            elif self.finished:
                return
            else:
                self._grown.clear()
                await self._grown.wait()

    def fail_acks(self, error: Exception) -> None:
        """The journal is broken from now on."""
        self.ack_error = error
        self._grown.set()

    async def finish(self) -> None:
        self.finished = True
        self.sync()
        if self.finish_by_itself:
            await self.complete()

    async def complete(self, reason: str = "finish") -> None:
        """End the log as a session does when all its work is done."""
        duration_ms = self.accepted_samples * 1000 // self._format.rate
        await self._log.append(InputEnded(reason, duration_ms), SessionFinished(reason))
        self._log.close()

    async def detach(self, cause: str) -> None:
        self.detached.append(cause)
        await self._log.append(ClientDetached(cause))


class FakeDesk:
    """Opens sessions over a `MemoryStore`."""

    def __init__(self, store: MemoryStore, *, max_sessions: int = 100) -> None:
        self.store = store
        self.clock = ManualClock()
        self.sessions: dict[str, FakeSession] = {}
        self.tokens: dict[str, str] = {}
        self.max_sessions = max_sessions
        self.open_error: Exception | None = None
        self.opened = asyncio.Event()

    async def open(self, tenant: str, start: Start) -> tuple[FakeSession, str]:
        if self.open_error is not None:
            raise self.open_error
        if len(self.sessions) >= self.max_sessions:
            raise ServerBusy("no room for another session; try again later")
        session, token = secrets.token_urlsafe(9), secrets.token_urlsafe(16)
        self.clock.advance(1)
        await self.store.create(
            SessionRow(
                tenant=tenant,
                session=session,
                title=start.title,
                created_at_ms=self.clock.now_ms(),
                updated_at_ms=self.clock.now_ms(),
                state="open",
                language=start.language,
                translate_to=start.translate_to,
                duration_ms=0,
                last_seq=0,
                token_hash="",
            )
        )
        log = EventLog(tenant, session, clock=self.clock, sink=self.store.append)
        await log.append(
            SessionStarted(
                format=start.format,
                language=start.language,
                translate_to=start.translate_to,
                title=start.title,
            )
        )
        self.sessions[session] = FakeSession(tenant, session, start.format, log)
        self.tokens[session] = token
        self.opened.set()
        return self.sessions[session], token

    async def resume(self, tenant: str, resume: Resume) -> FakeSession:
        session = self._session(tenant, resume.session)
        if self.tokens[resume.session] != resume.token:
            raise AuthenticationFailed("the resume token is wrong")
        if session.finished:
            raise SessionClosed("the session has ended; watch it instead")
        await session.log.append(ClientAttached(resume.from_sample))
        return session

    async def follow(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        async for record in self._session(tenant, session).log.follow(after=after):
            yield record

    async def delete(self, tenant: str, session: str) -> None:
        self._session(tenant, session).log.close()
        del self.sessions[session]
        await self.store.delete(tenant, session)

    @property
    def live_count(self) -> int:
        return sum(not session.finished for session in self.sessions.values())

    async def close(self) -> None:
        """Close every log: the sessions go on at the next start."""
        for session in self.sessions.values():
            session.log.close()

    def only(self) -> FakeSession:
        """Return the one session that a test opened."""
        (session,) = self.sessions.values()
        return session

    def _session(self, tenant: str, session: str) -> FakeSession:
        found = self.sessions.get(session)
        if found is None or found.tenant != tenant:
            raise SessionNotFound("no such session")
        return found
