"""The command ``greffier space``."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from greffier_server.errors import ServerError
from greffier_server.settings import Settings
from greffier_server.settings_sources import load_settings

if TYPE_CHECKING:
    from greffier_server.storage.space import Quota

__all__ = ["space"]


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings. Default: GREFFIER_CONFIG.",
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Sessions and audio."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def space(*, config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show the space that each tenant's audio takes, and its quota.

    Reads the data directory, or the database where servers share their audio; a running server is
    not disturbed.
    """
    try:
        settings = load_settings(flags={"data_dir": data_dir}, config=config)
        report = asyncio.run(_report(settings))
    except ServerError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(report, indent=2))
        return
    width = max([len("tenant"), *(len(str(row["tenant"])) for row in report)])
    click.echo(f"{'tenant':<{width}}  sessions    audio MB    quota MB")
    for row in report:
        quota = "-" if row["quota_bytes"] is None else _megabytes(row["quota_bytes"])
        click.echo(
            f"{row['tenant']:<{width}}  {row['sessions']:>8}  "
            f"{_megabytes(row['audio_bytes']):>10}  {quota:>10}"
        )
    total = sum(int(str(row["audio_bytes"])) for row in report)
    click.echo(f"{'all':<{width}}  {'':>8}  {_megabytes(total):>10}")


async def _report(settings: Settings) -> list[dict[str, object]]:
    from greffier_server.storage.disk import DiskJournal
    from greffier_server.storage.space import quota_of

    quota = quota_of(settings.storage.quota_bytes, settings.storage.named_quota_bytes)
    if settings.on_postgresql and settings.shared.audio:
        return await _shared_report(settings, quota)
    journal = DiskJournal(settings.data_dir / "audio", quota=quota)
    try:
        await journal.take_stock()
        return [asdict(taken) for taken in journal.space.all()]
    finally:
        await journal.close()


async def _shared_report(settings: Settings, quota: "Quota") -> list[dict[str, object]]:
    from greffier_server.storage.engines import engine_for
    from greffier_server.storage.shared_space import SharedSpace

    engine = await engine_for(settings.database.get_secret_value())
    try:
        space = SharedSpace(engine, segment_bytes=None, quota=quota)
        await space.survey()
        return [asdict(taken) for taken in space.all()]
    finally:
        await engine.dispose()


def _megabytes(count: object) -> str:
    return f"{int(str(count)) / 1e6:,.1f}"
