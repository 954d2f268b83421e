"""Clients that speak a passage through whatever happens, and write down what they were told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

import greffier
from benchmarks.corpora import RATE
from benchmarks.crashes.passages import Passage
from greffier.exchange import exchange
from greffier.protocol import ServerMessage

__all__ = ["LibrarySpeaker", "Notes", "Phase", "Speaker", "StrictSpeaker"]

_STEP_MS = 100
_STEP_BYTES = RATE * _STEP_MS // 1000 * 2
_RETRY_S = 0.15
_GREETING_S = 20.0
_SILENCE_S = 4.0
"""A half-open socket is given up after this; a server at work says something more often."""
_VOLATILE = {"lag_ms"}
_LASTING = {"gap", "withheld", "minutes", "speaker", "quality"}

Phase = str
"""``starting``, ``early``, ``speaking``, ``finishing``, ``resuming`` or ``done``."""


@dataclass
class Notes:
    """What one client was told, and what it found wrong with it."""

    session: str = ""
    acknowledged: int = 0
    """Most samples the server ever said to have."""
    committed: dict[int, str] = field(default_factory=dict[int, str])
    """Text that was said to be final, by the number of its event."""
    finished: str = ""
    """The reason in ``finished``; empty while it has not come."""
    resumed: int = 0
    samples_lost: int = 0
    doubled: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    other: list[str] = field(default_factory=list[str])
    waits_s: list[float] = field(default_factory=list[float])
    """From the loss of a connection to the next ``started``."""


class Speaker(Protocol):
    """One client of a round."""

    passage: Passage
    notes: Notes
    phase: Phase

    async def speak(self) -> None:
        """Say the passage, and read to ``finished``."""
        ...


class StrictSpeaker:
    """A client of its own that trusts nobody: it compares all that is said twice.

    Args:
        url: of the server, or of a proxy before it.
        passage: said.
        pace: times real time.
        random: decides now and then to hear the whole history again.
        translate_to: asked for, with minutes; none of both when empty.
    """

    def __init__(
        self,
        url: str,
        passage: Passage,
        *,
        pace: float,
        random: Random,
        translate_to: str = "",
    ) -> None:
        self.passage = passage
        self.notes = Notes()
        self.phase: Phase = "starting"
        self._url = url
        self._pace = pace
        self._random = random
        self._translate_to = translate_to
        self._token = ""
        self._seq = 0
        self._said: dict[tuple[int, str], str] = {}
        self._asked_after = 0
        self._sent = 0
        self._lost_at: float | None = None

    async def speak(self) -> None:
        """Say the passage, and read to ``finished``."""
        while not self.notes.finished:
            with suppress(OSError, EOFError, TimeoutError, WebSocketException):
                await self._converse()
            if not self.notes.finished:
                if self.notes.session:
                    self.phase = "resuming"
                    self._lost_at = self._lost_at or asyncio.get_running_loop().time()
                await asyncio.sleep(_RETRY_S)
        self.phase = "done"

    async def _converse(self) -> None:
        async with connect(
            f"{self._url}/v1/live",
            subprotocols=[Subprotocol("greffier.v1")],
            compression=None,
            proxy=None,
            open_timeout=_GREETING_S,
            close_timeout=0.2,
            ping_interval=None,
        ) as socket:
            if not await self._greet(socket):
                return
            sending = asyncio.create_task(self._send(socket))
            try:
                while not self.notes.finished:
                    async with asyncio.timeout(_SILENCE_S):
                        self._hear(json.loads(await socket.recv()))
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _greet(self, socket: ClientConnection) -> bool:
        loop = asyncio.get_running_loop()
        begin: dict[str, Any] = {
            "type": "start",
            "language": self.passage.language,
            "translate_to": [self._translate_to] if self._translate_to else [],
            "minutes": bool(self._translate_to),
        }
        self._asked_after = 0
        if self.notes.session:
            self._asked_after = self._random.choice([0, self._seq, self._seq])
            begin["resume"] = {
                "session": self.notes.session,
                "token": self._token,
                "from_sample": self.notes.acknowledged,
                "after_seq": self._asked_after,
            }
        await socket.send(json.dumps(begin))
        async with asyncio.timeout(_GREETING_S):
            answer = cast("dict[str, Any]", json.loads(await socket.recv()))
        if answer["type"] == "error":
            await self._refused(answer)
            return False
        samples = int(answer["samples"])
        if self.notes.session:
            self.notes.resumed += 1
        if samples < self.notes.acknowledged:
            self.notes.samples_lost += self.notes.acknowledged - samples
        if samples > self.passage.samples:
            self.notes.other.append(f"started with {samples} samples, more than there are")
        self.notes.session, self._token = answer["session"], answer["token"]
        self._sent = samples
        self.notes.acknowledged = max(self.notes.acknowledged, samples)
        if self._lost_at is not None:
            self.notes.waits_s.append(loop.time() - self._lost_at)
            self._lost_at = None
        return True

    async def _refused(self, answer: dict[str, Any]) -> None:
        if answer["code"] == "session_closed":  # all had arrived: the rest is only to be read
            await self._watch()
        elif not answer["retryable"]:
            self.notes.other.append(f"refused: {answer['code']}")
            self.notes.finished = "refused"

    async def _watch(self) -> None:
        async with connect(
            f"{self._url}/v1/live",
            subprotocols=[Subprotocol("greffier.v1")],
            compression=None,
            proxy=None,
            close_timeout=0.2,
            ping_interval=None,
        ) as socket:
            self._asked_after = self._seq
            self.phase = "finishing"
            watch = {"type": "watch", "session": self.notes.session, "after_seq": self._seq}
            await socket.send(json.dumps(watch))
            while not self.notes.finished:
                async with asyncio.timeout(_SILENCE_S):
                    self._hear(json.loads(await socket.recv()))

    async def _send(self, socket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        begun, first = loop.time(), self._sent
        while self._sent < self.passage.samples:
            self.phase = "early" if self._sent < RATE else "speaking"
            at = self._sent * 2
            frame = self.passage.pcm[at : at + _STEP_BYTES]
            await socket.send(frame)
            self._sent += len(frame) // 2
            due = begun + (self._sent - first) / RATE / self._pace
            await asyncio.sleep(max(0.0, due - loop.time()))
        self.phase = "finishing"
        await socket.send('{"type":"finish"}')

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ack":
                self._hear_ack(int(message["samples"]))
            case "error":
                pass  # a refusal or a closing follows, and is judged there
            case "finished":
                self.notes.finished = str(message["reason"])
            case _:
                self._hear_event(message)

    def _hear_ack(self, samples: int) -> None:
        if samples > self._sent:
            self.notes.other.append("an acknowledgement of audio that was never sent")
        self.notes.acknowledged = max(self.notes.acknowledged, samples)

    def _hear_event(self, message: dict[str, Any]) -> None:
        kind, seq = str(message["type"]), int(message["seq"])
        lasting = message.get("committed") or message.get("closed") or kind in _LASTING
        if not lasting:
            return
        content = json.dumps({k: v for k, v in message.items() if k not in _VOLATILE})
        known = self._said.setdefault((seq, kind), content)
        if known != content:
            self.notes.changed.append(f"event {seq} ({kind}) was told in two ways")
        if seq <= self._asked_after:
            self.notes.doubled.append(f"event {seq} came again, asked for after it")
        if kind == "caption" and message["committed"]:
            if seq in self.notes.committed and seq <= self._seq and self._asked_after >= seq:
                self.notes.doubled.append(f"commit {seq} was told twice")
            self.notes.committed[seq] = str(message["committed"])
        if kind == "gap":
            self.notes.other.append(f"a gap: {message['cause']}")
        self._seq = max(self._seq, seq)


class LibrarySpeaker:
    """The product's own client, left to itself.

    Args:
        url: of the server, or of a proxy before it.
        passage: said.
        pace: times real time.
        translate_to: asked for, with minutes; none of both when empty.
    """

    def __init__(self, url: str, passage: Passage, *, pace: float, translate_to: str = "") -> None:
        self.passage = passage
        self.notes = Notes()
        self.phase: Phase = "starting"
        self._url = url
        self._pace = pace
        self._translate_to = translate_to
        self._lost_at: float | None = None

    async def speak(self) -> None:
        """Say the passage, and read to ``finished``."""
        while self.phase == "starting":
            try:
                await self._converse()
            except greffier.GreffierError as error:
                if self.notes.session or not error.retryable:
                    self.notes.other.append(f"the client gave up: {error.code}: {error}")
                    if "lost audio" in str(error):
                        self.notes.samples_lost += 1
                    break
                await asyncio.sleep(_RETRY_S)
        self.phase = "done"

    async def _converse(self) -> None:
        async with greffier.connect(
            self._url,
            language=self.passage.language,
            translate_to=[self._translate_to] if self._translate_to else [],
            minutes=bool(self._translate_to),
            reconnect=greffier.RetryPolicy(attempts=200, first_s=0.1, longest_s=0.5),
            on_reconnect=self._reconnected,
        ) as session:
            self.notes.session = session.id
            self.phase = "early"
            async for message in exchange(session, self._chunks()):
                self._hear(message)
                acknowledged = session.acknowledged_ms * RATE // 1000
                self.notes.acknowledged = max(self.notes.acknowledged, acknowledged)
        self.phase = "done"

    def _reconnected(self, notice: greffier.Reconnection) -> None:
        now = asyncio.get_running_loop().time()
        if not notice.resumed:
            self._lost_at = self._lost_at or now
        else:
            self.notes.resumed += 1
            if self._lost_at is not None:
                self.notes.waits_s.append(now - self._lost_at)
            self._lost_at = None

    async def _chunks(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for at in range(0, len(self.passage.pcm), _STEP_BYTES):
            self.phase = "early" if at < RATE * 2 else "speaking"
            yield self.passage.pcm[at : at + _STEP_BYTES]
            due = begun + (at + _STEP_BYTES) / 2 / RATE / self._pace
            await asyncio.sleep(max(0.0, due - loop.time()))
        self.phase = "finishing"

    def _hear(self, message: ServerMessage) -> None:
        match message:
            case greffier.Caption(seq=seq, committed=text) if text:
                if seq in self.notes.committed:
                    self.notes.doubled.append(f"commit {seq} was told twice")
                self.notes.committed[seq] = text
            case greffier.Gap(cause=cause):
                self.notes.other.append(f"a gap: {cause}")
            case greffier.Finished(reason=reason):
                self.notes.finished = reason
            case _:
                pass
