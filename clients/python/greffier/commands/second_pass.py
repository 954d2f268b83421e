"""``greffier second-pass``: a stored session read again by its server."""

import asyncio

import click

from greffier.commands.options import server_option, token_option
from greffier.errors import ProtocolViolation
from greffier.http import Archive
from greffier.messages import Messages

__all__ = ["build"]

_STATES = frozenset({"queued", "none", "done", "failed"})
_COUNTS = ("words", "changed", "added", "unconfirmed")


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("second-pass", help=say("help.second-pass"))
    @click.argument("session")
    @server_option(say)
    @token_option(say)
    @click.option("--minutes", is_flag=True, help=say("help.second-minutes"))
    @click.option("--status", is_flag=True, help=say("help.status"))
    def second_pass(
        session: str, server: str, token: str | None, minutes: bool, status: bool
    ) -> None:
        archive = Archive(server, token)
        if status:
            answer = asyncio.run(archive.second_pass(session))
        else:
            answer = asyncio.run(archive.ask_second_pass(session, minutes=minutes))
        state = str(answer.get("state"))
        if state not in _STATES:
            raise ProtocolViolation("the server's answer has no known state")
        counts = {name: str(answer.get(name, 0)) for name in _COUNTS}
        code = str(answer.get("code", ""))
        click.echo(say(f"second-pass.{state}", session=session, code=code, **counts), err=True)

    return second_pass
