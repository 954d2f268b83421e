"""Whole recordings sent over HTTP: each becomes a session, read in whole windows.

What arrives is kept in a temporary file until it is transcribed, so that memory holds little of it;
the file has no name and is encrypted under a key of its own (`sealed_file`), so that nothing is
left behind, not even on the disk's blocks. `recording_decoder` decodes it in a process of its own,
which is given the key through a pipe. The session is like any other: journal, events, translations
and limits are the same.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from greffier.protocol import AudioFormat, Finished, ServerMessage, Start, Started
from greffier_server.errors import ServerBusy
from greffier_server.transport import recording_decoder
from greffier_server.transport.frames import closing
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.sealed_file import SealedFile
from greffier_server.transport.upload_errors import (
    RecordingTooLarge,
    RecordingTooLong,
    RecordingTooSlow,
    RecordingUnreadable,
)
from greffier_server.upload_settings import UploadSettings

__all__ = ["Uploads"]

T = TypeVar("T")

_PIECE_BYTES: Final = 64_000
"""Read and journalled at once; two seconds at the decoder's rate."""
_GRACE_S: Final = 60.0
_LEAST_BYTES_PER_S: Final = 2_000
"""Of an upload, on average, beyond the time of grace."""
_ANSWER_S: Final = 60.0
"""A decoder that gives nothing for so long has hung."""
_HOUR_MS: Final = 3_600_000
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG")
_REFUSED: Final = {
    "unreadable": "the file is not a recording of a known kind, or is damaged; send WAV, FLAC, "
    "MP3, Ogg, WebM or MP4",
    "silent": "the file holds no sound",
    "channels": "the recording has more channels than can be kept apart (8)",
}


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A recording as PCM."""

    format: AudioFormat
    pieces: AsyncIterator[bytes]


class Uploads:
    """Takes recordings for every adapter that knows them; one in ``app.state.uploads``.

    Args:
        doorway: of the server.
        settings: how large, how many.
    """

    def __init__(self, doorway: Doorway, settings: UploadSettings) -> None:
        self._doorway = doorway
        self._settings = settings
        self._count = 0

    @contextmanager
    def place(self) -> Generator[None, None, None]:
        """Hold a place from before the first byte is read until the last one is transcribed.

        Raises:
            ServerBusy: all places are taken.
            ServerStopping: the server shuts down.
        """
        with self._doorway.connections.place():
            self._doorway.check_room()
            if self._count >= self._settings.at_once:
                raise ServerBusy("too many recordings are being sent; try again later")
            self._count += 1
            try:
                yield
            finally:
                self._count -= 1

    async def bounded(self, stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield a request's body as it comes.

        Raises:
            RecordingTooLarge: it goes on beyond what one recording may have.
            RecordingTooSlow: it would hold its place for ever.
        """
        due_s = asyncio.get_running_loop().time() + _GRACE_S
        left = self._settings.max_bytes
        while True:
            try:
                async with asyncio.timeout_at(due_s):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise RecordingTooSlow("the recording came too slowly; send it again") from None
            if piece is None:
                return
            due_s += len(piece) / _LEAST_BYTES_PER_S
            left -= len(piece)
            if left < 0:
                raise RecordingTooLarge(
                    f"a recording has at most {self._settings.max_mb} MB; "
                    "send a compressed one (Opus, MP3), or several parts"
                )
            yield piece

    @asynccontextmanager
    async def stored(self, stream: AsyncIterator[bytes]) -> AsyncGenerator[SealedFile, None]:
        """Store a body that is nothing but the recording, for as long as the block lasts.

        Raises:
            RecordingTooLarge, RecordingTooSlow: as in `bounded`.
        """
        file = await asyncio.to_thread(SealedFile)
        try:
            async with closing(self.bounded(stream)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(file.seek, 0)
            yield file
        finally:
            await asyncio.to_thread(file.close)

    async def transcribe(
        self, tenant: str, recording: SealedFile, start: Start, *, protocol: str, raw: bool = False
    ) -> AsyncGenerator[ServerMessage, None]:
        """Transcribe a recording as a session; yield its native messages.

        The first is `Started`, without a token since nobody can resume it, the last is `Finished`.

        Leaving early (`aclose`) ends the session with what it has.

        Args:
            tenant: who pays.
            recording: whole, wherever it stands.
            start: as the native protocol would ask; its format is what the recording says, and is
                read only where the recording is `raw`.
            protocol: name for the log.
            raw: the recording is bare audio in the format of `start`.

        Raises:
            RecordingUnreadable: not a recording, or damaged; what was read of it stays a session.
            RecordingTooLong: longer than a session may be; likewise.
            ServerError: as in `welcome` and `Guest.push`.
        """
        opened = self._raw(recording, start) if raw else self._decoded(recording, start)
        async with opened as decoded:
            start = replace(start, format=decoded.format, recorded=True)
            async with welcome(self._doorway, tenant, start, protocol=protocol) as guest:
                yield Started(guest.session.id, "", 0)
                pushing = asyncio.create_task(_push(decoded.pieces, guest), name="push-upload")
                try:
                    async with (
                        closing(guest.messages()) as messages,
                        closing(_beside(messages, pushing)) as safe,
                    ):
                        async for message in safe:
                            yield message
                            if isinstance(message, Finished):
                                return
                finally:
                    pushing.cancel()
                    await asyncio.gather(pushing, return_exceptions=True)

    @property
    def _max_ms(self) -> int:
        return round(self._doorway.limits.max_session_hours * _HOUR_MS)

    @asynccontextmanager
    async def _raw(self, recording: SealedFile, start: Start) -> AsyncGenerator[_Decoded, None]:
        async def pieces() -> AsyncGenerator[bytes, None]:
            left = start.format.rate * start.format.frame_bytes * self._max_ms // 1000
            frame_bytes = start.format.frame_bytes
            size = _PIECE_BYTES // frame_bytes * frame_bytes
            await asyncio.to_thread(recording.seek, 0)
            while piece := await asyncio.to_thread(recording.read, size):
                left -= len(piece)
                if left < 0:
                    raise self._too_long()
                yield piece[: len(piece) // frame_bytes * frame_bytes]  # half a frame at the end

        async with closing(pieces()) as opened:
            yield _Decoded(start.format, opened)

    @asynccontextmanager
    async def _decoded(self, recording: SealedFile, start: Start) -> AsyncGenerator[_Decoded, None]:
        separate = start.channels == "separate"
        key = await asyncio.to_thread(_piped, recording.key)
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                recording_decoder.__name__,
                "1" if separate else "0",
                str(self._max_ms),
                str(key),
                stdin=await asyncio.to_thread(recording.fileno),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # it may repeat what the recording holds
                pass_fds=(key,),
                env=_environment(),
            )
        finally:
            os.close(key)
        assert child.stdout is not None  # noqa: S101 - asked for above
        try:
            head = await _answer(child.stdout.readline())
            channels = self._check(head)
            form = AudioFormat("pcm_s16le", recording_decoder.RATE, channels)
            async with closing(self._pieces(child, child.stdout, form)) as pieces:
                yield _Decoded(form, pieces)
        finally:
            with suppress(ProcessLookupError):  # it has ended, and nobody was told yet
                child.kill()
            await child.stdout.read()  # or its end is not seen while the buffer is full
            await child.wait()

    async def _pieces(
        self, child: asyncio.subprocess.Process, out: asyncio.StreamReader, form: AudioFormat
    ) -> AsyncGenerator[bytes, None]:
        size = _PIECE_BYTES // form.frame_bytes * form.frame_bytes
        whole = True
        while whole:
            try:
                piece = await _answer(out.readexactly(size))
            except asyncio.IncompleteReadError as end:
                piece, whole = end.partial, False
            if piece:
                yield piece[: len(piece) // form.frame_bytes * form.frame_bytes]
        match await _answer(child.wait()):
            case 0:
                return
            case recording_decoder.TOO_LONG:
                raise self._too_long()
            case _:
                raise RecordingUnreadable(
                    "the recording is damaged and cannot be read to its end; "
                    "the part before is kept as a session"
                )

    def _check(self, head: bytes) -> int:
        """Return the number of channels."""
        try:
            told = json.loads(head)
            refused, channels = str(told["refused"]), int(told["channels"])
        except (ValueError, KeyError, TypeError):  # the decoder fell
            refused, channels = "unreadable", 0
        if refused == "too_long":
            raise self._too_long()
        if refused:
            raise RecordingUnreadable(_REFUSED.get(refused, _REFUSED["unreadable"]))
        return channels

    def _too_long(self) -> RecordingTooLong:
        hours = self._doorway.limits.max_session_hours
        return RecordingTooLong(f"a recording lasts at most {hours:g} hours; send it in parts")


def _piped(key: bytes) -> int:
    """Return the descriptor of a pipe with the key in it: a command line is for all to read."""
    reading, writing = os.pipe()
    try:
        os.write(writing, key)
    finally:
        os.close(writing)
    return reading


async def _push(pieces: AsyncIterator[bytes], guest: Guest) -> None:
    async for piece in pieces:
        await guest.push(piece)
    await guest.finish()


async def _answer(asked: Awaitable[T]) -> T:
    """Await the decoder, which answers soon unless it has hung."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await asked
    except TimeoutError:
        raise RecordingUnreadable(
            "the recording could not be decoded in time; convert it and send it again"
        ) from None


async def _beside(
    messages: AsyncIterator[ServerMessage], pushing: asyncio.Task[None]
) -> AsyncGenerator[ServerMessage, None]:
    """Yield the messages; what goes wrong with the pushing is raised at once."""
    coming: asyncio.Task[ServerMessage | None] | None = None
    try:
        while True:
            coming = asyncio.create_task(_next(messages), name="upload-message")
            waits = {coming} if pushing.done() else {coming, pushing}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if pushing.done():
                pushing.result()
            if (message := await coming) is None:
                return
            yield message
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


async def _next(messages: AsyncIterator[ServerMessage]) -> ServerMessage | None:
    return await anext(messages, None)


def _environment() -> dict[str, str]:
    """What the decoder's process needs and nothing else: no setting, no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
