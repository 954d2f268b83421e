"""The command ``greffier replay``."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast, get_args

import click

from greffier.plain import to_plain
from greffier_models.errors import EngineError, WeightsError
from greffier_server.core.policies import POLICY_NAMES, PolicyName
from greffier_server.core.speech import PROFILES
from greffier_server.errors import ServerError, SettingsInvalid
from greffier_server.settings_sources import load_settings

if TYPE_CHECKING:
    from greffier_server.core.replayed import Change, Doubt, Lag, Replayed

__all__ = ["replay"]

EXIT_DIFFERENT = 1
EXIT_SETTINGS = 2
EXIT_REFUSED = 3
EXIT_WEIGHTS = 4
_SHOWN = 20
"""Passages that are printed unless all are asked for."""


@click.command()
@click.argument("session")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings. Default: GREFFIER_CONFIG.",
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Sessions and audio."
)
@click.option("--models-dir", type=click.Path(file_okay=False, path_type=Path), help="Weights.")
@click.option("--tenant", default="default", show_default=True, help="Owner of the session.")
@click.option("--model", help="Another Whisper model: a name of the catalogue, or a folder.")
@click.option("--policy", type=click.Choice(POLICY_NAMES), help="Another streaming policy.")
@click.option("--latency", type=click.Choice(["default", "fast"]), help="Other dials of it.")
@click.option("--profile", type=click.Choice(sorted(PROFILES)), help="Another kind of audio.")
@click.option(
    "--as-served", is_flag=True, help="With the model and settings this server has today."
)
@click.option("--all", "everything", is_flag=True, help="Print every passage that differs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(
    *,
    session: str,
    config: Path | None,
    data_dir: Path | None,
    models_dir: Path | None,
    tenant: str,
    model: str | None,
    policy: str | None,
    latency: str | None,
    profile: str | None,
    as_served: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Hear a finished session again from its journal, and compare.

    Without options that change something, every recorded event must come again. With them, the
    words, their lag and what was withheld are compared. Nothing is written. Exit codes: 0 the same,
    1 different, 2 settings, 3 the session cannot be replayed, 4 weights missing or damaged.
    """
    flags: dict[str, Any] = {"data_dir": data_dir, "models_dir": models_dir}
    try:
        settings = load_settings(flags=flags, config=config)
        from greffier_server.replay_session import Instead, replay_session

        names: dict[str, PolicyName] = {name: name for name in get_args(PolicyName)}
        instead = Instead(
            model=model,
            policy=None if policy is None else names[policy],
            fast=None if latency is None else latency == "fast",
            profile=profile,
            as_served=as_served,
        )
        replayed = asyncio.run(replay_session(settings, tenant, session, instead))
    except SettingsInvalid as error:
        _fail(error.message, EXIT_SETTINGS)
    except WeightsError as error:
        _fail(error.message, EXIT_WEIGHTS)
    except (ServerError, EngineError) as error:
        _fail(error.message, EXIT_REFUSED)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        plain = cast("dict[str, object]", to_plain(replayed))
        plain["word_error_rate"] = round(replayed.word_error_rate, 4)
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(replayed, shown=None if everything else _SHOWN)))
    if not replayed.same:
        sys.exit(EXIT_DIFFERENT)


def _lines(replayed: "Replayed", *, shown: int | None) -> list[str]:
    lines = [_verdict(replayed), ""]
    for name, (then, now) in ((name, pair) for name, pair in replayed.settings.items()):
        lines.append(f"{name}: {then} -> {now}")
    lines += [
        f"{'':<12}{'recorded':>12}{'replayed':>12}",
        f"{'words':<12}{replayed.words:>12}{replayed.words_replayed:>12}",
        _lag_line("lag p50", replayed.lag, replayed.lag_replayed, "p50_ms"),
        _lag_line("lag p95", replayed.lag, replayed.lag_replayed, "p95_ms"),
        f"words that differ: {replayed.edits} ({replayed.word_error_rate:.1%})",
    ]
    for epoch in replayed.epochs:
        cut = "" if epoch.whole else ", cut short by a stop of the server"
        told = f"start at event {epoch.seq}: {epoch.events} events{cut}"
        first = epoch.difference
        if first is None:
            lines.append(f"{told}: the same")
            continue
        lines.append(
            f"{told}: DIFFERENT from event {first.seq or 'after the last'} on, channel "
            f"{first.channel} at {_clock(first.at_ms)}: "
            f"{first.recorded or 'nothing'} -> {first.replayed or 'nothing'}"
        )
    if replayed.audio_lost:
        lines.append(f"audio that is damaged now, heard as silence: {replayed.audio_lost} times")
    lines += [f"withheld then, not now: {_doubt(doubt)}" for doubt in replayed.withheld]
    lines += [f"withheld now, not then: {_doubt(doubt)}" for doubt in replayed.withheld_replayed]
    upto = len(replayed.changes) if shown is None else shown
    lines += [_change(change) for change in replayed.changes[:upto]]
    if len(replayed.changes) > upto:
        lines.append(f"... and {len(replayed.changes) - upto} more: --all")
    return lines


def _verdict(replayed: "Replayed") -> str:
    if replayed.faithful:
        result = "the same events" if replayed.same else "DIFFERENT"
        return f"{replayed.session} as it was recorded: {result}"
    result = "the same words" if replayed.same else "other words"
    return f"{replayed.session} with something else: {result}"


def _lag_line(name: str, then: "Lag", now: "Lag", field: str) -> str:
    seconds = [getattr(lag, field) / 1000 for lag in (then, now)]
    return f"{name:<12}{seconds[0]:>10.1f} s{seconds[1]:>10.1f} s"


def _doubt(doubt: "Doubt") -> str:
    return f"{_clock(doubt.start_ms)} to {_clock(doubt.end_ms)}, {doubt.reason}"


def _change(change: "Change") -> str:
    return f"{_clock(change.at_ms)}  - {change.recorded or '(nothing)'}\n" + (
        f"{'':<11}  + {change.replayed or '(nothing)'}"
    )


def _clock(ms: int) -> str:
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest / 1000:04.1f}"


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)
