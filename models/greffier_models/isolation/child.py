"""The child: loads an engine and answers requests until its input ends.

Started by `run.py` as ``python -m greffier_models.isolation.child``. Its first frame is the recipe;
its standard output carries frames alone, whatever else is printed goes to standard error.
"""

import contextlib
import faulthandler
import io
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from greffier_models.allocator import giving_back, limit_heaps, resident_bytes
from greffier_models.errors import EngineError
from greffier_models.isolation.child_log import log_to_stderr
from greffier_models.isolation.frames import Header, read_frame, write_frame
from greffier_models.isolation.recipe import Recipe
from greffier_models.isolation.values import (
    header_of_error,
    options_of,
    plain_hypothesis,
    plain_identity,
    windows_of,
)
from greffier_models.protocols import BatchRecognizer

__all__ = ["main"]

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; prctl(2)."""
_BADNESS = "600"
"""Memory that runs out is taken from here first: the server can start another child."""
_NETWORK = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"})


def main() -> None:
    """Serve one engine."""
    limit_heaps()
    answers = os.dup(1)
    os.dup2(2, 1)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = cast("io.BufferedReader", sys.stdin.buffer)
    first = read_frame(requests)
    if first is None:
        return
    recipe = cast("dict[str, Any]", first[0])
    die_with(recipe["parent"])
    log_to_stderr(recipe["level"])
    sys.addaudithook(_refuse_network)
    outlet = Outlet(answers)
    _start(lambda: beat(outlet, recipe["beat_s"]), 1)
    try:
        engine = Recipe(recipe["factory"], recipe["arguments"]).make()
    except EngineError as error:
        outlet.send({"refused": header_of_error(error)})
    except Exception:  # noqa: BLE001 - whatever an engine raises must be an answer
        _log.exception("the engine cannot be loaded")
        failed = EngineError("The speech model cannot be loaded; see the server's log.")
        outlet.send({"refused": header_of_error(failed)})
    else:
        with giving_back():
            serve(engine, requests, outlet)
    os._exit(0)  # what runs is not waited for


class Outlet:
    """Where answers go, from all threads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, header: Header) -> None:
        """Send one frame; without a parent the child ends."""
        with self._lock:
            try:
                write_frame(self._fd, header)
            except OSError:
                os._exit(0)


def serve(engine: BatchRecognizer, requests: io.BufferedReader, outlet: Outlet) -> None:
    """Answer until the end of `requests`; as many at once as the engine has workers."""
    workers = int(getattr(engine, "workers", 1))
    waiting: queue.SimpleQueue[tuple[Header, bytearray]] = queue.SimpleQueue()

    def work() -> None:
        while True:
            outlet.send(answer(engine, *waiting.get()))

    _start(work, workers)
    welcome = {
        "identity": plain_identity(engine.identity),
        "languages": sorted(engine.languages),
        "workers": workers,
    }
    outlet.send({"ready": welcome})
    while (frame := read_frame(requests)) is not None:
        waiting.put(frame)


def beat(outlet: Outlet, every_s: float) -> None:
    """Say that the interpreter still turns, again and again."""
    while True:
        outlet.send({"beat": True, "memory": resident_bytes()})
        time.sleep(every_s)


def answer(engine: BatchRecognizer, asked: Header, body: bytearray) -> Header:
    """Do what is asked; errors are answers."""
    number = asked["id"]
    try:
        windows = windows_of(asked["windows"], body)
        if asked["do"] == "identify":
            candidates = cast("list[str]", asked["candidates"])
            return {"id": number, "answer": engine.identify(windows[0], tuple(candidates))}
        options = map(options_of, cast("list[dict[str, Any]]", asked["options"]))
        decoded = engine.decode(list(zip(windows, options, strict=True)))
        return {"id": number, "answer": [plain_hypothesis(each) for each in decoded]}
    except EngineError as error:
        return {"id": number, "error": header_of_error(error)}
    except Exception:  # noqa: BLE001 - whatever an engine raises must be an answer
        _log.exception("the speech model raised an unexpected error")
        failed = EngineError("The speech model failed; see the server's log.")
        return {"id": number, "error": header_of_error(failed)}


def die_with(parent: int) -> None:
    """Let the system end this process with its parent, even one that is stopped or hangs."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_BADNESS)
    if os.name == "posix" and os.getppid() != parent:  # it was gone before that
        os._exit(0)


def _start(target: Callable[[], None], count: int) -> None:
    for number in range(count):
        threading.Thread(target=target, name=f"engine-{number}", daemon=True).start()


def _refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if event in _NETWORK:
        raise PermissionError("a recogniser reaches nothing")


if __name__ == "__main__":
    main()
