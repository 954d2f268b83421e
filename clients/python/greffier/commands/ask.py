"""``greffier ask``: a question to what was said, answered with its passages."""

import asyncio
import json
from typing import cast

import click

from greffier.commands.options import server_option, token_option
from greffier.errors import ProtocolViolation
from greffier.http import Archive
from greffier.messages import Messages
from greffier.minutes_text import stamp
from greffier.width import printable

__all__ = ["build"]


def build(say: Messages) -> click.Command:
    """Return the command."""

    @click.command("ask", help=say("help.ask"))
    @click.argument("words", nargs=-1, required=True, metavar="[SESSION] QUESTION")
    @server_option(say)
    @token_option(say)
    @click.option("--all", "everywhere", is_flag=True, help=say("help.ask-all"))
    @click.option("--language", metavar="CODE", help=say("help.ask-language"))
    @click.option("--json", "plain", is_flag=True, help="JSON.")
    def ask(
        words: tuple[str, ...],
        server: str,
        token: str | None,
        everywhere: bool,
        language: str | None,
        plain: bool,
    ) -> None:
        if len(words) != (1 if everywhere else 2):
            raise click.UsageError(say("error.ask"))
        session = None if everywhere else words[0]
        found = asyncio.run(
            Archive(server, token).ask(words[-1], session=session, language=language)
        )
        if plain:
            click.echo(json.dumps(found, ensure_ascii=False, indent=2))
            return
        for line in _lines(found, say, everywhere=everywhere):
            click.echo(line)

    return ask


def _lines(answer: dict[str, object], say: Messages, *, everywhere: bool) -> list[str]:
    if not isinstance(answer.get("said"), bool):
        raise ProtocolViolation("the server's answer does not say whether it was said")
    lines: list[str] = []
    for sentence in _objects(answer.get("sentences")):
        mark = "✓" if sentence.get("verified") is True else f"? ({say('ask.unverified')})"
        lines.append(f"{printable(str(sentence.get('text', '')))} {mark}")
        for cite in _objects(sentence.get("cites")):
            start_ms = cite.get("start_ms")
            at = stamp(start_ms) if isinstance(start_ms, int) else "?"
            where = f"{cite.get('session')} {at}" if everywhere else at
            said = str(cite.get("text", ""))
            if cite.get("speaker"):
                said = f"{cite['speaker']}: {said}"
            lines.append(f"    [{printable(where)}] {printable(said)}")
    if not lines:
        lines.append(say("ask.not-said"))
        unheard = answer.get("unheard")
        words = cast("list[object]", unheard) if isinstance(unheard, list) else []
        if words:
            lines.append(say("ask.unheard", words=printable(", ".join(map(str, words)))))
    return lines


def _objects(value: object) -> list[dict[str, object]]:
    rows = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]
