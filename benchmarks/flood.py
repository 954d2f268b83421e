"""A flood of TCP connects and upgrade requests at a set rate, from one process and one thread.

``python -m benchmarks.flood --port 8000 --per-s 1000 --seconds 10`` prints one JSON object. Every
connect is due at its own instant, whatever became of those before: a server that is slow gets no
fewer. The request is ready beforehand, so that a thousand a second cost little of a core.
"""

import argparse
import json
import resource
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final

from benchmarks.lag import percentile

__all__ = ["HANDSHAKE", "Flood", "Flooded", "main"]

HANDSHAKE: Final = (
    b"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: greffier.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_IN_A_TURN: Final = 64
_AT_ONCE: Final = socket.SO_LINGER, struct.pack("ii", 1, 0)
"""Closed by a reset: a closed connection keeps no port for a minute (RFC 9293 §3.6.1)."""
_SOURCES: Final = 8
"""Loopback addresses that connects come from: one has 28,000 ports."""


@dataclass
class Flooded:
    """What became of the connects."""

    asked_per_s: float
    seconds: float = 0.0
    """Until the last connect was begun."""
    offered: int = 0
    """Connects begun."""
    offered_per_s: float = 0.0
    sent: int = 0
    """Connected, and the request handed over."""
    answers: dict[str, int] = field(default_factory=dict[str, int])
    """By status, with the code that the server named: ``101``, ``503 server_busy``. Of those
    without an answer: ``closed``, ``reset``, ``refused``, ``silent`` (none in time)."""
    answered_per_s: float = 0.0
    upgraded_per_s: float = 0.0
    answer_p50_ms: float = 0.0
    """From the connect to the first byte of the answer."""
    answer_p95_ms: float = 0.0
    generator_cpu_s: float = 0.0
    most_open: int = 0


class Flood:
    """Connects again and again to a port on loopback.

    Args:
        port: of the server.
        per_s: connects a second.
        seconds: so long.
        hold: leave what is open open to the end; else each leaves when it has its answer.
        request: sent by each at once.
        patience_s: longest wait for an answer.
    """

    def __init__(
        self,
        port: int,
        *,
        per_s: float,
        seconds: float,
        hold: bool = False,
        request: bytes = HANDSHAKE,
        patience_s: float = 10.0,
    ) -> None:
        self._address = ("127.0.0.1", port)
        self._per_s = per_s
        self._seconds = seconds
        self._hold = hold
        self._request = request
        self._patience_s = patience_s
        self._epoll = select.epoll()
        self._waiting: dict[int, tuple[socket.socket, float]] = {}
        """In order of their age."""
        self._held: list[socket.socket] = []
        self._answers: Counter[str] = Counter()
        self._latencies_ms: list[float] = []
        self._found = Flooded(asked_per_s=per_s)

    def run(self) -> Flooded:
        """Flood, wait for the last answers, and close everything."""
        clock, found = time.perf_counter, self._found
        begun, spent = clock(), time.process_time()
        due = round(self._per_s * self._seconds)
        try:
            while found.offered < due:
                now = clock() - begun
                for _ in range(min(_IN_A_TURN, int(now * self._per_s) + 1 - found.offered)):
                    self._connect()
                    found.seconds = clock() - begun
                    if found.offered == due:
                        break
                self._take_answers((found.offered / self._per_s) - (clock() - begun))
                self._give_up(older_than=clock() - self._patience_s)
            end = clock() + self._patience_s
            while self._waiting and clock() < end:
                self._take_answers(0.05)
            elapsed = clock() - begun
        finally:
            self._give_up(older_than=clock() + 1)
            for held in self._held:
                held.close()
            self._epoll.close()
        found.generator_cpu_s = time.process_time() - spent
        found.answers = dict(self._answers.most_common())
        answered = len(self._latencies_ms)
        found.offered_per_s = found.offered / max(found.seconds, 1e-9)
        found.answered_per_s = answered / elapsed
        found.upgraded_per_s = self._answers["101"] / elapsed
        found.answer_p50_ms = percentile(self._latencies_ms, 50) if answered else float("nan")
        found.answer_p95_ms = percentile(self._latencies_ms, 95) if answered else float("nan")
        return found

    def _connect(self) -> None:
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, *_AT_ONCE)
        if sys.platform == "linux":  # elsewhere there is only one loopback address
            one.bind((f"127.0.0.{2 + self._found.offered % _SOURCES}", 0))
        self._found.offered += 1
        one.connect_ex(self._address)
        self._waiting[one.fileno()] = (one, time.perf_counter())
        self._found.most_open = max(self._found.most_open, len(self._waiting) + len(self._held))
        self._epoll.register(one.fileno(), select.EPOLLOUT)

    def _take_answers(self, wait_s: float) -> None:
        for number, events in self._epoll.poll(max(0.0, wait_s), 1_024):
            one, begun = self._waiting[number]
            if events & (select.EPOLLERR | select.EPOLLHUP) and not events & select.EPOLLIN:
                self._end(number, "reset")
            elif events & select.EPOLLOUT:
                self._send(number, one)
            else:
                self._receive(number, one, begun)

    def _send(self, number: int, one: socket.socket) -> None:
        try:
            one.send(self._request)
        except OSError:
            self._end(number, "reset")
            return
        self._found.sent += 1
        self._epoll.modify(number, select.EPOLLIN)

    def _receive(self, number: int, one: socket.socket, begun: float) -> None:
        try:
            answer = one.recv(4_096)
        except OSError:
            self._end(number, "reset")
            return
        if not answer:
            self._end(number, "closed")
            return
        self._latencies_ms.append((time.perf_counter() - begun) * 1_000)
        self._end(number, _said(answer), hold=self._hold)

    def _end(self, number: int, how: str, *, hold: bool = False) -> None:
        one, _ = self._waiting.pop(number)
        self._answers[how] += 1
        self._epoll.unregister(number)
        if hold:
            self._held.append(one)
        else:
            one.close()

    def _give_up(self, *, older_than: float) -> None:
        late = [number for number, (_, begun) in self._waiting.items() if begun < older_than]
        for number in late:
            self._end(number, "silent")


def _said(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head[9:12].decode("ascii", "replace")
    with suppress(ValueError, KeyError, TypeError):
        return f"{status} {json.loads(body)['code']}"
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Flood and print what became of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flood", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--per-s", type=float, default=1_000.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--hold", action="store_true", help="leave what is open open")
    parser.add_argument("--patience-s", type=float, default=10.0)
    options = parser.parse_args(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    flooded = Flood(
        options.port,
        per_s=options.per_s,
        seconds=options.seconds,
        hold=options.hold,
        patience_s=options.patience_s,
    ).run()
    print(json.dumps(asdict(flooded)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
