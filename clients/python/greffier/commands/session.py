"""What ``listen`` and ``stream`` share: one live session from the first sample to its minutes."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import click

from greffier.client import connect
from greffier.commands.attach import attach_to
from greffier.exchange import exchange, interruptible
from greffier.messages import Messages
from greffier.protocol import AudioFormat, AudioProfile, ChannelUse
from greffier.render import View, open_view
from greffier.saving import save
from greffier.spool_seal import SpoolSecret
from greffier.spooled import SpooledSession

__all__ = ["LiveRequest", "run_live", "save_view"]


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """What the user asked of a live session."""

    server: str
    token: str | None
    language: str
    translate_to: tuple[str, ...]
    title: str
    minutes: bool
    folder: Path | None
    channels: ChannelUse = "mix"
    speakers: tuple[str, ...] = ()
    profile: AudioProfile | None = None
    spool: Path | None = None
    spool_limit_mb: int = 2_048
    attach: tuple[Path, ...] = ()
    spool_secret: SpoolSecret | None = None


async def run_live(
    request: LiveRequest,
    chunks: AsyncIterator[bytes],
    *,
    format: AudioFormat,
    stop: Callable[[], None],
    say: Messages,
) -> None:
    """Show a session live, then save it where that was asked, however it ended.

    Args:
        request: options.
        chunks: the audio.
        format: of the audio.
        stop: ends `chunks`; called at the first Ctrl-C.
        say: interface texts.
    """
    view = open_view(
        sys.stdout, languages=request.translate_to, say=say, hint=say("live.stop-hint")
    )
    try:
        async with connect(
            request.server,
            token=request.token,
            language=request.language,
            translate_to=request.translate_to,
            title=request.title,
            minutes=request.minutes,
            profile=request.profile,
            format=format,
            channels=request.channels,
            speakers=request.speakers,
            on_reconnect=view.reconnecting,
            spool=request.spool,
            spool_limit_bytes=request.spool_limit_mb << 20,
            spool_secret=request.spool_secret,
        ) as session:
            await attach_to(
                session.id, request.attach, server=request.server, token=request.token, say=say
            )

            def end_input() -> None:
                view.finishing()
                stop()

            with interruptible(end_input):
                messages = exchange(
                    session, chunks, on_sent=view.position, on_finished=view.finishing
                )
                async for message in messages:
                    view.show(message)
            if isinstance(session, SpooledSession) and session.lost_ms:
                seconds = round(session.lost_ms / 1000, 1)
                click.echo(say("live.not-kept", seconds=seconds), err=True)
    finally:
        view.close()
        if request.folder is not None and view.transcript.segments:
            await save_view(view, request.folder, title=request.title, say=say)


async def save_view(view: View, folder: Path, *, title: str, say: Messages) -> None:
    """Write what `view` has seen into `folder` and say where."""
    recording = view.transcript.to_object()
    try:
        written = await asyncio.to_thread(save, recording, folder, title=title, say=say)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise click.ClickException(say("error.write", path=folder, cause=cause)) from error
    click.echo(say("live.saved", folder=folder), err=True)
    for path in written:
        click.echo(f"  {path.name}", err=True)
