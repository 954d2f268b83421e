"""``greffier minutes``: the minutes of a stored session."""

import asyncio
import json
import shutil
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
from greffier.minutes_text import minutes_lines
from greffier.palette import Palette
from greffier.plain import to_plain

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("minutes", help=say("help.minutes"))
    @click.argument("session")
    @server_option(say)
    @token_option(say)
    @click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json", *get_args(DocumentFormat)]),
        default="text",
        show_default=True,
        help=say("help.format"),
    )
    @click.option("--kind", metavar="KIND", help=say("help.document-kind"))
    @click.option("--language", metavar="LANG", help=say("help.document-language"))
    @click.option("--marking", metavar="TEXT", help=say("help.marking"))
    @click.option("--every", metavar="MINUTES", type=click.IntRange(1, 240), help=say("help.every"))
    @click.option("--sources", is_flag=True, help=say("help.sources"))
    @click.option("--redo", is_flag=True, help=say("help.redo"))
    @output_file_option(say)
    def minutes(
        session: str,
        server: str,
        token: str | None,
        form: str,
        kind: str | None,
        language: str | None,
        marking: str | None,
        every: int | None,
        *,
        sources: bool,
        redo: bool,
        output: Path | None,
    ) -> None:
        archive = Archive(server, token)
        if redo:
            asyncio.run(archive.redo_minutes(session))
            click.echo(say("minutes.queued"), err=True)
            return
        shaped = sources or any(given is not None for given in (kind, language, marking, every))
        if form == "text" and shaped:
            form = "txt"  # what is shown on a terminal by itself is the minutes alone
        if form in ("docx", "pdf") and output is None and sys.stdout.isatty():
            raise click.UsageError(say("error.binary", form=form))
        if form in get_args(DocumentFormat):
            made = archive.document(
                session,
                cast("DocumentFormat", form),
                kind=kind,
                language=language,
                marking=marking,
                every_minutes=every,
                sources=sources,
            )
            content = asyncio.run(made)
            if form in ("docx", "pdf", "csv"):
                write_bytes(output, content, say)
            else:
                write_text(output, content.decode(errors="replace"), say)
        elif form == "json":
            found = asyncio.run(archive.minutes(session))
            write_text(output, json.dumps(to_plain(found), ensure_ascii=False, indent=2), say)
        else:
            text = asyncio.run(_text(archive, session, say, to_file=output is not None))
            write_text(output, text, say)

    return minutes


async def _text(archive: Archive, session: str, say: Messages, *, to_file: bool) -> str:
    found = await archive.minutes(session)
    starts_ms = _starts_ms(await archive.captions(session, "json"))
    palette = Palette(enabled=False) if to_file else Palette.for_stream(sys.stdout)
    columns = min(shutil.get_terminal_size().columns, 100) if sys.stdout.isatty() else 100
    lines = minutes_lines(found, starts_ms, palette=palette, columns=columns, say=say)
    return "\n".join(lines) + "\n"


def _starts_ms(captions: str) -> dict[int, int]:
    """Read where segments start, in seconds or milliseconds; without it, citations are numbers."""
    starts: dict[int, int] = {}
    try:
        answer: object = json.loads(captions)
    except ValueError:
        return starts
    segments: object = None
    if isinstance(answer, dict):
        segments = cast("dict[str, object]", answer).get("segments")
    if not isinstance(segments, list):
        return starts
    for row in cast("list[object]", segments):
        if not isinstance(row, dict):
            continue
        fields = cast("dict[str, object]", row)
        number = fields.get("id", fields.get("segment"))
        start_ms, start = fields.get("start_ms"), fields.get("start")
        if not isinstance(number, int):
            continue
        if isinstance(start_ms, int):
            starts[number] = start_ms
        elif isinstance(start, (int, float)):
            starts[number] = round(start * 1000)
    return starts
