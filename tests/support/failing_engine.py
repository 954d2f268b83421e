"""An engine for tests of isolation: loud audio makes it die, hang, exit or talk nonsense.

Samples of certain values say what happens; everything else is read as encoded speech. Made in a
child by ``tests.support.failing_engine:make``.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from greffier_models.errors import EngineError, UnsupportedLanguage
from greffier_models.fakes import FakeRecognizer
from greffier_models.protocols import BatchRecognizer
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

__all__ = ["CRASH", "EXIT", "HANG", "NONSENSE", "RAISE", "REFUSE", "SLOW", "STOP", "make"]

CRASH, HANG, EXIT, NONSENSE, RAISE, REFUSE, SLOW, STOP = range(31_001, 31_009)


class FailingEngine:
    """Does what the window says."""

    identity = EngineIdentity("fake", "failing", digest="")
    workers = 2

    def __init__(self) -> None:
        self._reader = FakeRecognizer()
        self.languages = self._reader.languages

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        del candidates
        _obey(window)
        return {"en": 0.75, "fr": 0.25}

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        for window, _ in batch:
            _obey(window)
        return self._reader.decode(batch)


def _obey(window: AudioWindow) -> None:
    orders = set(map(int, window.pcm[window.pcm > CRASH - 1]))
    if CRASH in orders:
        signal.raise_signal(signal.SIGSEGV)
    if HANG in orders:
        threading.Event().wait()
    if EXIT in orders:
        os._exit(3)
    if NONSENSE in orders:
        for fd in range(3, 20):  # the answers go to one of them
            try:
                os.write(fd, b"\xff" * 64)
            except OSError:
                continue
    if RAISE in orders:
        raise ZeroDivisionError("what was said")
    if REFUSE in orders:
        raise UnsupportedLanguage("Not this one.")
    if SLOW in orders:
        time.sleep(0.2)
    if STOP in orders:
        os.kill(os.getpid(), signal.SIGSTOP)
        threading.Event().wait()


def make(*, load: str = "") -> BatchRecognizer:
    """Make one; `load` says how that fails."""
    match load:
        case "refuse":
            raise EngineError("No weights here.")
        case "raise":
            raise ZeroDivisionError("private")
        case "die":
            os._exit(1)
        case "print":
            sys.stdout.write("native code prints this\n")
            os.write(1, b"and this\n")
        case _:
            pass
    return FailingEngine()
