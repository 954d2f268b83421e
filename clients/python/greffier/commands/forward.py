"""``greffier forward``: send what earlier sessions kept on this machine."""

import asyncio
from pathlib import Path
from typing import Final

import click

from greffier.backoff import Reconnection, RetryPolicy
from greffier.client import forward
from greffier.commands.options import (
    save_option,
    server_option,
    spool_secret,
    spool_secret_options,
    token_option,
)
from greffier.errors import GreffierError, SpoolUnusable
from greffier.messages import Messages
from greffier.saving import save as save_files
from greffier.spool import recordings_in
from greffier.spool_seal import SpoolSecret
from greffier.transcript import Transcript

__all__ = ["build"]

_RETRY: Final = RetryPolicy(attempts=6)
"""About a dozen seconds without a server; a timer can start the command again."""


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("forward", help=say("help.forward"))
    @click.argument(
        "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
    )
    @server_option(say, required=False)
    @token_option(say)
    @save_option(say)
    @click.option(
        "--pace",
        type=click.FloatRange(1.25, 100),
        default=4.0,
        show_default=True,
        help=say("help.pace"),
    )
    @click.option("--anew", is_flag=True, help=say("help.anew"))
    @spool_secret_options(say)
    def forward_all(
        folder: Path,
        server: str | None,
        token: str | None,
        save: Path | None,
        pace: float,
        anew: bool,
        spool_key: Path | None,
        spool_passphrase: bool,
    ) -> None:
        secret = spool_secret(spool_key, spool_passphrase, say, new=False)
        found = recordings_in(folder)
        if not found:
            click.echo(say("forward.none"), err=True)
        failure: GreffierError | None = None
        for recording in found:
            try:
                asyncio.run(
                    _forward(
                        recording,
                        server,
                        token,
                        secret=secret,
                        pace=pace,
                        anew=anew,
                        save=save,
                        say=say,
                    )
                )
            except SpoolUnusable as error:  # in use, or damaged: the others can go
                click.echo(f"{recording.name}: {error.message}", err=True)
                failure = failure or error
            except GreffierError as error:
                if error.retryable:  # no server: the others would fail as well
                    raise
                click.echo(f"{recording.name}: {error.message}", err=True)
                failure = failure or error
        if failure is not None:
            raise failure

    return forward_all


async def _forward(
    recording: Path,
    server: str | None,
    token: str | None,
    *,
    secret: SpoolSecret | None,
    pace: float,
    anew: bool,
    save: Path | None,
    say: Messages,
) -> None:
    transcript = Transcript()

    def tell(notice: Reconnection) -> None:
        if not notice.resumed:
            seconds = f"{notice.delay_s:.0f}"
            text = say("live.reconnecting", attempt=notice.attempt, seconds=seconds)
            click.echo(f"{recording.name}: {text}", err=True)

    async with forward(
        recording,
        url=server,
        token=token,
        pace=pace,
        spool_secret=secret,
        anew=anew,
        reconnect=_RETRY,
        on_reconnect=tell,
    ) as session:
        async for message in session:
            transcript.add(message)
        click.echo(say("forward.done", name=recording.name, session=session.id))
    if save is not None and transcript.segments:
        folder = save / recording.name
        try:
            await asyncio.to_thread(save_files, transcript.to_object(), folder, say=say)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise click.ClickException(say("error.write", path=folder, cause=cause)) from error
