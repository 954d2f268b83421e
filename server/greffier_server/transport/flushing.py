"""Deciding what was said so far while the session goes on, for protocols that can ask for that.

A recogniser decides words at a pause. A client that asks for them before has stopped speaking into
the socket, so the pause is made: silence is added to the recording. It is left out of the times
that the client is told.
"""

import asyncio
from bisect import bisect_left
from typing import Final

from greffier_server.pipeline.read_back import silence
from greffier_server.transport.guest import Guest
from greffier_server.transport.refusals import TooManyFrames

__all__ = ["SILENCE_MS", "ClientClock", "Flusher"]

SILENCE_MS: Final = 1_200
"""Twice the silence after which a stretch of speech is decided (`WindowSettings.pause_ms`)."""
_MOST: Final = 10_000
_LEAST_NEW_MS: Final = 20
"""Less audio than this since the last flush holds no word."""
_POLL_S: Final = 0.05
_LONGEST_S: Final = 60.0
"""A recogniser this far behind answers later, with the words themselves."""
_TAIL_MS: Final = 300
"""The recogniser looks at audio in steps; what is left of a step, and of a resampler, is less."""


class ClientClock:
    """The session's times as its client counts them: without silence that it did not send."""

    def __init__(self) -> None:
        self._at_ms: list[int] = []
        self._added_ms: list[int] = []

    @property
    def pauses(self) -> int:
        """Stretches of silence that were added."""
        return len(self._at_ms)

    def add(self, at_ms: int, length_ms: int) -> None:
        """Silence was added at a time of the session's clock, after any before."""
        self._at_ms.append(at_ms)
        self._added_ms.append(self._before() + length_ms)

    def client_ms(self, session_ms: int) -> int:
        """Return the client's time; all of an added silence is one instant to it."""
        count = bisect_left(self._at_ms, session_ms)
        if not count:
            return session_ms
        before = self._added_ms[count - 2] if count > 1 else 0
        within = session_ms - self._at_ms[count - 1]
        return session_ms - before - min(within, self._added_ms[count - 1] - before)

    def _before(self) -> int:
        return self._added_ms[-1] if self._added_ms else 0


class Flusher:
    """Makes pauses in one session.

    Args:
        guest: the session.
        clock: told of the silence that is added.
    """

    def __init__(self, guest: Guest, clock: ClientClock) -> None:
        self._guest = guest
        self._clock = clock
        self._flushed_ms = 0

    @property
    def accepted_ms(self) -> int:
        """Audio taken so far, on the session's clock."""
        session = self._guest.session
        return session.accepted_samples * 1_000 // session.format.rate

    async def flush(self) -> None:
        """Return when everything taken so far is decided and in the session's log.

        Raises:
            SessionClosed, StorageFailed: as in `SpeakingSession.push`.
            TooManyFrames: this was asked thousands of times.
        """
        at_ms = self.accepted_ms
        if at_ms - self._flushed_ms < _LEAST_NEW_MS:
            return
        if self._clock.pauses >= _MOST:
            raise TooManyFrames(f"a session is flushed at most {_MOST} times; open another one")
        session = self._guest.session
        # In the session's own format, whatever the client's is.
        await session.push(silence(session.format, session.format.rate * SILENCE_MS // 1_000))
        self._clock.add(at_ms, SILENCE_MS)
        self._flushed_ms = self.accepted_ms
        try:
            async with asyncio.timeout(_LONGEST_S):
                # The recogniser tells nobody how far it is where nothing was said.
                while session.heard_ms < self._flushed_ms - _TAIL_MS:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return
