"""``greffier attach``: an agenda or a briefing for a session; and ``--attach`` of live commands."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from greffier.commands.options import Decorator, server_option, token_option
from greffier.errors import FileUnreadable, GreffierError
from greffier.http import Archive, Purpose
from greffier.messages import Messages
from greffier.width import printable

__all__ = ["attach_option", "attach_to", "build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("attach", help=say("help.attach"))
    @click.argument("session")
    @click.argument(
        "files",
        metavar="FILE...",
        nargs=-1,
        required=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
    )
    @server_option(say)
    @token_option(say)
    @click.option("--who", metavar="NAME", default="", help=say("help.who"))
    @click.option(
        "--as",
        "purpose",
        type=click.Choice(["auto", "agenda", "briefing"]),
        default="auto",
        show_default=True,
        help=say("help.attach-as"),
    )
    def attach(
        session: str,
        files: tuple[Path, ...],
        server: str,
        token: str | None,
        who: str,
        purpose: str,
    ) -> None:
        archive = Archive(server, token)
        for file in files:
            found = asyncio.run(
                _attach(archive, session, file, who=who, purpose=cast("Purpose", purpose))
            )
            click.echo(_told(found, say))

    return attach


def attach_option(say: Messages) -> Decorator[Any]:
    """``--attach``, a tuple of files."""
    return click.option(
        "--attach",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=say("help.attach-option"),
    )


async def attach_to(
    session: str, files: Sequence[Path], *, server: str, token: str | None, say: Messages
) -> None:
    """Give a session that has just opened its documents; one that cannot be used is told of.

    Without them the session is as good as any: it goes on.
    """
    if not files:
        return
    if not session:
        click.echo(say("attach.not-reached"), err=True)
        return
    archive = Archive(server, token)
    for file in files:
        try:
            found = await _attach(archive, session, file)
        except GreffierError as error:
            click.echo(f"{file.name}: {error}", err=True)
            continue
        click.echo(_told(found, say), err=True)


async def _attach(
    archive: Archive, session: str, file: Path, *, who: str = "", purpose: Purpose = "auto"
) -> dict[str, object]:
    try:
        content = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise FileUnreadable(f"{file} cannot be read: {error.strerror}") from error
    return await archive.attach(session, file.name, content, who=who, purpose=purpose)


def _told(found: dict[str, object], say: Messages) -> str:
    def count(key: str) -> int:
        listed = found.get(key)
        return len(cast("list[object]", listed)) if isinstance(listed, list) else 0

    return say(
        "attach.done",
        number=found.get("number", "?"),
        name=printable(str(found.get("name", ""))),
        terms=count("terms"),
        points=count("agenda"),
    )
