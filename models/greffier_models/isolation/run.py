"""One run of the child process, from its start to its death; everything here blocks.

A thread of its own starts the child, takes its answers, watches it, and buries it. The thread has
to be the same from beginning to end: Linux ends a child with the *thread* that made it
(PR_SET_PDEATHSIG, prctl(2)).
"""

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import IO

from greffier_models.errors import EngineDied, EngineError, EngineUnavailable
from greffier_models.isolation.child_log import relay
from greffier_models.isolation.frames import BrokenFrame, FrameReader, Header, write_frame
from greffier_models.isolation.recipe import Recipe
from greffier_models.isolation.values import error_of, identity_of
from greffier_models.isolation.watch import Watch, WatchSettings
from greffier_models.types import EngineIdentity

__all__ = ["ChildRun", "Welcome"]

_log = logging.getLogger(__name__)

_TICK_S = 0.25
_STOP_S = 2.0
_PIPE_BYTES = 1 << 20
"""Two windows of 15 s; more is not allowed to everybody (``/proc/sys/fs/pipe-max-size``)."""
_CHILD = "greffier_models.isolation.child"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a child says once its engine is loaded."""

    identity: EngineIdentity
    languages: frozenset[str]
    workers: int


class ChildRun:
    """One child; started once.

    Args:
        recipe: of its engine.
        settings: when it counts as stuck.
    """

    def __init__(self, recipe: Recipe, settings: WatchSettings) -> None:
        self._recipe = recipe
        self._settings = settings
        self._watch = Watch(settings, tick_s=_TICK_S, now_s=time.monotonic())
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._asked: dict[int, Future[object]] = {}
        self._count = 0
        self._cause = ""
        self._stop_s: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: Future[Welcome] = Future()
        self._thread = threading.Thread(target=self._live, name="engine-process", daemon=True)
        self.memory_bytes = 0
        """Resident, as of the last heartbeat."""

    @property
    def pid(self) -> int | None:
        """Of the child, while it runs."""
        process = self._process
        return process.pid if process is not None and not self._cause else None

    def start(self) -> Welcome:
        """Start the child and wait until its engine is loaded.

        Raises:
            EngineError: it cannot be loaded, as the child says.
            EngineDied: the child died, or took too long.
        """
        self._thread.start()
        return self._ready.result()

    def ask(self, header: Header, body: Sequence[memoryview], *, cost: float) -> object:
        """Send a request and wait for its answer.

        Raises:
            EngineError: what the engine raised.
            EngineDied: the child is gone.
        """
        answer: Future[object] = Future()
        with self._lock:
            process = self._process
            if self._cause or process is None or process.stdin is None:
                raise _gone(self._cause or "died")
            self._count += 1
            number = self._count
            self._asked[number] = answer
            self._watch.began(number, cost=cost, now_s=time.monotonic())
        try:
            with self._writing:
                write_frame(process.stdin.fileno(), {**header, "id": number}, body)
        except (OSError, ValueError):  # it reads no more
            process.kill()
        return answer.result()

    def fail(self, cause: str) -> None:
        """Give the child up, for an answer that means nothing."""
        self._give_up(cause)

    def end(self) -> None:
        """Let the child end, or kill it; returns when it is gone. May be called twice."""
        with self._lock:
            if self._stop_s is None:
                self._stop_s = time.monotonic() + _STOP_S
            process = self._process
        if process is not None and process.stdin is not None and self._writing.acquire(timeout=0.1):
            try:
                with contextlib.suppress(OSError):
                    process.stdin.close()  # the end of its input is the end of the child
            finally:
                self._writing.release()
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread ---------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            process = self._spawn()
        except OSError:
            _log.exception("the speech model's process cannot be started")
            self._bury("died")
            return
        errors = threading.Thread(
            target=relay, args=(process.stderr,), name="engine-process-log", daemon=True
        )
        errors.start()
        cause = "died"
        try:
            cause = self._listen(process)
        except BrokenFrame:
            cause = "nonsense"
        finally:
            self._give_up(cause)
            if cause != "died":
                process.kill()
            code = _waited(process)
            for stream in (process.stdin, process.stdout):
                _close(stream)
            errors.join(_STOP_S)
            if self._cause not in {"closed", "refused"}:
                _log.error(
                    "the speech model's process is gone",
                    extra={"cause": self._cause, "status": _status(code)},
                )
            self._bury(self._cause)

    def _spawn(self) -> subprocess.Popen[bytes]:
        # A group of its own keeps the terminal's Ctrl-C away.
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
            process_group=0 if os.name == "posix" else None,
        )
        _widen(process.stdin)
        recipe = {
            **asdict(self._recipe),
            "beat_s": self._settings.beat_s,
            "parent": os.getpid(),
            "level": logging.getLogger().getEffectiveLevel(),
        }
        assert process.stdin is not None  # noqa: S101 - given above
        with contextlib.suppress(OSError):
            write_frame(process.stdin.fileno(), recipe)
        with self._lock:
            self._process = process
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> str:
        """Take answers until the child is to be given up; return why."""
        assert process.stdout is not None  # noqa: S101 - given above
        frames, fd = FrameReader(), process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while True:
                if selector.select(_TICK_S):
                    piece = os.read(fd, 1 << 16)
                    if not piece:
                        return "closed" if self._stop_s is not None else "died"
                    for frame in frames.push(piece):
                        self._take(frame)
                now_s = time.monotonic()
                with self._lock:
                    stuck = self._watch.look(now_s)
                    stopped = self._stop_s is not None and now_s > self._stop_s
                if self._cause:
                    return self._cause
                if stopped:
                    return "closed"
                if stuck is not None:
                    return stuck

    def _take(self, frame: Header) -> None:
        now_s = time.monotonic()
        if "beat" in frame:
            with self._lock:
                self._watch.beat(now_s)
            memory = frame.get("memory")
            self.memory_bytes = memory if isinstance(memory, int) else 0
        elif "ready" in frame:
            self._welcome(frame["ready"])
        elif "refused" in frame:
            self._ready.set_exception(error_of(frame["refused"]))
            self._give_up("refused")
        else:
            self._answer(frame, now_s)

    def _welcome(self, said: object) -> None:
        if not isinstance(said, dict):
            raise BrokenFrame
        try:
            welcome = Welcome(
                identity_of(said["identity"]),  # pyright: ignore[reportUnknownArgumentType]
                frozenset(map(str, said["languages"])),  # pyright: ignore[reportUnknownArgumentType]
                int(said["workers"]),  # pyright: ignore[reportUnknownArgumentType]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenFrame from error
        with self._lock:
            self._watch.loaded(time.monotonic())
        if not self._ready.done():
            self._ready.set_result(welcome)

    def _answer(self, frame: Header, now_s: float) -> None:
        number = frame.get("id")
        with self._lock:
            if not isinstance(number, int) or number not in self._asked:
                raise BrokenFrame
            answer = self._asked.pop(number)
            self._watch.ended(number, now_s)
        if "error" in frame:
            answer.set_exception(error_of(frame["error"]))
        else:
            answer.set_result(frame.get("answer"))

    def _give_up(self, cause: str) -> None:
        """Take no more requests; the first cause stands."""
        with self._lock:
            self._cause = self._cause or cause

    def _bury(self, cause: str) -> None:
        """Tell everybody who waits."""
        self._give_up(cause)
        with self._lock:
            waiting, self._asked = list(self._asked.values()), {}
        error = _gone(cause)
        if not self._ready.done():
            self._ready.set_exception(error)
        for answer in waiting:
            answer.set_exception(error)


def _gone(cause: str) -> EngineError:
    if cause == "closed":
        return EngineUnavailable("The speech model was closed.")
    return EngineDied("The speech model's process ended; it is started again.", cause=cause)


def _environment() -> dict[str, str]:
    """Without our own settings, which may hold secrets; free memory goes back (see mallopt(3))."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREFFIER_")}
    return {"MALLOC_ARENA_MAX": "2", **kept}


def _widen(pipe: IO[bytes] | None) -> None:
    """Let whole windows into the pipe at once: fewer changes between the processes."""
    if sys.platform == "linux" and pipe is not None:
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _waited(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()


def _status(code: int) -> str:
    """``exit 1``, or the name of the signal."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
