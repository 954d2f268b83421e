"""``greffier stream``: a recording as if it were live."""

import asyncio
from pathlib import Path

import click

from greffier.commands.attach import attach_option
from greffier.commands.options import (
    channels_options,
    language_option,
    minutes_option,
    profile_of,
    profile_option,
    save_option,
    server_option,
    spool_options,
    spool_secret,
    spool_secret_options,
    title_option,
    token_option,
    translate_option,
)
from greffier.commands.session import LiveRequest, run_live
from greffier.exchange import until
from greffier.messages import Messages
from greffier.protocol import AudioFormat, ChannelUse
from greffier.sources import AudioSource, open_recording, paced, stdin_source

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("stream", help=say("help.stream"))
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
    @server_option(say)
    @token_option(say)
    @language_option(say)
    @channels_options(say)
    @translate_option(say)
    @minutes_option(say, default=True)
    @profile_option(say)
    @title_option(say)
    @click.option("--fast", is_flag=True, help=say("help.fast"))
    @click.option(
        "--rate",
        type=click.IntRange(8_000, 192_000),
        default=16_000,
        show_default=True,
        help=say("help.rate"),
    )
    @save_option(say)
    @attach_option(say)
    @spool_options(say)
    @spool_secret_options(say)
    def stream(
        file: str,
        server: str,
        token: str | None,
        language: str,
        channels: ChannelUse,
        speakers: tuple[str, ...],
        translate: tuple[str, ...],
        minutes: bool,
        profile: str | None,
        title: str,
        fast: bool,
        rate: int,
        save: Path | None,
        attach: tuple[Path, ...],
        spool: Path | None,
        spool_limit: int,
        spool_key: Path | None,
        spool_passphrase: bool,
    ) -> None:
        title = title or ("" if file == "-" else Path(file).stem)
        secret = None
        if spool is not None:
            secret = spool_secret(spool_key, spool_passphrase, say, new=True)
        request = LiveRequest(
            server,
            token,
            language,
            translate,
            title,
            minutes,
            save,
            channels,
            speakers,
            profile_of(profile),
            spool,
            spool_limit,
            attach,
            secret,
        )
        asyncio.run(_stream(request, file, fast=fast, rate=rate, say=say))

    return stream


async def _stream(request: LiveRequest, file: str, *, fast: bool, rate: int, say: Messages) -> None:
    source: AudioSource
    if file == "-":  # a pipe has a pace of its own
        format = AudioFormat(rate=rate, channels=max(1, len(request.speakers)))
        source, pace = stdin_source(format), None
    else:
        separate = request.channels == "separate"
        source = await asyncio.to_thread(open_recording, Path(file), separate=separate)
        pace = None if fast else 1.0
    stop = asyncio.Event()
    chunks = until(paced(source, pace), stop)
    await run_live(request, chunks, format=source.format, stop=stop.set, say=say)
