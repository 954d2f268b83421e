"""Options that several commands have in common."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from greffier.address import DEFAULT_SERVER, ServerAddress
from greffier.messages import Messages
from greffier.protocol import AudioProfile
from greffier.spool_seal import SpoolSecret

__all__ = [
    "channels_options",
    "language_option",
    "minutes_option",
    "output_file_option",
    "profile_of",
    "profile_option",
    "save_option",
    "server_option",
    "spool_options",
    "spool_secret",
    "spool_secret_options",
    "title_option",
    "token_option",
    "translate_option",
    "write_text",
]

F = TypeVar("F", bound=Callable[..., Any])
Decorator = Callable[[F], F]


def server_option(say: Messages, *, required: bool = True) -> Decorator[Any]:
    """``--server``; without `required` it has no default."""

    def check(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
        if value is not None:
            try:
                ServerAddress.parse(value)
            except ValueError:
                raise click.BadParameter(say("error.address")) from None
        return value

    return click.option(
        "--server",
        envvar="GREFFIER_SERVER",
        metavar="URL",
        default=DEFAULT_SERVER if required else None,
        show_default=required,
        show_envvar=True,
        callback=check,
        help=say("help.server" if required else "help.server-or-local"),
    )


def token_option(say: Messages) -> Decorator[Any]:
    """``--token``."""
    return click.option(
        "--token",
        envvar="GREFFIER_TOKEN",
        metavar="TOKEN",
        show_envvar=True,
        help=say("help.token"),
    )


def language_option(say: Messages) -> Decorator[Any]:
    """``--language``."""
    return click.option(
        "--language",
        "-l",
        metavar="CODE",
        default="auto",
        show_default=True,
        help=say("help.language"),
    )


def channels_options(say: Messages) -> Decorator[Any]:
    """``--channels`` and ``--speaker``, a tuple of names."""

    def check(
        context: click.Context, _: click.Parameter, value: tuple[str, ...]
    ) -> tuple[str, ...]:
        if value and context.params.get("channels") != "separate":
            raise click.BadParameter(say("error.speakers"))
        return value

    channels = click.option(
        "--channels",
        type=click.Choice(["mix", "separate"]),
        default="mix",
        show_default=True,
        is_eager=True,  # the names are checked against it
        help=say("help.channels"),
    )
    speaker = click.option(
        "--speaker",
        "speakers",
        metavar="NAME",
        multiple=True,
        callback=check,
        help=say("help.speaker"),
    )

    def both(command: Any) -> Any:
        return channels(speaker(command))

    return both


def translate_option(say: Messages) -> Decorator[Any]:
    """``--translate``, a tuple of language codes."""
    return click.option(
        "--translate", "-t", metavar="LANG", multiple=True, help=say("help.translate")
    )


def minutes_option(say: Messages, *, default: bool) -> Decorator[Any]:
    """``--minutes/--no-minutes``."""
    return click.option(
        "--minutes/--no-minutes", default=default, show_default=True, help=say("help.with-minutes")
    )


def profile_option(say: Messages) -> Decorator[Any]:
    """``--profile``, the kind of audio."""
    return click.option(
        "--profile", type=click.Choice(get_args(AudioProfile)), help=say("help.profile")
    )


def profile_of(name: str | None) -> AudioProfile | None:
    """Give the value of ``--profile`` its type: click has checked it."""
    return cast("AudioProfile | None", name)


def title_option(say: Messages) -> Decorator[Any]:
    """``--title``."""
    return click.option("--title", metavar="TEXT", default="", help=say("help.title"))


def save_option(say: Messages) -> Decorator[Any]:
    """``--save``, a folder."""
    return click.option(
        "--save",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help=say("help.save"),
    )


def spool_options(say: Messages) -> Decorator[Any]:
    """``--spool`` and ``--spool-limit``, in megabytes."""
    spool = click.option(
        "--spool",
        envvar="GREFFIER_SPOOL",
        metavar="DIR",
        show_envvar=True,
        type=click.Path(file_okay=False, path_type=Path),
        help=say("help.spool"),
    )
    limit = click.option(
        "--spool-limit",
        metavar="MB",
        type=click.IntRange(1),
        default=2_048,
        show_default=True,
        help=say("help.spool-limit"),
    )

    def both(command: Any) -> Any:
        return spool(limit(command))

    return both


def spool_secret_options(say: Messages) -> Decorator[Any]:
    """``--spool-key`` and ``--spool-passphrase``; `spool_secret` takes what they give."""
    key = click.option(
        "--spool-key",
        envvar="GREFFIER_SPOOL_KEY",
        metavar="FILE",
        show_envvar=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help=say("help.spool-key"),
    )
    passphrase = click.option("--spool-passphrase", is_flag=True, help=say("help.spool-passphrase"))

    def both(command: Any) -> Any:
        return key(passphrase(command))

    return both


def spool_secret(
    key: Path | None, passphrase: bool, say: Messages, *, new: bool
) -> SpoolSecret | None:
    """Return what kept audio is encrypted with; None: it is not.

    Args:
        key: file with a key.
        passphrase: ask for one, unless it is in the environment.
        say: interface texts.
        new: a passphrase is asked for twice.

    Raises:
        SpoolUnusable: the key cannot be read, or the passphrase is too short.
        click.UsageError: both were given.
    """
    given = os.environ.get("GREFFIER_SPOOL_PASSPHRASE", "")
    if key is not None and (passphrase or given):
        raise click.UsageError(say("error.two-secrets"))
    if key is not None:
        return SpoolSecret.from_file(key)
    if passphrase and not given:
        given = str(
            click.prompt(
                say("prompt.passphrase"), hide_input=True, confirmation_prompt=new, err=True
            )
        )
    return SpoolSecret.from_passphrase(given) if given else None


def output_file_option(say: Messages) -> Decorator[Any]:
    """``--output``, a file."""
    return click.option(
        "--output",
        "-o",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help=say("help.output-file"),
    )


def write_bytes(path: Path | None, content: bytes, say: Messages) -> None:
    """Write `content` to `path`, making its folder, or to standard output.

    Raises:
        click.ClickException: the file cannot be written.
    """
    if path is None:
        sys.stdout.buffer.write(content)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise click.ClickException(say("error.write", path=path, cause=cause)) from error


def write_text(path: Path | None, text: str, say: Messages) -> None:
    """Write `text` to `path`, making its folder, or to standard output.

    Raises:
        click.ClickException: the file cannot be written.
    """
    if path is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise click.ClickException(say("error.write", path=path, cause=cause)) from error
