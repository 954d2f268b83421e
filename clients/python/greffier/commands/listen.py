"""``greffier listen``: the microphone, live."""

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
from greffier.messages import Messages
from greffier.protocol import ChannelUse
from greffier.sources import MicrophoneSource

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("listen", help=say("help.listen"))
    @server_option(say)
    @token_option(say)
    @language_option(say)
    @channels_options(say)
    @translate_option(say)
    @minutes_option(say, default=True)
    @profile_option(say)
    @title_option(say)
    @save_option(say)
    @attach_option(say)
    @spool_options(say)
    @spool_secret_options(say)
    @click.option("--device", metavar="NAME", help=say("help.device"))
    def listen(
        server: str,
        token: str | None,
        language: str,
        channels: ChannelUse,
        speakers: tuple[str, ...],
        translate: tuple[str, ...],
        minutes: bool,
        profile: str | None,
        title: str,
        save: Path | None,
        attach: tuple[Path, ...],
        spool: Path | None,
        spool_limit: int,
        spool_key: Path | None,
        spool_passphrase: bool,
        device: str | None,
    ) -> None:
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
        number = int(device) if device is not None and device.isdecimal() else device
        asyncio.run(_listen(request, number, say))

    return listen


async def _listen(request: LiveRequest, device: str | int | None, say: Messages) -> None:
    source = MicrophoneSource(device=device, channels=max(1, len(request.speakers)))
    await run_live(request, source.chunks(), format=source.format, stop=source.stop, say=say)
