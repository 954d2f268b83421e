"""The commands ``greffier verify`` and ``greffier bundle``."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from greffier_server.bundle.verify import Report, check_bundle
from greffier_server.errors import ServerError, SettingsInvalid
from greffier_server.pipeline.clock import SystemClock
from greffier_server.settings import Settings
from greffier_server.settings_sources import load_settings

if TYPE_CHECKING:
    from greffier_server.storage.journal import AudioJournal
    from greffier_server.storage.store import SessionStore

__all__ = ["bundle", "verify"]

T = TypeVar("T")

EXIT_UNCHECKED = 2
_OPTIONS: list[Callable[[Any], Any]] = [
    click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="TOML file with settings. Default: GREFFIER_CONFIG.",
    ),
    click.option(
        "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Sessions and audio."
    ),
    click.option("--tenant", default="default", show_default=True, help="Owner of the session."),
]


def _stored(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("target", metavar="SESSION|BUNDLE")
@_stored
@click.option("--key", default="", help="Public key of a bundle: PEM file or fingerprint.")
@click.option("--head", default="", help="Hash of a record that must be in the chain.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(
    *,
    target: str,
    config: Path | None,
    data_dir: Path | None,
    tenant: str,
    key: str,
    head: str,
    as_json: bool,
) -> None:
    """Check that a session, or a bundle of one, is as it was written.

    SESSION is looked up in the store and the journal of the settings; BUNDLE is an archive, or the
    folder it was unpacked into. Exit codes: 0 intact, 1 not intact, 2 cannot be checked.
    """
    path = Path(target)
    if path.exists():
        report = check_bundle(path, key=key, head=head)
    else:
        settings = _settings(config, data_dir)
        report = _run(_check(settings, tenant, target, head))
    click.echo(json.dumps(report.plain(), indent=2) if as_json else report.text(), nl=as_json)
    sys.exit(report.exit_code)


@click.command()
@click.argument("session")
@_stored
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. Default: SESSION.greffier.zip.",
)
def bundle(
    *,
    session: str,
    config: Path | None,
    data_dir: Path | None,
    tenant: str,
    output: Path | None,
) -> None:
    """Write all of a finished session as one signed archive that anyone can check offline.

    From another machine: GET /v1/sessions/SESSION/bundle.
    """
    settings = _settings(config, data_dir)
    path, fingerprint = _run(_write(settings, tenant, session, output))
    click.echo(f"{path}: signed with {fingerprint}")
    click.echo(f"Check it: greffier verify {path} --key {fingerprint}", err=True)


def _settings(config: Path | None, data_dir: Path | None) -> Settings:
    try:
        return load_settings(flags={"data_dir": data_dir}, config=config)
    except SettingsInvalid as error:
        _fail(error.message)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except ServerError as error:
        _fail(error.message)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(EXIT_UNCHECKED)


@asynccontextmanager
async def _storage(settings: Settings) -> AsyncGenerator["tuple[SessionStore, AudioJournal]", None]:
    """Open what the server of these settings writes; it may run meanwhile."""
    from greffier_server.storing import open_to_read

    if settings.database_url is None and not settings.data_dir.is_dir():
        raise SettingsInvalid(f"{settings.data_dir}: there is no such data directory")
    async with AsyncExitStack() as stack:
        yield await open_to_read(settings, stack)


async def _check(settings: Settings, tenant: str, session: str, head: str) -> Report:
    from greffier_server.bundle.checking import check_session
    from greffier_server.bundle.heads import HEADS_FILE, read_heads
    from greffier_server.bundle.signing import open_signing_key

    async with _storage(settings) as (store, journal):
        register, known = settings.data_dir / HEADS_FILE, None
        if register.exists():
            given = settings.integrity.signing_key
            key = await asyncio.to_thread(open_signing_key, settings.data_dir, given)
            known = await asyncio.to_thread(read_heads, register, key.public, tenant, session)
        return await check_session(store, journal, tenant, session, known=known, head=head)


async def _write(
    settings: Settings, tenant: str, session: str, output: Path | None
) -> tuple[Path, str]:
    from greffier_server.bundle.signing import open_signing_key
    from greffier_server.bundle.writing import open_bundle

    async with _storage(settings) as (store, journal):
        key = await asyncio.to_thread(
            open_signing_key, settings.data_dir, settings.integrity.signing_key
        )
        made = await open_bundle(
            store, journal, tenant, session, key=key, now_ms=SystemClock().now_ms()
        )
        path = output or Path(made.name)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with draft.open("xb") as file:
                async with aclosing(made.pieces()) as pieces:
                    async for piece in pieces:
                        await asyncio.to_thread(file.write, piece)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return path, key.fingerprint
