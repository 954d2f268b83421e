"""Tells outlets of sessions: in order, again after failures, and on from where a crash left it.

The event log is the queue. For each session and outlet there is one number on disk, the last event
that was told; what comes after it is read from the store and sent. So nothing waits in memory, an
outlet that hangs holds up nobody but itself, and what was given up can be taken up again.
"""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from greffier_server.core.events import Recorded, SessionFinished
from greffier_server.errors import ServerError
from greffier_server.outlets.notices import Notice, Notices
from greffier_server.outlets.outlet import Delivered, Gone, Outcome, Outlet, Refused
from greffier_server.pipeline.clock import Clock
from greffier_server.storage.deliveries import DeadLetter, Deliveries, Delivery
from greffier_server.storage.store import SessionStore
from greffier_server.transport.frames import closing

__all__ = ["Courier", "Patience"]

_log = logging.getLogger(__name__)

Key = tuple[str, str]

_WORKERS: Final = 4
"""Sessions told to one outlet at once."""
_LEASE_MS: Final = 300_000
"""Longer than any attempt takes; a server that dies leaves its places to others after it."""
_READINGS: Final = 256
"""Sessions whose place in the log is remembered; others are read from their first event."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures are dealt with."""

    attempts: int = 20
    """In a row; then a session's deliveries to the outlet are halted."""
    refusals: int = 3
    """Of one event; then it is set aside, and the next one is told."""
    first_s: float = 2.0
    """Delay after the first failure; doubled after each, and drawn between half and all of it."""
    longest_s: float = 3_600.0
    sweep_s: float = 30.0
    """Between two looks for places that nobody works on."""

    def delay_s(self, failures: int) -> float:
        """Before the next attempt."""
        length = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        return length * random.uniform(0.5, 1.0)  # noqa: S311 - spreads attempts, no secret


@dataclass(slots=True)
class _Reading:
    """How far a session was read, and what was gathered of it."""

    notices: Notices
    seq: int = 0


