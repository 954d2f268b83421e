"""``greffier sessions``: what the server keeps."""

import asyncio
import json
from datetime import datetime

import click

from greffier.commands.options import server_option, token_option
from greffier.http import Archive
from greffier.messages import Messages
from greffier.minutes_text import stamp
from greffier.width import cell_width, clip, printable

__all__ = ["build"]

_WIDEST = 40


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("sessions", help=say("help.sessions"))
    @server_option(say)
    @token_option(say)
    @click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=say("help.format"),
    )
    def sessions(server: str, token: str | None, form: str) -> None:
        rows = asyncio.run(Archive(server, token).sessions())
        if form == "json":
            click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        elif rows:
            for line in _table([_cells(row) for row in rows]):
                click.echo(line)
        else:
            click.echo(say("sessions.none"), err=True)

    return sessions


def _cells(row: dict[str, object]) -> list[str]:
    created, duration = row.get("created_at_ms"), row.get("duration_ms")
    moment = ""
    if isinstance(created, int):
        moment = datetime.fromtimestamp(created / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return [
        str(row.get("session", "")),
        moment,
        stamp(duration) if isinstance(duration, int) else "",
        str(row.get("state", "")),
        str(row.get("language", "")),
        clip(printable(str(row.get("title", ""))), _WIDEST),
    ]


def _table(rows: list[list[str]]) -> list[str]:
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(cell_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell + " " * (width - cell_width(cell))
            for cell, width in zip(row, widths, strict=True)
            if width
        ).rstrip()
        for row in rows
    ]
