"""Rounds: several live sessions on one real server which is killed, or their sockets are cut."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

from benchmarks.crashes.passages import Passage
from benchmarks.crashes.rehearing import Rehearsal
from benchmarks.crashes.speakers import LibrarySpeaker, Phase, Speaker, StrictSpeaker
from benchmarks.crashes.tolerance import Readings
from benchmarks.crashes.verdict import Record, Tally, fetch_record, judge
from greffier_server.child import ChildServer
from tests.support.proxy import Proxy

__all__ = ["Campaign", "Harm"]

_PHASES: Sequence[Phase] = ("starting", "early", "speaking", "speaking", "finishing", "resuming")
_CATCH_S = 2.0
_ROUND_S = 240.0
_POLL_S = 0.005

Harm = str
"""``kill``, ``stop`` (SIGTERM), ``cut`` or ``freeze`` (half-open)."""


@dataclass(slots=True)
class _Live:
    speaker: Speaker
    proxy: Proxy


@dataclass
class Campaign:
    """Round after round on one server and one data directory.

    Args:
        server: runs when `round` is called.
        passages: what is said.
        random: decides everything that is left to chance.
        streams: sessions of a round.
        pace: times real time.
        translate_to: every session is translated into it and has minutes; none when empty.
        rehearsal: replays each session that has finished; none when absent.
    """

    server: ChildServer
    passages: Sequence[Passage]
    random: Random
    streams: int = 3
    pace: float = 3.0
    translate_to: str = ""
    rehearsal: Rehearsal | None = None
    tally: Tally = field(default_factory=Tally)
    starts_s: list[float] = field(default_factory=list[float])
    """From the start of the process to its readiness, after each kill or stop."""
    waits_s: list[float] = field(default_factory=list[float])
    """From the loss of a connection to ``started``, as clients saw it."""
    readings: dict[str, Readings] = field(default_factory=dict[str, Readings])
    """By passage."""
    _undisturbed: dict[str, list[Record]] = field(default_factory=dict[str, list[Record]])

    async def listen(self, *, times: int = 2) -> None:
        """Say every passage with nothing in the way: what the others are compared with.

        As many sessions at once, at the same pace and over the same links as in a round.

        Args:
            times: each passage; at least 2, so that what they differ by is known.

        Raises:
            RuntimeError: not even so does everything come through.
        """
        said = [passage for _ in range(times) for passage in self.passages]
        while said:
            now, said = said[: self.streams], said[self.streams :]
            async with AsyncExitStack() as stack, asyncio.timeout(_ROUND_S):
                lives = [
                    await self._open(stack, number, passage) for number, passage in enumerate(now)
                ]
                async with asyncio.TaskGroup() as group:
                    for live in lives:
                        group.create_task(self._speak(live.speaker))
            for live in lives:
                await self._take_undisturbed(live.speaker)

    async def _take_undisturbed(self, speaker: Speaker) -> None:
        record = await asyncio.to_thread(fetch_record, self.server.url, speaker.notes.session)
        verdict = judge(speaker, record, [record])
        if not verdict.clean:
            raise RuntimeError(f"not even undisturbed: {verdict.complaints}")
        passage = speaker.passage
        self._undisturbed.setdefault(passage.name, []).append(record)
        readings = self.readings.setdefault(passage.name, Readings(passage.language, passage.text))
        readings.undisturbed.append(record.text)

    async def round(self, harms: Sequence[Harm]) -> Tally:
        """Open sessions, do them `harms`, wait for their ends and judge; return this round's tally.

        Args:
            harms: one after the other, each in a phase of a session that chance chooses.
        """
        tally = Tally()
        async with AsyncExitStack() as stack:
            lives = [
                await self._open(stack, number, self.random.choice(self.passages))
                for number in range(self.streams)
            ]
            speaking = [asyncio.create_task(self._speak(live.speaker)) for live in lives]
            try:
                async with asyncio.timeout(_ROUND_S):
                    for harm in harms:
                        if all(task.done() for task in speaking):
                            break
                        await self._catch(lives)
                        await self._harm(harm, lives, tally)
                    await asyncio.gather(*speaking)
            except TimeoutError:
                tally.complaints.append("the round did not end in time")
            finally:
                for task in speaking:
                    task.cancel()
                await asyncio.gather(*speaking, return_exceptions=True)
        for live in lives:
            tally.add(await self._judge(live.speaker))
        self.tally.add(tally)
        return tally

    async def _open(self, stack: AsyncExitStack, number: int, passage: Passage) -> _Live:
        proxy = await stack.enter_async_context(Proxy(self.server.port))
        proxy.delay_s = self.random.choice([0.0, 0.0, 0.01, 0.05])
        proxy.piece_bytes = self.random.choice([0, 0, 0, 700, 61])
        speaker: Speaker
        if number == 0:
            speaker = LibrarySpeaker(
                proxy.url, passage, pace=self.pace, translate_to=self.translate_to
            )
        else:
            seeded = Random(self.random.random())
            speaker = StrictSpeaker(
                proxy.url,
                passage,
                pace=self.pace,
                random=seeded,
                translate_to=self.translate_to,
            )
        return _Live(speaker, proxy)

    async def _speak(self, speaker: Speaker) -> None:
        await asyncio.sleep(self.random.uniform(0, 2))
        await speaker.speak()

    async def _catch(self, lives: Sequence[_Live]) -> None:
        """Wait for a session to be in a phase that chance names, and a little on."""
        phase = self.random.choice(_PHASES)
        until = time.monotonic() + _CATCH_S
        while time.monotonic() < until:
            if any(live.speaker.phase == phase for live in lives):
                break
            await asyncio.sleep(_POLL_S)
        await asyncio.sleep(self.random.choice([0.0, 0.02, 0.1, 0.3, 1.0]) * self.random.random())

    async def _harm(self, harm: Harm, lives: Sequence[_Live], tally: Tally) -> None:
        match harm:
            case "kill" | "stop":
                await self._restart(tally, stopped=harm == "stop")
            case "cut":
                after = self.random.choice([0, 0, 1, 40, 3_000])
                for live in self.random.sample(lives, self.random.randint(1, len(lives))):
                    tally.cuts += live.proxy.cut(after_bytes=after)
            case "freeze":
                # The library's client takes 45 s to call a silent server dead: the others do.
                others = [live for live in lives if isinstance(live.speaker, StrictSpeaker)]
                tally.freezes += self.random.choice(others).proxy.freeze()
            case _:
                raise ValueError(harm)

    async def _restart(self, tally: Tally, *, stopped: bool) -> None:
        if stopped:
            await asyncio.to_thread(self.server.stop)
            tally.stops += 1
        else:
            await asyncio.to_thread(self.server.kill)
            tally.kills += 1
        # A server that dies while it starts, or recovers what the last one has left.
        while self.random.random() < 0.3:
            await asyncio.to_thread(self.server.start)
            usual_s = self.starts_s[-1] if self.starts_s else 3.0
            await asyncio.sleep(self.random.uniform(0.1, 1.2 * usual_s))
            await asyncio.to_thread(self.server.kill)
            tally.kills += 1
        begun = time.monotonic()
        await asyncio.to_thread(self.server.start)
        await asyncio.to_thread(self.server.wait_until_ready)
        self.starts_s.append(time.monotonic() - begun)

    async def _judge(self, speaker: Speaker) -> Tally:
        self.waits_s += speaker.notes.waits_s
        session = speaker.notes.session
        if not session:
            return Tally(sessions=1, unfinished=1, complaints=["a session was never opened"])
        record = await asyncio.to_thread(fetch_record, self.server.url, session)
        passage = speaker.passage
        tally = judge(speaker, record, self._undisturbed.get(passage.name, []))
        if passage.name in self.readings and not tally.unfinished:
            self.readings[passage.name].disturbed.append(record.text)
        if self.rehearsal is not None and not tally.unfinished:
            tally.add(await self.rehearsal.hear(session))
        return tally