class _Lane:
    """The sessions that one outlet is to be told of, each by one worker at a time."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet
        self.readings: OrderedDict[Key, _Reading] = OrderedDict()
        self._waiting: OrderedDict[Key, None] = OrderedDict()
        self._served: set[Key] = set()
        self._changed = asyncio.Condition()

    async def add(self, key: Key) -> None:
        async with self._changed:
            self._waiting[key] = None
            self._changed.notify()

    async def take(self) -> Key:
        async with self._changed:
            while True:
                key = next((key for key in self._waiting if key not in self._served), None)
                if key is not None:
                    del self._waiting[key]
                    self._served.add(key)
                    return key
                await self._changed.wait()

    async def put_back(self, key: Key) -> None:
        async with self._changed:
            self._served.discard(key)
            self._changed.notify()

    def reading(self, key: Key, *, at_most: int) -> _Reading:
        """Where the log was left, unless that is beyond what was told."""
        known = self.readings.get(key)
        if known is None or known.seq > at_most:
            known = self.readings[key] = _Reading(Notices())
        self.readings.move_to_end(key)
        while len(self.readings) > _READINGS:
            self.readings.popitem(last=False)
        return known


class Courier:
    """Runs the deliveries of one server.

    Args:
        store: the sessions' events.
        deliveries: how far each outlet was told.
        outlets: of the settings.
        clock: wall clock.
        patience: with outlets that fail.
        observe: told the outlet and what became of each attempt (``delivered``, ``failed``,
            ``refused``, ``gone``).
    """

    def __init__(
        self,
        store: SessionStore,
        deliveries: Deliveries,
        outlets: Sequence[Outlet],
        *,
        clock: Clock,
        patience: Patience | None = None,
        observe: Callable[[str, str], None] = lambda outlet, outcome: None,
    ) -> None:
        self.deliveries = deliveries
        self._store = store
        self._lanes = {outlet.name: _Lane(outlet) for outlet in outlets}
        self._clock = clock
        self._patience = patience or Patience()
        self._observe = observe
        self._active: set[Key] = set()
        self._dirty: set[Key] = set()
        self._later: dict[tuple[str, Key], int] = {}
        self._woken = asyncio.Event()

    async def note(self, records: Sequence[Recorded]) -> None:
        """Take notice of records that were just stored; what it takes longer is done later.

        A session's first records make its places, so that no crash can lose it from sight.
        """
        for key in {(record.tenant, record.session) for record in records}:
            names = [name for name, lane in self._lanes.items() if lane.outlet.serves(key[0])]
            if not names:
                continue
            if key not in self._active:
                try:
                    await self.deliveries.ensure(*key, names)
                except ServerError as error:  # the next record of the session tries again
                    _log.warning("a session's deliveries cannot be noted: %s", error.code)
                    continue
                self._active.add(key)
            self._dirty.add(key)
        for record in records:
            if isinstance(record.event, SessionFinished):
                self._active.discard((record.tenant, record.session))
        if self._dirty:
            self._woken.set()

    async def retry(self, tenant: str, session: str) -> int:
        """Take up again what was given up of a session; return how many outlets that concerns."""
        count = await self.deliveries.reopen(tenant, session)
        if count:
            self._dirty.add((tenant, session))
            self._woken.set()
        return count

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes.values():
                for _ in range(_WORKERS):
                    group.create_task(self._work(lane), name=f"outlet {lane.outlet.name}")
            await self._dispatch()

    async def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        sweep_at = loop.time()
        while True:
            self._woken.clear()
            dirty, self._dirty = self._dirty, set()
            for key in dirty:
                for lane in self._lanes.values():
                    if lane.outlet.serves(key[0]):
                        await lane.add(key)
            now_ms = self._clock.now_ms()
            for name, key in [one for one, at_ms in self._later.items() if at_ms <= now_ms]:
                del self._later[name, key]
                await self._lanes[name].add(key)
            if loop.time() >= sweep_at:
                await self._sweep(now_ms)
                sweep_at = loop.time() + self._patience.sweep_s
            waits_s = [sweep_at - loop.time()]
            waits_s += [(at_ms - now_ms) / 1_000 + 0.001 for at_ms in self._later.values()]
            await _pause(self._woken, min(waits_s))

    async def _sweep(self, now_ms: int) -> None:
        """Find what an earlier run, or another server that died, left behind."""
        try:
            due = await self.deliveries.due(now_ms)
        except ServerError as error:
            _log.warning("deliveries wait for the store: %s", error.code)
            return
        for delivery in due:
            lane = self._lanes.get(delivery.outlet)
            if lane is not None:
                await lane.add(delivery.key)

    async def _work(self, lane: _Lane) -> None:
        while True:
            key = await lane.take()
            try:
                await self._serve(lane, key)
            except Exception as error:  # noqa: BLE001 - one bad session must not stop the others
                # Only the type: the message of an unknown error may hold words of a session.
                _log.warning("a session's deliveries wait", extra={"cause": type(error).__name__})
                delay_s = self._patience.delay_s(5)
                self._later[lane.outlet.name, key] = self._clock.now_ms() + int(delay_s * 1_000)
                self._woken.set()
            finally:
                await lane.put_back(key)

    async def _serve(self, lane: _Lane, key: Key) -> None:
        """Tell all there is of one session, or as much as the outlet takes."""
        delivery = await self.deliveries.claim(
            *key, lane.outlet.name, now_ms=self._clock.now_ms(), lease_ms=_LEASE_MS
        )
        if delivery is None:
            return
        reading = lane.reading(key, at_most=delivery.seq)
        ended = False
        async with closing(self._store.events(*key, after=reading.seq)) as records:
            async for record in records:
                notices = reading.notices.take(record)
                reading.seq = record.seq
                ended = ended or isinstance(record.event, SessionFinished)
                for notice in notices if record.seq > delivery.seq else ():
                    if lane.outlet.wants(notice):
                        told = await self._tell(lane, notice, delivery)
                        if told is None:
                            return
                        delivery = told
        await self.deliveries.save(
            replace(delivery, seq=reading.seq, state="done" if ended else "open"),
            leased_until_ms=None,
        )
        if ended:
            lane.readings.pop(key, None)

    async def _tell(self, lane: _Lane, notice: Notice, delivery: Delivery) -> Delivery | None:
        """Send one notice; return the place behind it, or None where this session must wait."""
        outcome = await lane.outlet.send(notice, attempt=delivery.attempts + 1)
        self._observe(lane.outlet.name, type(outcome).__name__.lower())
        now_ms = self._clock.now_ms()
        changed = self._after(outcome, notice, delivery, now_ms=now_ms)
        if isinstance(outcome, Refused) and changed.seq == notice.seq:
            await self.deliveries.set_aside(
                DeadLetter(*delivery.key, delivery.outlet, notice.seq, outcome.cause, at_ms=now_ms)
            )
        goes_on = changed.seq == notice.seq and changed.state == "open"
        kept = await self.deliveries.save(
            changed, leased_until_ms=now_ms + _LEASE_MS if goes_on else None
        )
        if not kept:  # another server has it
            lane.readings.pop(delivery.key, None)
            return None
        if goes_on:
            return changed
        lane.readings.pop(delivery.key, None)  # it is beyond what was told
        if changed.state == "open":
            self._later[delivery.outlet, delivery.key] = changed.run_after_ms
            self._woken.set()
        else:
            _log.warning(
                "deliveries of a session were given up",
                extra={"outlet": delivery.outlet, "cause": changed.cause},
            )
        return None

    def _after(
        self, outcome: Outcome, notice: Notice, delivery: Delivery, *, now_ms: int
    ) -> Delivery:
        told = replace(delivery, seq=notice.seq, attempts=0, cause="")
        if isinstance(outcome, Delivered):
            return told
        if isinstance(outcome, Gone):
            return replace(delivery, state="gone", cause=outcome.cause)
        failures = delivery.attempts + 1
        wait_s = self._patience.delay_s(failures)
        if isinstance(outcome, Refused):
            if failures >= self._patience.refusals:
                return told
        else:
            if failures >= self._patience.attempts:
                return replace(delivery, state="halted", attempts=failures, cause=outcome.cause)
            wait_s = max(wait_s, outcome.retry_after_s or 0.0)
        run_after_ms = now_ms + int(wait_s * 1_000)
        return replace(delivery, attempts=failures, cause=outcome.cause, run_after_ms=run_after_ms)


async def _pause(woken: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0.0)):
            await woken.wait()
    except TimeoutError:
        return
