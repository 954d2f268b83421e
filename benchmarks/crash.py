"""Kills, stops and cuts of a real server in mid-speech: what is lost, doubled or changed.

``python -m benchmarks.crash --help``; see also docs/explanation/nothing-lost.md.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.crashes.passages import ENGLISH, FRENCH, Passage, passages, recorded_passages
from benchmarks.crashes.rehearing import Rehearsal
from benchmarks.crashes.rounds import Campaign, Harm
from benchmarks.crashes.slow_model import slow_model, slow_model_settings
from benchmarks.crashes.tolerance import MARGIN, Comparison, compare
from benchmarks.crashes.verdict import Tally
from benchmarks.results import result_folder, write_result
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

_KILLS_A_ROUND = 3
_CUTS_A_ROUND = 4
_UNDECIDED = 2


@dataclass(frozen=True, slots=True)
class _Part:
    """Rounds with one speech model."""

    model: str
    language: str
    share: float
    scenes: Sequence[Passage]


@dataclass
class _Report:
    """What has been found so far; written after every round."""

    options: argparse.Namespace
    campaigns: dict[str, Campaign] = field(default_factory=dict[str, Campaign])

    def write(self, *, complete: bool) -> tuple[Tally, list[Comparison | None], Path]:
        """Write the result file; return the sums, each model's comparison, and where it is."""
        total, models = Tally(), dict[str, Any]()
        comparisons: list[Comparison | None] = []
        for model, campaign in self.campaigns.items():
            total.add(campaign.tally)
            compared = compare(
                list(campaign.readings.values()),
                margin=self.options.margin,
                seed=self.options.seed,
            )
            comparisons.append(compared)
            models[model] = _figures(campaign, compared)
        result = {
            "command": self._command(),
            "complete": complete,
            "total": asdict(total),
            "models": models,
        }
        folder = self.options.out or result_folder(self.options.machine)
        return total, comparisons, write_result(folder, "crash", result)

    def _command(self) -> str:
        names = ("kills", "cuts", "seed", "streams", "pace", "base_share", "readings", "margin")
        given = [f"--{name.replace('_', '-')} {getattr(self.options, name):g}" for name in names]
        if self.options.manifest is not None:
            given += ["--manifest ...", *(f"--set {name}" for name in self.options.set)]
        return " ".join(["python -m benchmarks.crash", *given])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the result, print it.

    Returns:
        1 when anything was lost or a text is outside of the tolerance, 2 when too little was said
        to tell.
    """
    options = _options(arguments)
    random = Random(options.seed)
    report = _Report(options)
    parts = [
        _Part("whisper-base", "fr", options.base_share, passages(FRENCH)),
        _Part("whisper-tiny.en", "en", 1 - options.base_share, passages(ENGLISH)),
    ]
    with slow_model() as model_url:
        for part in parts:
            kills, cuts = round(options.kills * part.share), round(options.cuts * part.share)
            if kills + cuts:
                with _scratch(options) as folder:
                    campaign = _campaign(options, part, random, model_url=model_url, folder=folder)
                    report.campaigns[part.model] = campaign
                    with campaign.server:
                        asyncio.run(
                            _run(
                                campaign, report, kills=kills, cuts=cuts, readings=options.readings
                            )
                        )
    total, comparisons, path = report.write(complete=True)
    _print(total, dict(zip(report.campaigns, comparisons, strict=True)))
    print(f"\nwritten to {path}")
    verdicts = {"undecided" if each is None else each.verdict for each in comparisons}
    if not total.clean or "outside" in verdicts:
        return 1
    return _UNDECIDED if "undecided" in verdicts else 0


@contextmanager
def _scratch(options: argparse.Namespace) -> Generator[Path, None, None]:
    if options.scratch is not None:
        yield options.scratch
        return
    with tempfile.TemporaryDirectory(prefix="greffier-crash-") as folder:
        yield Path(folder)


def _campaign(
    options: argparse.Namespace,
    part: _Part,
    random: Random,
    *,
    model_url: str,
    folder: Path,
) -> Campaign:
    server = ChildServer(
        data_dir=folder / part.model,
        models_dir=default_models_dir(),
        settings={
            **slow_model_settings(model_url),
            "GREFFIER_RECOGNITION__MODEL": part.model,
            "GREFFIER_LIMITS__GRACE_S": "30",
            "GREFFIER_LIMITS__MAX_SESSIONS": "64",
        },
    )
    said = part.scenes
    if options.manifest is not None:
        said = recorded_passages(
            options.manifest,
            language=part.language,
            sets=options.set,
            count=options.recordings,
            seed=options.seed,
        )
    return Campaign(
        server,
        said,
        random,
        streams=options.streams,
        pace=options.pace,
        translate_to="fr" if part.language == "en" else "en",
        rehearsal=Rehearsal(
            data_dir=folder / part.model, models_dir=default_models_dir(), model=part.model
        ),
    )


def _figures(campaign: Campaign, compared: Comparison | None) -> dict[str, Any]:
    return {
        **asdict(campaign.tally),
        "text": None if compared is None else asdict(compared),
        "start_s": _spread(campaign.starts_s),
        "client_wait_s": _spread(campaign.waits_s),
    }


async def _run(
    campaign: Campaign, report: _Report, *, kills: int, cuts: int, readings: int
) -> None:
    begun = time.monotonic()
    await campaign.listen(times=readings)
    print(f"undisturbed: {readings} times {len(campaign.passages)} passages", flush=True)
    done = campaign.tally
    while done.kills < kills or done.cuts + done.freezes < cuts:
        harms = _plan(campaign.random, kills=kills - done.kills, cuts=cuts - done.cuts)
        tally = await campaign.round(harms)
        _, comparisons, _ = report.write(complete=False)
        print(
            f"{time.monotonic() - begun:.0f} s: "
            f"kills {done.kills} stops {done.stops} cuts {done.cuts}+{done.freezes}: "
            f"sessions {done.sessions}, replays {done.replays} ({done.replays_different} other), "
            f"{_told(comparisons[-1])}, {'clean' if done.clean else 'NOT CLEAN'}",
            flush=True,
        )
        for complaint in tally.complaints:
            print(f"  {complaint}", flush=True)


def _told(compared: Comparison | None) -> str:
    if compared is None:
        return "no text to compare"
    return (
        f"words apart {compared.difference:.1%} (undisturbed {compared.tolerance:.1%}; "
        f"excess {compared.excess_low:+.1%} to {compared.excess_high:+.1%}: {compared.verdict})"
    )


def _plan(random: Random, *, kills: int, cuts: int) -> list[Harm]:
    """What happens in one round."""
    harms: list[Harm] = []
    if kills > 0:
        harms += ["kill"] * random.randint(1, _KILLS_A_ROUND)
        harms += ["stop"] * random.randint(0, 1)
    if cuts > 0:
        harms += random.choices(["cut", "freeze"], [6, 1], k=random.randint(2, _CUTS_A_ROUND))
    random.shuffle(harms)
    return harms


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 2),
        "max": round(ordered[-1], 2),
    }


def _print(total: Tally, compared: dict[str, Comparison | None]) -> None:
    for name, value in asdict(total).items():
        if name != "complaints":
            print(f"{name:>28} {value}")
    for model, comparison in compared.items():
        print(f"{model:>28} {_told(comparison)}")
        if comparison is not None:
            print(
                f"{'':>28} word error rate {comparison.wer_disturbed:.1%}, "
                f"undisturbed {comparison.wer_undisturbed:.1%}"
            )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=200, help="half-open sockets included")
    parser.add_argument("--streams", type=int, default=3, help="sessions at once")
    parser.add_argument("--pace", type=float, default=3.0, help="times real time")
    parser.add_argument("--base-share", type=float, default=0.2, help="rounds with Whisper base")
    parser.add_argument(
        "--readings", type=int, default=6, help="undisturbed, of each passage: the tolerance"
    )
    parser.add_argument(
        "--margin",
        type=float,
        default=MARGIN,
        help="share of the words that may differ beyond the tolerance",
    )
    parser.add_argument("--manifest", type=Path, help="recordings in place of the scenes")
    parser.add_argument("--set", action="append", default=[], help="only of these sets; repeatable")
    parser.add_argument("--recordings", type=int, default=8, help="drawn for each model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--scratch", type=Path, help="folder for the servers' data; they stay there"
    )
    parser.add_argument("--machine", help="names the folder of results")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
