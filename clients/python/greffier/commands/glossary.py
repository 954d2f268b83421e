"""``greffier glossary``: the terms of all your sessions, as files and as a list."""

import asyncio
import json
from pathlib import Path
from typing import cast, get_args

import click

from greffier.commands.options import output_file_option, server_option, token_option, write_text
from greffier.http import Archive, GlossaryFormat
from greffier.messages import Messages
from greffier.width import cell_width, printable

__all__ = ["build"]

_SUFFIXES: dict[str, GlossaryFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tbx": "tbx",
    ".xml": "tbx",
    ".json": "json",
}
_forms = click.Choice(get_args(GlossaryFormat))


def build(say: Messages) -> click.Group:
    """Return the group of commands."""

    @click.group("glossary", help=say("help.glossary"))
    def glossary() -> None:
        pass

    @glossary.command("import", help=say("help.glossary-import"))
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    @server_option(say)
    @token_option(say)
    @click.option("--format", "form", type=_forms, help=say("help.glossary-format"))
    @click.option("--language", "-l", metavar="CODE", default="", help=say("help.glossary-source"))
    @click.option("--replace", is_flag=True, help=say("help.glossary-replace"))
    def import_file(
        file: Path, server: str, token: str | None, form: str | None, language: str, replace: bool
    ) -> None:
        chosen = cast("GlossaryFormat | None", form) or _SUFFIXES.get(file.suffix.lower())
        if chosen is None:
            raise click.UsageError(say("glossary.format"))
        archive = Archive(server, token)
        done = asyncio.run(
            archive.import_glossary(file.read_bytes(), chosen, language=language, replace=replace)
        )
        text = say("glossary.imported", received=done.get("received"), total=done.get("total"))
        click.echo(text, err=True)

    @glossary.command("export", help=say("help.glossary-export"))
    @server_option(say)
    @token_option(say)
    @click.option(
        "--format",
        "form",
        type=_forms,
        default="csv",
        show_default=True,
        help=say("help.glossary-format"),
    )
    @output_file_option(say)
    def export(server: str, token: str | None, form: str, output: Path | None) -> None:
        text = asyncio.run(Archive(server, token).glossary(cast("GlossaryFormat", form)))
        write_text(output, text, say)

    @glossary.command("list", help=say("help.glossary-list"))
    @server_option(say)
    @token_option(say)
    def list_terms(server: str, token: str | None) -> None:
        rows = _rows(asyncio.run(Archive(server, token).glossary("json")))
        if not rows:
            click.echo(say("glossary.none"), err=True)
        widest = max((cell_width(term) for term, _ in rows), default=0)
        for term, rest in rows:
            click.echo((term + " " * (widest - cell_width(term)) + "  " + rest).rstrip())

    return glossary


def _rows(text: str) -> list[tuple[str, str]]:
    """Each term, and its translations and variants on one line."""
    answer = cast("dict[str, list[dict[str, object]]]", json.loads(text))
    rows: list[tuple[str, str]] = []
    for term in answer.get("terms", []):
        translations = cast("dict[str, str]", term.get("translations") or {})
        variants = cast("list[str]", term.get("variants") or [])
        parts = [f"{code}: {written}" for code, written in sorted(translations.items())]
        parts += ["=" for _ in (1,) if term.get("do_not_translate")]
        parts += [f"({', '.join(variants)})" for _ in (1,) if variants]
        rows.append((printable(str(term.get("term", ""))), printable("  ".join(parts))))
    return rows
