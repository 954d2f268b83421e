"""The one thread that writes audio: takes all that is queued, writes it, syncs, answers."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from greffier_server.errors import ServerError, SessionClosed, StorageFailed
from greffier_server.storage.failures import disk_failure
from greffier_server.storage.recording import Recording

__all__ = ["Answer", "Append", "Finish", "SyncThread", "Track", "write_batch"]

_log = logging.getLogger(__name__)


class Track:
    """A recording, with what the thread has to remember of its failures."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.failures = 0
        self.error: ServerError = StorageFailed("The audio could not be kept on disk.")
        self.closed = False

    def fail(self, error: ServerError) -> None:
        """Refuse what was queued before this was known: it would leave a hole."""
        self.failures += 1
        self.error = error


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request, as the event loop hears it."""

    durable_bytes: int
    failures: int
    """Of the track so far; appends made with a smaller number are refused."""
    error: ServerError | None
    stored_bytes: int = 0
    """Space the track's files take."""


@dataclass(eq=False, slots=True)
class _Request:
    track: Track
    answered: Callable[[Answer], None]
    """Called on the event loop that made the request."""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop, kw_only=True)


@dataclass(eq=False, slots=True)
class Append(_Request):
    """Audio to be written behind the rest."""

    audio: bytes
    failures: int
    """Of the track as its caller knew it."""


@dataclass(eq=False, slots=True)
class Finish(_Request):
    """Nothing more comes on this track: close its file, after sealing it if wanted."""

    seal: bool


class SyncThread:
    """Started by the first request, asleep when nothing is queued, ended by `stop`."""

    def __init__(self) -> None:
        self._queue: list[Append | Finish] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def put(self, request: Append | Finish) -> None:
        """Queue a request; never blocks for longer than the queue's lock is held.

        Raises:
            SessionClosed: the thread has been stopped; nobody would answer.
        """
        with self._changed:
            if self._stopping:
                raise SessionClosed("The server is stopping; reconnect in a moment.")
            self._queue.append(request)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Finish what is queued and end (blocking)."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._stopping:
                    self._changed.wait()
                batch, self._queue = self._queue, []
            if not batch:
                return
            _tell(batch, write_batch(batch))


def write_batch(batch: Sequence[Append | Finish]) -> Sequence[Answer]:
    """Write and sync what `batch` asks for; one answer for each request."""
    ends: dict[int, int] = {}
    errors: dict[int, ServerError] = {}
    for index, request in enumerate(batch):
        error = _guarded(request.track, request)
        if error is not None:
            errors[index] = error
        elif isinstance(request, Append):
            ends[index] = request.track.recording.written_bytes
    for track in {request.track for request in batch}:
        if not track.closed:
            _guarded(track, None)
    for index, end in ends.items():
        if end > batch[index].track.recording.durable_bytes:
            errors[index] = batch[index].track.error
    return [
        Answer(
            durable_bytes=request.track.recording.durable_bytes,
            failures=request.track.failures,
            error=errors.get(index),
            stored_bytes=request.track.recording.stored_bytes,
        )
        for index, request in enumerate(batch)
    ]


def _guarded(track: Track, request: Append | Finish | None) -> ServerError | None:
    """Do `request` (None: sync the track); return what went wrong."""
    try:
        match request:
            case None:
                track.recording.sync()
            case Append():
                _append(track, request)
            case Finish():
                _finish(track, seal=request.seal)
    except ServerError as error:
        return error
    except OSError as error:
        track.fail(disk_failure(error))
        return track.error
    except Exception:  # noqa: BLE001 - whoever waits must hear of it
        _log.exception("the audio journal met a defect; the recording takes no more audio")
        track.fail(StorageFailed("The audio could not be kept. Report this error."))
        track.closed = True
        track.recording.close()
        return track.error
    return None


def _append(track: Track, append: Append) -> None:
    if track.closed:
        raise SessionClosed("The recording is closed; no audio can be added to it.")
    if append.failures != track.failures:
        raise track.error
    try:
        track.recording.write(append.audio)
    except StorageFailed as error:  # no key: what was queued behind it must not be kept either
        track.fail(error)
        raise


def _finish(track: Track, *, seal: bool) -> None:
    if seal:
        track.recording.seal()
    elif not track.closed:
        track.closed = True
        try:
            track.recording.sync()
        finally:
            track.recording.close()


def _tell(batch: Sequence[Append | Finish], answers: Sequence[Answer]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Append | Finish, Answer]]] = {}
    for request, answer in zip(batch, answers, strict=True):
        by_loop.setdefault(request.loop, []).append((request, answer))
    for loop, pairs in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            loop.call_soon_threadsafe(_answer_all, pairs)


def _answer_all(pairs: Sequence[tuple[Append | Finish, Answer]]) -> None:
    for request, answer in pairs:
        request.answered(answer)
