"""One recording to one transcribed object: through a server, or by the engines of this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from greffier.client import connect
from greffier.errors import ExtraMissing
from greffier.exchange import exchange
from greffier.protocol import AudioProfile, ChannelUse
from greffier.sources import open_recording, paced
from greffier.transcript import TranscribedObject, Transcript

__all__ = ["LocalTranscriber", "local_transcriber", "transcribe_on_server"]


class LocalTranscriber(Protocol):
    """What the entry point ``transcribe`` of the group ``greffier.local`` gives."""

    def __call__(
        self,
        path: str,
        *,
        language: str,
        translate_to: tuple[str, ...],
        minutes: bool,
        progress: Callable[[float], None],
        channels: ChannelUse = "mix",
        speakers: tuple[str, ...] = (),
        profile: AudioProfile | None = None,
        attach: tuple[Path, ...] = (),
    ) -> Awaitable[TranscribedObject]:
        """Transcribe the file at `path`; `progress` is told the share done, 0 to 1."""
        ...


def local_transcriber() -> LocalTranscriber:
    """Return the transcriber of this machine.

    Raises:
        ExtraMissing: none is installed.
    """
    for point in entry_points(group="greffier.local", name="transcribe"):
        try:
            return cast("LocalTranscriber", point.load())
        except ImportError as error:
            raise ExtraMissing("server,whisper", "transcribing on this machine") from error
    raise ExtraMissing("server,whisper", "transcribing on this machine")


async def transcribe_on_server(
    path: Path,
    *,
    server: str,
    token: str | None,
    language: str,
    translate_to: tuple[str, ...],
    minutes: bool,
    progress: Callable[[float], None],
    channels: ChannelUse = "mix",
    speakers: tuple[str, ...] = (),
    profile: AudioProfile | None = None,
    opened: Callable[[str], Awaitable[None]] | None = None,
) -> TranscribedObject:
    """Stream the file at `path` as fast as the server takes it; arguments as in `connect`.

    `opened` is given the session's id before any audio is sent.

    Raises:
        FileUnreadable: the recording cannot be decoded.
        GreffierError: from the session.
    """
    source = await asyncio.to_thread(open_recording, path, separate=channels == "separate")
    transcript = Transcript()
    async with connect(
        server,
        token=token,
        language=language,
        translate_to=translate_to,
        title=path.stem,
        minutes=minutes,
        format=source.format,
        channels=channels,
        speakers=speakers,
        profile=profile,
    ) as session:
        if opened is not None:
            await opened(session.id)
        async for message in exchange(session, paced(source, None)):
            transcript.add(message)
            if source.duration_ms:
                progress(min(transcript.end_ms / source.duration_ms, 1.0))
        duration_ms = session.sent_ms
    progress(1.0)
    return transcript.to_object(duration_ms=duration_ms)
