"""Commands of the server: ``serve`` and ``doctor``."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

import click

from greffier_models.errors import EngineError, WeightsError
from greffier_server.doctor import Check, diagnose
from greffier_server.errors import ServerError, SettingsInvalid
from greffier_server.settings_sources import effective, load_settings

__all__ = ["doctor", "main", "serve"]

EXIT_SETTINGS = 2
EXIT_ADDRESS = 3
EXIT_WEIGHTS = 4

_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings. Default: GREFFIER_CONFIG.",
)
_host = click.option("--host", help="Address to listen on. Default: 127.0.0.1.")
_port = click.option("--port", type=click.IntRange(0, 65_535), help="0 = any free one.")
_data_dir = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Sessions and audio."
)
_models_dir = click.option(
    "--models-dir", type=click.Path(file_okay=False, path_type=Path), help="Weights."
)


@click.group()
def main() -> None:
    """Greffier's server."""


@main.command()
@_config
@_host
@_port
@_data_dir
@_models_dir
@click.option("--model", help="Whisper model: a name of the catalogue, or a folder.")
@click.option("--language-model", help="Language model: a name of the catalogue, or a GGUF file.")
@click.option("--no-llm", is_flag=True, help="Captions only: no translation, no minutes.")
@click.option(
    "--engine",
    type=click.Choice(["whisper", "fake"]),
    help="fake needs no weights: it reads test audio back.",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
def serve(
    *,
    config: Path | None,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    models_dir: Path | None,
    model: str | None,
    language_model: str | None,
    no_llm: bool,
    engine: str | None,
    log_level: str | None,
) -> None:
    """Listen for audio; write captions, translations and minutes.

    Stops on Ctrl+C or SIGTERM: clients are told, and unfinished sessions go on at the next start.
    Exit codes: 2 settings, 3 address taken, 4 weights missing or damaged.
    """
    flags: dict[str, Any] = {
        "host": host,
        "port": port,
        "data_dir": data_dir,
        "models_dir": models_dir,
        "recognition": {"engine": engine, "model": model},
        "language_model": {
            "engine": _language_engine(no_llm=no_llm, engine=engine, model=language_model),
            "model": language_model,
        },
        "log": {"level": log_level},
    }
    try:
        _serve(flags, config)
    except SettingsInvalid as error:
        _fail(error.message, EXIT_SETTINGS)
    except WeightsError as error:
        _fail(error.message, EXIT_WEIGHTS)
    except (ServerError, EngineError) as error:
        _fail(error.message, EXIT_ADDRESS if error.code == "address_taken" else 1)
    except KeyboardInterrupt:
        sys.exit(130)


@main.command()
@_config
@_host
@_port
@_data_dir
@_models_dir
@click.option("--quick", is_flag=True, help="Do not read the weights to check their digests.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    *,
    config: Path | None,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    models_dir: Path | None,
    quick: bool,
    as_json: bool,
) -> None:
    """Check that this machine can serve; show the effective settings.

    Exits with 1 when something required is missing.
    """
    flags = {"host": host, "port": port, "data_dir": data_dir, "models_dir": models_dir}
    try:
        settings = load_settings(flags=flags, config=config)
    except SettingsInvalid as error:
        _fail(error.message, EXIT_SETTINGS)
    checks = diagnose(settings, quick=quick)
    shown = effective(settings)
    if as_json:
        report = {"checks": [check.plain() for check in checks], "settings": shown}
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _print_checks(checks)
        click.echo("\nSettings")
        click.echo("\n".join(_lines(shown)))
    if any(check.required and not check.passed for check in checks):
        sys.exit(1)


def _serve(flags: dict[str, Any], config: Path | None) -> None:
    settings = load_settings(flags=flags, config=config)
    # Web framework and engines load here, so that --help and doctor stay quick.
    from greffier_models.allocator import giving_back, limit_heaps
    from greffier_server import assembly, guard, serving
    from greffier_server.telemetry import configure_logging
    from greffier_server.transport.whip.settings import own_addresses

    configure_logging(settings.log)
    limit_heaps()
    listener = serving.listen(settings)
    with listener, giving_back():
        if settings.network.guard:
            own = own_addresses() if settings.webrtc.peers else ()
            guard.install((*settings.egress_hosts, *own))
        asyncio.run(
            serving.run(
                settings,
                assembly.build,
                listener=listener,
                announce=lambda line: click.echo(line, err=True),
            )
        )


def _language_engine(*, no_llm: bool, engine: str | None, model: str | None) -> str | None:
    if no_llm:
        return "none"
    if engine == "fake" and model is None:
        return "fake"
    return None


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


def _print_checks(checks: list[Check]) -> None:
    for check in checks:
        mark = "ok" if check.passed else ("FAIL" if check.required else "warn")
        click.echo(f"{mark:>4}  {check.name}: {check.detail}")
        if check.advice and not check.passed:
            click.echo(f"      {check.advice}")


def _lines(values: dict[str, Any], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines.extend(_lines(cast("dict[str, Any]", value), f"{prefix}{name}."))
        else:
            lines.append(f"  {prefix}{name} = {value}")
    return lines
