"""``greffier synthesis``: several sessions in one report."""

import asyncio
import json
import sys
from pathlib import Path
from typing import cast, get_args

import click

from greffier.commands.options import (
    output_file_option,
    server_option,
    token_option,
    write_bytes,
    write_text,
)
from greffier.http import Archive, DocumentFormat
from greffier.messages import Messages

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("synthesis", help=say("help.synthesis"))
    @click.argument("sessions", nargs=-1, required=True, metavar="SESSION SESSION...")
    @server_option(say)
    @token_option(say)
    @click.option(
        "--format",
        "form",
        type=click.Choice([*(f for f in get_args(DocumentFormat) if f != "csv"), "json"]),
        default="txt",
        show_default=True,
        help=say("help.format"),
    )
    @click.option("--language", metavar="LANG", help=say("help.document-language"))
    @click.option("--title", metavar="TEXT", default="", help=say("help.report-title"))
    @click.option("--marking", metavar="TEXT", default="", help=say("help.marking"))
    @output_file_option(say)
    def synthesis(
        sessions: tuple[str, ...],
        server: str,
        token: str | None,
        form: str,
        language: str | None,
        title: str,
        marking: str,
        output: Path | None,
    ) -> None:
        if len(sessions) < 2:
            raise click.UsageError(say("error.synthesis"))
        if form in ("docx", "pdf") and output is None and sys.stdout.isatty():
            raise click.UsageError(say("error.binary", form=form))
        archive = Archive(server, token)
        if form == "json":
            found = asyncio.run(archive.synthesis(sessions, language=language, title=title))
            write_text(output, json.dumps(found, ensure_ascii=False, indent=2), say)
            return
        content = asyncio.run(
            archive.synthesis_document(
                sessions,
                cast("DocumentFormat", form),
                language=language,
                title=title,
                marking=marking,
            )
        )
        if form in ("docx", "pdf"):
            write_bytes(output, content, say)
        else:
            write_text(output, content.decode(errors="replace"), say)

    return synthesis
