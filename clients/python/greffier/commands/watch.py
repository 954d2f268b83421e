"""``greffier watch``: follow a session that another client speaks into, or read a stored one."""

import asyncio
import sys
from pathlib import Path

import click

from greffier.client import watch as watch_session
from greffier.commands.options import save_option, server_option, token_option
from greffier.commands.session import save_view
from greffier.messages import Messages
from greffier.protocol import Error
from greffier.render import open_view

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("watch", help=say("help.watch"))
    @click.argument("session")
    @server_option(say)
    @token_option(say)
    @click.option("--translate", "-t", metavar="LANG", multiple=True, help=say("help.translate"))
    @click.option("--after", type=click.IntRange(0), default=0, help=say("help.after"))
    @save_option(say)
    def watch(
        session: str,
        server: str,
        token: str | None,
        translate: tuple[str, ...],
        after: int,
        save: Path | None,
    ) -> None:
        async def follow() -> None:
            view = open_view(sys.stdout, languages=translate, say=say)
            begun = False
            try:
                async for message in watch_session(
                    server,
                    session,
                    after_seq=after,
                    languages=translate or None,
                    token=token,
                    on_reconnect=view.reconnecting,
                ):
                    # What comes before any event refuses the session, and is raised next.
                    begun = begun or not isinstance(message, Error)
                    if begun:
                        view.show(message)
            finally:
                view.close()
                if save is not None and view.transcript.segments:
                    await save_view(view, save, title="", say=say)

        asyncio.run(follow())

    return watch
