"""What transports see of sessions, and what a session sees of its stages."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from greffier.protocol import AudioFormat, Resume, Start
from greffier_server.core.events import Event, GapFound, Recorded
from greffier_server.pipeline.log import EventLog

__all__ = ["Hearing", "SessionDesk", "SpeakingSession", "Stage"]


class Hearing(Protocol):
    """The recognition of one channel of a session, live or of a whole recording."""

    @property
    def heard_ms(self) -> int:
        """Audio it has taken from the feed, on the session's clock."""
        ...

    async def listen(self) -> None:
        """Recognise to the end of the feed; returns when the last word is recorded."""
        ...

    async def finish(self) -> None:
        """Record that all is recognised; called of one channel when every one has listened."""
        ...


class Stage(Protocol):
    """A reader of the log that may append to it. Nothing it reads is written downstream of it."""

    name: str
    reads: frozenset[type[Event]]
    writes: frozenset[type[Event]]

    async def run(self, log: EventLog) -> None:
        """Follow the log from its first record to the end of this stage's work, then return.

        Called anew after a restart: what the history already holds is not done twice. Engine
        errors become `StageFailed` events; they never end the session.
        """
        ...


class SpeakingSession(Protocol):
    """A session as the client that speaks into it holds it. One holder at a time."""

    @property
    def tenant(self) -> str:
        """Owner."""
        ...

    @property
    def id(self) -> str:
        """Session id, URL-safe."""
        ...

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `push` takes."""
        ...

    @property
    def log(self) -> EventLog:
        """The session's events."""
        ...

    @property
    def accepted_samples(self) -> int:
        """Samples of each channel taken so far."""
        ...

    @property
    def durable_samples(self) -> int:
        """Samples of each channel that are on disk."""
        ...

    @property
    def heard_ms(self) -> int:
        """Audio that recognition has looked at, on the session's clock."""
        ...

    async def push(self, audio: bytes) -> None:
        """Take audio; waits while the session's bounded buffer is full (back-pressure).

        Raises:
            MisalignedAudio: not a whole number of frames; nothing of it is taken.
            SessionClosed: the session's input has ended.
            StorageFailed: the journal cannot be written; what was durable stays.
        """
        ...

    async def note_gaps(self, gaps: Sequence[GapFound]) -> None:
        """Record audio that never arrived and was pushed as silence, as from a network that loses.

        Raises:
            SessionTakenOver: another client holds the session.
            SessionClosed: the session is over.
            StorageFailed: the store takes no events.
        """
        ...

    def acks(self) -> AsyncIterator[int]:
        """Yield `durable_samples` each time it has grown; ends with the input.

        Raises:
            SessionTakenOver: a newer client holds the session.
            StorageFailed: the journal cannot be written.
        """
        ...

    async def finish(self) -> None:
        """No more audio will come. Returns at once; the log ends when all work is done.

        Raises:
            StorageFailed: audio before it was not kept: the session waits for it to come again.
        """
        ...

    async def detach(self, cause: str) -> None:
        """The client is gone; after a grace time without `resume` the session finishes itself."""
        ...


class SessionDesk(Protocol):
    """Where sessions are opened, found and ended."""

    async def open(self, tenant: str, start: Start) -> tuple[SpeakingSession, str]:
        """Begin a session; return it and its resume token.

        Raises:
            UnsupportedAudio, UnknownLanguage, ServerBusy, ModelNotLoaded, StorageFailed.
        """
        ...

    async def resume(self, tenant: str, resume: Resume) -> SpeakingSession:
        """Take a session again after a lost socket; its input goes on at `durable_samples`.

        A client that still holds it is refused from then on (`SessionTakenOver`: the newer client
        wins), unless the newer one does not want that.

        Raises:
            SessionBusy (held, and `resume.takeover` is not set), SessionNotFound,
            AuthenticationFailed (wrong token), SessionClosed, UnexpectedMessage
            (`from_sample` beyond what is durable, or before it by more than the journal can skip).
        """
        ...

    def follow(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Events of a live or a stored session, from seq > `after` to its end.

        Raises:
            SessionNotFound.
        """
        ...

    async def delete(self, tenant: str, session: str) -> None:
        """End the session if it is live, then delete its events and audio.

        Raises:
            SessionNotFound.
        """
        ...

    @property
    def live_count(self) -> int:
        """Sessions with input or work left."""
        ...

    async def close(self) -> None:
        """Stop taking sessions; hand the unfinished ones to the next start."""
        ...
