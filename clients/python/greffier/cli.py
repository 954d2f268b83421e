"""The command line ``greffier``: built-in commands, and those of installed extras.

Commands are built when they are asked for, in the interface language, so that asking for the
version imports nothing else. Other packages add commands through the entry point group
``greffier.commands``; one that cannot be imported still appears, and says what it needs.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, NoReturn, cast

import click

from greffier._version import __version__
from greffier.errors import (
    AudioKept,
    ConnectionFailed,
    ConnectionLost,
    GreffierError,
    ProtocolViolation,
    ServerRefused,
)
from greffier.messages import LANGUAGES, Messages, language_of

__all__ = ["COMMANDS", "build", "main"]

COMMANDS: Final = {
    "ask": "greffier.commands.ask",
    "attach": "greffier.commands.attach",
    "delete": "greffier.commands.delete",
    "export": "greffier.commands.export",
    "forward": "greffier.commands.forward",
    "glossary": "greffier.commands.glossary",
    "listen": "greffier.commands.listen",
    "minutes": "greffier.commands.minutes",
    "second-pass": "greffier.commands.second_pass",
    "sessions": "greffier.commands.sessions",
    "stream": "greffier.commands.stream",
    "synthesis": "greffier.commands.synthesis",
    "transcribe": "greffier.commands.transcribe",
    "watch": "greffier.commands.watch",
}
_INTERRUPTED: Final = 130
_KNOWN_CODES: Final = frozenset(
    {
        "authentication_failed",
        "authentication_required",
        "connection_lost",
        "server_busy",
        "session_not_found",
    }
)


def main() -> None:
    """Run the command line in the language of ``--lang`` or of the locale."""
    arguments = sys.argv[1:]
    build(_language(arguments)).main(args=arguments, prog_name="greffier")


def build(language: str) -> click.Group:
    """Return the command line with texts in `language`."""
    say = Messages(language)
    group = _Greffier(
        say,
        name="greffier",
        help=say("help.greffier"),
        epilog=say("help.epilog"),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    group.params += [
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            help=say("help.lang"),
            expose_value=False,
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            help=say("help.version"),
            callback=_show_version,
        ),
    ]
    return group


class _ServerFailure(click.ClickException):
    """The server cannot be reached, or refused."""

    exit_code = 3


class _Greffier(click.Group):
    """Loads commands by name and turns errors into messages and exit codes."""

    def __init__(self, say: Messages, **options: Any) -> None:
        super().__init__(**options)
        self._say = say

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *_plugins()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            make = cast(
                "Callable[[Messages], click.Command]", import_module(COMMANDS[cmd_name]).build
            )
            return self._with_help(make(self._say))
        point = _plugins().get(cmd_name)
        return None if point is None else _load(point, self._say)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = self._say("help.help")
        return option

    def _with_help(self, command: click.Command) -> click.Command:
        return click.help_option("-h", "--help", help=self._say("help.help"))(command)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GreffierError as error:
            _fail(self._say, error)
        except (KeyboardInterrupt, asyncio.CancelledError):
            click.echo(self._say("error.interrupted"), err=True)
            ctx.exit(_INTERRUPTED)


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="greffier.commands")}


def _load(point: EntryPoint, say: Messages) -> click.Command:
    try:
        loaded: object = point.load()
    except Exception as error:  # noqa: BLE001  # whatever a stranger's import raises
        return _missing(point, say, cause=type(error).__name__)
    if isinstance(loaded, click.Command):
        return loaded
    return _missing(point, say, cause="no click command")


def _missing(point: EntryPoint, say: Messages, *, cause: str) -> click.Command:
    ours = point.module.partition(".")[0] in ("greffier_server", "greffier_models")
    need = say("error.extra", extra="server") if ours else say("error.plugin", cause=cause)

    def explain() -> NoReturn:
        raise click.ClickException(f"greffier {point.name}: {need}")

    return click.Command(
        point.name,
        callback=explain,
        help=need,
        short_help=need,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _fail(say: Messages, error: GreffierError) -> NoReturn:
    message = error.message
    if error.code in _KNOWN_CODES and say.language != "en":
        message = say(f"code.{error.code}")
    if isinstance(error, AudioKept):
        message = say("code.audio_kept", seconds=error.waiting_ms // 1000, folder=error.folder)
    kinds = (AudioKept, ConnectionFailed, ConnectionLost, ServerRefused, ProtocolViolation)
    failure = _ServerFailure if isinstance(error, kinds) else click.ClickException
    raise failure(message) from error


def _language(arguments: Sequence[str]) -> str:
    """Find ``--lang`` before click does: the help that click prints must already be in it."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return argument.partition("=")[2]
        if argument == "--lang" and index + 1 < len(arguments):
            return arguments[index + 1]
        if not argument.startswith("-"):
            break
    return language_of(os.environ)


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"greffier {__version__}")
        ctx.exit()
