"""Transcription of a file by the engines of this machine, without a server.

It is the same session as a live one (journal, recognition, translation, minutes), over a journal in
a temporary directory and a store in memory, but the recording is decoded in whole windows, since
nobody watches the words come.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from greffier.errors import FileUnreadable, ServerRefused
from greffier.protocol import AudioProfile, ChannelUse, Start
from greffier.sources import FileSource, open_recording
from greffier_models.errors import EngineError
from greffier_server.assembly import build_engines
from greffier_server.core.captions import to_json
from greffier_server.core.events import DocumentAttached, TailRevised, WordsCommitted
from greffier_server.core.speech import PROFILES
from greffier_server.core.state import fold
from greffier_server.errors import ServerError
from greffier_server.pipeline.attaching import Offered, read_offered
from greffier_server.pipeline.building import SessionSettings
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.pipeline.session import SessionLimits
from greffier_server.pipeline.transcribe import TranscribeSettings
from greffier_server.settings import Settings
from greffier_server.settings_sources import load_settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.keys import passing_keys
from greffier_server.storage.memory import MemoryStore

__all__ = ["transcribe_file"]

_TENANT = "local"
_FILE_LIMITS = SessionLimits(buffer_ms=120_000, idle_s=3_600.0, max_hours=48.0)


async def transcribe_file(
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
) -> dict[str, Any]:
    """Transcribe the recording at `path` (any format that PyAV reads).

    Args:
        path: of the file.
        language: ISO 639-1 code, or ``auto``.
        translate_to: languages to translate into.
        minutes: write minutes.
        progress: told the share done, 0 to 1.
        channels: ``separate`` where each channel is a speaker.
        speakers: names of the separate channels' speakers, in order.
        profile: kind of audio; that of the settings when absent.
        attach: agenda or briefings: their names are listened for, the minutes go by their points.

    Returns:
        One object with ``text, language, duration, segments, translations, minutes``; times in
        seconds.

    Raises:
        greffier.errors.FileUnreadable: the recording cannot be decoded.
        greffier.errors.ServerRefused: weights are missing, a language is unknown and the like.
    """
    separate = channels == "separate"
    source = await asyncio.to_thread(open_recording, Path(path), separate=separate)
    start = Start(
        format=source.format,
        language=language,
        translate_to=translate_to,
        minutes=minutes,
        channels=channels,
        speakers=speakers,
        profile=profile,
    )
    try:
        settings = _settings(needs_language_model=bool(translate_to) or minutes)
        documents = [await _document(file) for file in attach]
        return await _transcribe(source, start, settings, progress, documents)
    except (EngineError, ServerError) as error:
        raise ServerRefused(error.code, error.message, retryable=error.retryable) from error


def _settings(*, needs_language_model: bool) -> Settings:
    flags: dict[str, Any] = {} if needs_language_model else {"language_model": {"engine": "none"}}
    return load_settings(flags=flags)


async def _transcribe(
    source: FileSource,
    start: Start,
    settings: Settings,
    progress: Callable[[float], None],
    documents: Sequence[DocumentAttached] = (),
) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="greffier-"))
        loaded = await build_engines(settings, stack)
        journal = DiskJournal(Path(folder), keys=passing_keys())
        stack.push_async_callback(journal.close)
        store = MemoryStore()
        desk = Desk(
            store=store,
            sink=store.append,
            journal=journal,
            engines=loaded.engines,
            clock=SystemClock(),
            settings=DeskSettings(
                max_sessions=1,
                sessions=SessionSettings(
                    limits=_FILE_LIMITS,
                    expected_languages=settings.recognition.expected_languages,
                    speech=PROFILES[settings.recognition.profile],
                    recordings=TranscribeSettings(),
                ),
            ),
        )
        stack.push_async_callback(desk.close)
        session, _ = await desk.open(_TENANT, start)
        for number, document in enumerate(documents, start=1):
            await session.log.append(replace(document, number=number))
        # Not a task group: a damaged recording is to be told as such, not inside of a group.
        report = _report(session, source.duration_ms, progress)
        reporting = asyncio.create_task(report, name="report-progress")
        try:
            async for chunk in source.chunks():
                await session.push(chunk)
            await session.finish()
            await reporting
        finally:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        progress(1.0)
        return to_json(fold(session.log.records))


async def _document(file: Path) -> DocumentAttached:
    try:
        content = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise FileUnreadable(f"{file} cannot be read: {error.strerror}") from error
    return await read_offered(Offered(content, file.name))


async def _report(
    session: SpeakingSession, duration_ms: int | None, progress: Callable[[float], None]
) -> None:
    """Follow the session to its end, and tell how far it is."""
    async for record in session.log.follow():
        match record.event:
            case WordsCommitted() | TailRevised():
                if duration_ms:
                    progress(min(record.audio_to_ms / duration_ms, 1.0))
            case _:
                pass
