"""Carries a source to a Greffier server, session after session."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import greffier
from greffier.errors import InputClosed
from greffier.live import LiveSession
from greffier.protocol import AudioProfile, Caption, Finished, Missing
from greffier_server.ingest.sources import Piece, Source

__all__ = ["Destination", "carry"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the sound goes, and what is asked there."""

    server: str
    token: str | None = None
    language: str = "auto"
    translate_to: tuple[str, ...] = ()
    title: str = ""
    minutes: bool = False
    profile: AudioProfile | None = None
    separate: bool = False
    """Each channel is a speaker."""


async def carry(
    source: Source,
    destination: Destination,
    *,
    stop: asyncio.Event,
    say: Callable[[str], None] = lambda text: None,
    opened: Callable[[str], None] = lambda session: None,
) -> None:
    """Carry until the source ends or `stop` is set; the last session is then finished.

    A session that the server ends (its longest duration, say) is followed by another.

    Args:
        source: of the sound.
        destination: of it.
        stop: ends it in good order.
        say: told each committed text.
        opened: told the id of each session.

    Raises:
        GreffierError: the server refuses, or is gone for good.
        SourceUnusable: from the source.
    """
    form = await source.open()
    _log.info("sound from %s", source.name)
    pieces = source.pieces()
    ended = False
    first = 0
    held: Piece | None = None
    while not ended:
        async with greffier.connect(
            destination.server,
            token=destination.token,
            language=destination.language,
            translate_to=destination.translate_to,
            title=destination.title,
            minutes=destination.minutes,
            profile=destination.profile,
            format=form,
            channels="separate" if destination.separate and form.channels > 1 else "mix",
        ) as session:
            assert isinstance(session, LiveSession)  # noqa: S101 - without a spool
            opened(session.id)
            reading = asyncio.create_task(_read(session, say))
            try:
                try:
                    while not stop.is_set():
                        held = held or await _next(pieces, stop)
                        if held is None:
                            break
                        await _send(session, held, first=first)
                        held = None
                    ended = True
                    await session.finish()
                except InputClosed:
                    _log.info("the server has ended the session; another one begins")
                    first += session.end_sample
                await reading
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


async def _next(pieces: AsyncIterator[Piece], stop: asyncio.Event) -> Piece | None:
    async def upcoming() -> Piece | None:
        return await anext(pieces, None)

    coming, stopping = asyncio.create_task(upcoming()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
        stopping.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await asyncio.gather(stopping, return_exceptions=True)


async def _send(session: LiveSession, piece: Piece, *, first: int) -> None:
    await session.send(piece.audio)
    for lack in piece.lacks:
        missing = Missing(
            max(0, lack.from_sample - first),
            min(lack.to_sample - first, session.end_sample),
            lack.cause,
        )
        if missing.to_sample > missing.from_sample:
            session.note_missing(missing)


async def _read(session: LiveSession, say: Callable[[str], None]) -> None:
    async for message in session:
        match message:
            case Caption(committed=text) if text:
                say(text)
            case Finished():
                return
            case _:
                pass
