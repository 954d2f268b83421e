"""Minutes of a finished session written anew, from the text as people have corrected it."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence

from greffier_models.protocols import TextGenerator
from greffier_server.core.events import MinutesWritten, Recorded, StageFailed
from greffier_server.errors import ServerError, SessionNotFound, SessionUnfinished
from greffier_server.pipeline.answering import LanguageModelOff
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage
from greffier_server.storage.rows import Key
from greffier_server.storage.store import Job, SessionRow, SessionStore

__all__ = ["KIND", "MinutesRedo"]

_log = logging.getLogger(__name__)

KIND = "minutes"
"""Of the job."""


class MinutesRedo:
    """Asks for minutes to be written anew, and writes them as jobs.

    Args:
        store: sessions, events and the queue.
        sink: makes records durable (a writer over the store).
        clock: wall clock.
        generator: the language model; None = there is none.
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        sink: Callable[[Sequence[Recorded]], Awaitable[None]],
        clock: Clock,
        generator: TextGenerator | None,
    ) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._generator = generator
        self._logs: dict[Key, EventLog] = {}

    def log_of(self, tenant: str, session: str) -> EventLog | None:
        """Return the log that minutes are written to now; others append through it."""
        return self._logs.get((tenant, session))

    async def ask(self, tenant: str, session: str) -> None:
        """Queue it.

        Raises:
            SessionNotFound, SessionUnfinished, StorageFailed.
            LanguageModelOff: there is no model to write them.
        """
        if self._generator is None:
            raise LanguageModelOff("this server runs no language model; see [llm] in its settings")
        row = await self._finished(tenant, session)
        await self._store.enqueue(KIND, tenant, session, json.dumps({"after": row.last_seq}))

    async def do(self, job: Job) -> None:
        """Do one job; what an earlier attempt has written is not written again.

        Raises:
            SessionNotFound: it was deleted.
            ServerError, EngineError: it could not be done.
        """
        generator = self._generator
        if generator is None:
            raise LanguageModelOff("this server runs no language model; see [llm] in its settings")
        row = await self._finished(job.tenant, job.session)
        after = json.loads(job.payload)["after"] if job.payload else 0
        key = (row.tenant, row.session)
        log = await self._hold(key)
        try:
            async for record in log.past():
                if record.seq > after and isinstance(record.event, MinutesWritten):
                    return
            await MinuteStage(generator).redo(log)
        finally:
            del self._logs[key]
            log.close()
            await log.settled()

    async def abandon(self, job: Job, code: str) -> None:
        """Record that a job will not be tried again."""
        records = [record async for record in self._store.events(job.tenant, job.session)]
        if not records:
            return
        log = EventLog(job.tenant, job.session, clock=self._clock, sink=self._sink, history=records)
        message = "The minutes could not be written anew; those before stand."
        try:
            await log.append(StageFailed("minutes", code, message))
        except ServerError as error:
            _log.warning("the failure of minutes could not be recorded: %s", error.code)

    async def _hold(self, key: Key) -> EventLog:
        """Return the log; from now on, others of this process append through it."""
        records = [record async for record in self._store.events(*key)]
        while True:
            log = EventLog(*key, clock=self._clock, sink=self._sink, history=records)
            self._logs[key] = log
            newer = [record async for record in self._store.events(*key, after=len(records))]
            if not newer:
                return log
            records += newer

    async def _finished(self, tenant: str, session: str) -> SessionRow:
        row = await self._store.get(tenant, session)
        if row is None:
            raise SessionNotFound("There is no such session.")
        if row.state != "finished":
            raise SessionUnfinished("The session goes on; its minutes are written when it ends.")
        return row
