"""A session whose audio goes to this machine's disk first, and to the server when it is there."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from greffier.backoff import Reconnection, RetryPolicy
from greffier.errors import (
    AudioKept,
    ConnectionLost,
    GreffierError,
    InputClosed,
    MisalignedAudio,
    ProtocolViolation,
    ServerRefused,
    SpoolUnusable,
)
from greffier.forwarding import Forwarder
from greffier.inbox import Inbox
from greffier.protocol import AudioFormat, ServerMessage
from greffier.spool import Recording
from greffier.wire import Wire

__all__ = ["SpooledSession"]

_FIRST_ANSWER_S: Final = 3.0
"""A server that answers at once may refuse what was asked; another is waited for later."""


class SpooledSession:
    """Send audio, iterate over events, as with `LiveSession`; made by `greffier.connect`.

    `send` returns when the audio is with this machine's disk, whatever the server and the link do.
    After `finish`, the iteration ends when the server has said all, or with `AudioKept`.

    Args:
        recording: new, or one that goes on; closed with the session.
        dial: connects to the server.
        retry: delays between attempts; their number counts from `finish` on.
        on_reconnect: told of each attempt.
        pace: kept audio is sent at most so many times faster than real time.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        dial: Callable[[], Awaitable[Wire]],
        retry: RetryPolicy,
        on_reconnect: Callable[[Reconnection], None] | None = None,
        pace: float = 4.0,
    ) -> None:
        self._recording = recording
        self._inbox = Inbox()
        self._forwarder = Forwarder(
            recording,
            dial=dial,
            deliver=self._inbox.put,
            retry=retry,
            on_reconnect=on_reconnect,
            pace=pace,
        )
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._failure: GreffierError | None = None
        self._finishing = False

    @property
    def id(self) -> str:
        """Session id of the server; empty until it was reached."""
        return self._recording.progress.session

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `send` takes."""
        return self._recording.format

    @property
    def folder(self) -> Path:
        """Where the audio is kept."""
        return self._recording.folder

    @property
    def sent_ms(self) -> int:
        """Audio given to `send` so far."""
        return self._recording.end_sample * 1000 // self.format.rate

    @property
    def acknowledged_ms(self) -> int:
        """Audio that is on the server's disk."""
        return self._recording.progress.acknowledged * 1000 // self.format.rate

    @property
    def waiting_ms(self) -> int:
        """Audio that the server has not got yet."""
        return self._recording.waiting_ms

    @property
    def lost_ms(self) -> int:
        """Audio that found no room in the spool, or that the disk did not take."""
        return self._recording.lost_samples * 1000 // self.format.rate

    async def open(self) -> None:
        """Begin to forward; a server that is reached at once may still say no.

        Raises:
            ServerRefused: as in `greffier.connect`; nothing is kept.
        """
        self._task = asyncio.create_task(self._run(), name="greffier-forward")
        try:
            async with asyncio.timeout(_FIRST_ANSWER_S):
                await asyncio.shield(self._forwarder.first_answer)
        except TimeoutError:
            pass
        except ServerRefused as error:
            if not error.retryable and self._recording.end_sample == 0:
                await self._stop()
                await asyncio.to_thread(self._recording.discard)
                raise
        except GreffierError:
            pass  # not reached, or something else answers in its place: later

    async def send(self, audio: bytes) -> None:
        """Take audio; waits for the disk, never for the server.

        Raises:
            MisalignedAudio: not a whole number of frames; nothing of it is taken.
            InputClosed: after `finish`.
        """
        if len(audio) % self.format.frame_bytes:
            raise MisalignedAudio(f"audio must come in whole frames of {self.format.frame_bytes}")
        if self._finishing:
            raise InputClosed("the session takes no more audio after finish")
        async with self._writing:
            await asyncio.to_thread(self._recording.append, audio)
        self._forwarder.notify()

    async def finish(self) -> None:
        """Say that no more audio comes; returns when all of it is on this machine's disk.

        Raises:
            SpoolUnusable: the disk does not keep it.
        """
        self._finishing = True
        async with self._writing:
            try:
                await asyncio.to_thread(self._recording.end)
            except OSError as error:
                message = f"cannot write to {self.folder}: {error.strerror}"
                raise SpoolUnusable(message) from error
        self._forwarder.notify()

    def __aiter__(self) -> "SpooledSession":
        return self

    async def __anext__(self) -> ServerMessage:
        message = await self._inbox.get()
        if message is None:
            raise StopAsyncIteration
        return message

    async def close(self) -> None:
        """Stop forwarding; what the server has not got stays in the spool. Can be called twice."""
        await self._stop()
        await asyncio.to_thread(self._recording.close)

    async def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._inbox.end(self._failure)

    async def _run(self) -> None:
        try:
            await self._forwarder.run()
        except (ConnectionLost, ProtocolViolation) as error:
            self._failure = AudioKept(self.folder, waiting_ms=self.waiting_ms)
            self._failure.__cause__ = error
        except GreffierError as error:
            self._failure = error
        await self._inbox.end(self._failure)
