"""The command ``greffier capacity``."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from greffier.errors import GreffierError
from greffier_models.errors import EngineError
from greffier_server.errors import ServerError
from greffier_server.settings import Settings
from greffier_server.settings_sources import load_settings

if TYPE_CHECKING:
    from greffier_server.measuring import Sound, Trial

__all__ = ["capacity"]

RECORDING = Path("tests/data/scenes/meeting-bilingual.flac")
"""Of a checkout; an installed package carries no recordings."""
_MOST_AUDIO_S = 600


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with settings. Default: GREFFIER_CONFIG.",
)
@click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the limit is kept."
)
@click.option("--models-dir", type=click.Path(file_okay=False, path_type=Path), help="Weights.")
@click.option("--model", help="Whisper model: a name of the catalogue, or a folder.")
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Speech to play, of the kind you expect. Default: the demonstration's.",
)
@click.option("--language", default="auto", show_default=True, help="Of the speech, ISO 639-1.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=15, max=3_600),
    default=45.0,
    show_default=True,
    help="Length of each trial.",
)
@click.option(
    "--max-lag",
    type=click.FloatRange(min=1, max=60),
    default=5.0,
    show_default=True,
    help="Seconds within which 95 of 100 words must be committed.",
)
@click.option(
    "--streams", type=click.IntRange(1, 1_000), help="Try this number only; keep nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def capacity(
    *,
    config: Path | None,
    data_dir: Path | None,
    models_dir: Path | None,
    model: str | None,
    recording: Path | None,
    language: str,
    seconds: float,
    max_lag: float,
    streams: int | None,
    as_json: bool,
) -> None:
    """Measure how many live streams this machine holds, and let ``serve`` take no more.

    Plays a recording into more and more sessions at once, at real time, through the real engine;
    takes some minutes, and needs a machine that does nothing else. Exit codes: 1 not one stream is
    held, 2 settings, 4 weights missing or damaged.
    """
    recording = recording or RECORDING
    if not recording.is_file():
        _fail("give a recording of speech: greffier capacity --recording meeting.wav", 2)
    flags: dict[str, Any] = {
        "data_dir": data_dir,
        "models_dir": models_dir,
        "recognition": {"model": model},
        "language_model": {"engine": "none"},
    }
    try:
        settings = load_settings(flags=flags, config=config)
        measure = _Measurement(
            settings,
            recording=recording,
            language=language,
            seconds=seconds,
            max_lag_ms=round(max_lag * 1000),
            tell=(lambda line: None) if as_json else click.echo,
        )
        report = asyncio.run(measure.run(only=streams))
    except (EngineError, ServerError) as error:
        codes = {"settings_invalid": 2, "weights_missing": 4, "weights_corrupt": 4}
        _fail(error.message, codes.get(error.code, 1))
    except GreffierError as error:
        _fail(str(error), 2)
    except OSError as error:
        _fail(f"the limit cannot be kept: {error.strerror}", 1)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(_conclusion(report))
    if not report["streams"]:
        sys.exit(1)


class _Measurement:
    def __init__(
        self,
        settings: Settings,
        *,
        recording: Path,
        language: str,
        seconds: float,
        max_lag_ms: int,
        tell: Callable[[str], object],
    ) -> None:
        self._settings = settings
        self._recording = recording
        self._language = language
        self._seconds = seconds
        self._max_lag_ms = max_lag_ms
        self._tell = tell

    async def run(self, *, only: int | None) -> dict[str, Any]:
        """Try numbers of streams until the limit is found; keep it unless told which to try."""
        # Engines and web framework load here, so that --help stays quick.
        from greffier_server.assembly import measured_server
        from greffier_server.capacity import Capacity, write_capacity
        from greffier_server.measuring import Trial, TrialSettings, find_limit, hold

        sound = await self._sound()
        wanted = TrialSettings(
            seconds=self._seconds,
            warm_up_s=min(10.0, self._seconds / 3),
            max_lag_ms=self._max_lag_ms,
            language=self._language,
        )
        trials: list[Trial] = []
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="greffier-"))
            server = await measured_server(self._settings, stack, Path(folder))

            async def tried(streams: int) -> Trial:
                trial = await hold(server.desk, sound, streams, wanted, cores=server.machine.cores)
                trials.append(trial)
                self._tell(_row(trial))
                return trial

            self._tell(f"{server.machine.processor}, {server.machine.cores} cores")
            self._tell(_HEAD)
            if only is None:
                streams = await find_limit(tried, guess=server.estimated)
            else:
                streams = only if (await tried(only)).held else 0
        found = Capacity(streams, server.machine, datetime.now(UTC).isoformat(timespec="seconds"))
        kept = None
        if only is None and streams:
            kept = str(await asyncio.to_thread(write_capacity, self._settings.data_dir, found))
        return {
            **asdict(found),
            "max_lag_ms": self._max_lag_ms,
            "seconds": self._seconds,
            "kept": kept,
            "trials": [_plain(trial) for trial in trials],
        }

    async def _sound(self) -> "Sound":
        from greffier.sources import open_recording
        from greffier_server.measuring import Sound

        source = await asyncio.to_thread(open_recording, self._recording)
        form = source.format
        most = _MOST_AUDIO_S * form.rate * form.frame_bytes
        audio = bytearray()
        async for chunk in source.chunks():
            audio += chunk
            if len(audio) >= most:
                break
        return Sound(form, bytes(audio))


_HEAD = "streams   words  lag p50  lag p95   busy  ladder"


def _row(trial: "Trial") -> str:
    ladder = ", ".join(trial.levels) or "full"
    verdict = "held" if trial.held else "NOT HELD"
    return (
        f"{trial.streams:>7} {trial.words:>7} {trial.p50_ms / 1000:>7.1f}s "
        f"{trial.p95_ms / 1000:>7.1f}s {trial.busy:>6.0%}  {ladder}: {verdict}"
    )


def _plain(trial: "Trial") -> dict[str, Any]:
    """As JSON, which knows no infinity."""
    plain = asdict(trial)
    for name in ("p50_ms", "p95_ms"):
        plain[name] = round(plain[name]) if plain[name] < float("inf") else None
    return {**plain, "busy": round(plain["busy"], 3)}


def _conclusion(report: dict[str, Any]) -> str:
    streams, lag_s = report["streams"], report["max_lag_ms"] / 1000
    if not streams:
        return f"Not held: p95 of the commit lag above {lag_s:g} s. A smaller model may do."
    told = f"\n{streams} live streams with 95 of 100 words committed within {lag_s:g} s."
    if report["kept"]:
        told += f"\nKept in {report['kept']}: greffier serve takes no more at once."
    return told


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)
