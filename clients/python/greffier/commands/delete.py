"""``greffier delete``: a session and everything kept of it."""

import asyncio

import click

from greffier.commands.options import server_option, token_option
from greffier.http import Archive
from greffier.messages import Messages

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("delete", help=say("help.delete"))
    @click.argument("session")
    @server_option(say)
    @token_option(say)
    @click.option("--yes", "-y", is_flag=True, help=say("help.yes"))
    def delete(session: str, server: str, token: str | None, yes: bool) -> None:
        if not yes:
            click.confirm(say("delete.confirm", session=session), abort=True, err=True)
        asyncio.run(Archive(server, token).delete(session))
        click.echo(say("delete.done", session=session), err=True)

    return delete
