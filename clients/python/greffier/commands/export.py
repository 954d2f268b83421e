"""``greffier export``: the captions of a stored session as a file."""

import asyncio
from pathlib import Path
from typing import cast, get_args

import click

from greffier.commands.options import output_file_option, server_option, token_option, write_text
from greffier.http import Archive, CaptionFormat, Revision
from greffier.messages import Messages

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("export", help=say("help.export"))
    @click.argument("session")
    @server_option(say)
    @token_option(say)
    @click.option(
        "--format",
        "form",
        type=click.Choice(get_args(CaptionFormat)),
        default="srt",
        show_default=True,
        help=say("help.format"),
    )
    @click.option("--translation", metavar="LANG", help=say("help.export-language"))
    @click.option("--revision", type=click.Choice(["live", "second"]), help=say("help.revision"))
    @output_file_option(say)
    def export(
        session: str,
        server: str,
        token: str | None,
        form: str,
        translation: str | None,
        revision: str | None,
        output: Path | None,
    ) -> None:
        archive = Archive(server, token)
        kind = cast("CaptionFormat", form)
        if translation is None:
            text = asyncio.run(
                archive.captions(session, kind, revision=cast("Revision | None", revision))
            )
        else:
            text = asyncio.run(archive.translation(session, translation, kind))
        write_text(output, text, say)

    return export
