"""The commands ``greffier keys``: the master key, and the keys of tenants that it wraps."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click

from greffier_server.errors import ServerError, SettingsInvalid
from greffier_server.settings import Settings
from greffier_server.settings_sources import load_settings

__all__ = ["keys"]

P = ParamSpec("P")

_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings. Default: GREFFIER_CONFIG.",
)
_data_dir = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Sessions and audio."
)
_file = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


def _plain_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Say what is wrong instead of showing where."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except ServerError as error:
            click.echo(f"Error: {error.message}", err=True)
            sys.exit(1)
        except OSError as error:
            click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
            sys.exit(1)

    return guarded


@click.group()
def keys() -> None:
    """Keys of encryption at rest."""


@keys.command()
@_file
@_plain_errors
def init(*, file: Path) -> None:
    """Write a new master key to FILE, readable by you alone.

    Keep a copy elsewhere: without it, nothing that was encrypted can be read again.
    """
    _new_master(file)
    click.echo(f"A master key is in {file}. Keep a copy of it apart from the data, then set")
    click.echo("encryption.enabled = true and encryption.master_key_file to that file.")


@keys.command("list")
@_config
@_data_dir
@_plain_errors
def list_keys(*, config: Path | None, data_dir: Path | None) -> None:
    """Show which tenants have keys, since when, and whether the master key opens them."""
    from greffier_server.key_ring import key_shelf, keys_are_shared, master_key

    settings = _settings(config, data_dir)
    master = master_key(settings)
    place = "in the database" if keys_are_shared(settings) else settings.keys_path
    click.echo(f"master {master.id}  {place}")
    with key_shelf(settings) as shelf:
        found = list(shelf.every())
    for wrapped in found:
        made = datetime.fromtimestamp(wrapped.created_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        try:
            wrapped.unwrap(master)
            state = "ok"
        except ServerError:
            state = f"not opened by this master key (wrapped by {wrapped.master})"
        click.echo(f"{wrapped.tenant}  {wrapped.id.hex()}  {made}  {state}")


@keys.command()
@click.argument("new_file", type=click.Path(dir_okay=False, path_type=Path))
@_config
@_data_dir
@_plain_errors
def rotate(*, new_file: Path, config: Path | None, data_dir: Path | None) -> None:
    """Wrap every tenant's key under the master key in NEW_FILE, which is made when it is missing.

    Stop the server first; all of them, where several share a database. What is encrypted stays as
    it is. Cut short, run it again: it goes on. Then set encryption.master_key_file to NEW_FILE and
    start the server.
    """
    from greffier_server.key_ring import key_shelf, master_key
    from greffier_server.storage.keys import KeyRing, read_master_key

    settings = _settings(config, data_dir)
    with key_shelf(settings) as shelf:
        ring = KeyRing(shelf, master_key(settings))
        if not new_file.exists():
            _new_master(new_file)
        count = ring.rotate(read_master_key(new_file.read_text("ascii", errors="replace")))
    click.echo(f"{count} keys were wrapped anew. Set encryption.master_key_file to {new_file}.")


@keys.command()
@click.argument("tenant")
@_config
@_data_dir
@click.option("--yes", is_flag=True, help="Do not ask.")
@_plain_errors
def destroy(*, tenant: str, config: Path | None, data_dir: Path | None, yes: bool) -> None:
    """Destroy the keys of TENANT: its encrypted audio and words can never be read again.

    Copies of the keys folder, or of the database that keeps them, have to be destroyed by whoever
    made them.
    """
    from greffier_server.key_ring import key_shelf
    from greffier_server.storage.keys import KeyRing, MasterKey

    settings = _settings(config, data_dir)
    if not yes:
        typed = click.prompt(
            f"All that is encrypted of {tenant} will be lost for good. Type the name to go on"
        )
        if typed != tenant:
            raise click.Abort
    with key_shelf(settings) as shelf:
        # What is destroyed need not be opened: the master key may be gone already.
        count = KeyRing(shelf, MasterKey(b"")).destroy(tenant)
    if not count:
        raise SettingsInvalid("The tenant has no key here; nothing was destroyed.")
    click.echo(f"{count} keys of {tenant} are destroyed.")


@keys.command()
@_config
@_data_dir
@_plain_errors
def share(*, config: Path | None, data_dir: Path | None) -> None:
    """Copy this server's keys folder into the database, once, for servers that share their audio.

    For data that was encrypted before shared.audio was set. Delete the folder when the servers run.
    """
    from greffier_server.key_ring import key_shelf, keys_are_shared, master_key
    from greffier_server.storage.key_shelf import FolderShelf
    from greffier_server.storage.keys import KeyRing

    settings = _settings(config, data_dir)
    if not keys_are_shared(settings):
        raise SettingsInvalid("The keys lie in a folder: servers do not share their audio.")
    with key_shelf(settings) as shelf:
        ring = KeyRing(shelf, master_key(settings))
        count = ring.adopt(FolderShelf(settings.data_dir / "keys"))
    click.echo(f"{count} keys were copied into the database.")


def _settings(config: Path | None, data_dir: Path | None) -> Settings:
    flags: dict[str, Any] = {"data_dir": data_dir}
    return load_settings(flags=flags, config=config)


def _new_master(file: Path) -> None:
    from greffier_server.storage.keys import new_master_key

    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(new_master_key() + "\n")
        opened.flush()
        os.fsync(opened.fileno())
