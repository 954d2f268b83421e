"""Kills, stops and cuts of a real server in mid-speech: what is lost, doubled or changed.

``python -m benchmarks.crash --help``; see also docs/explanation/nothing-lost.md.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.crashes.passages import ENGLISH, FRENCH, Stretch, passages
from benchmarks.crashes.rounds import Campaign, Harm
from benchmarks.crashes.slow_model import slow_model, slow_model_settings
from benchmarks.crashes.verdict import Tally
from benchmarks.results import result_folder, write_result
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

_KILLS_A_ROUND = 3
_CUTS_A_ROUND = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the result, print it; 1 when anything was lost."""
    options = _options(arguments)
    random = Random(options.seed)
    parts = [
        ("whisper-tiny.en", ENGLISH, 1 - options.base_share),
        ("whisper-base", FRENCH, options.base_share),
    ]
    results: dict[str, Any] = {}
    total = Tally()
    with slow_model() as model_url:
        for model, stretches, share in parts:
            kills, cuts = round(options.kills * share), round(options.cuts * share)
            if kills + cuts:
                with _scratch(options) as folder:
                    campaign = _campaign(
                        options, model, stretches, random, model_url=model_url, folder=folder
                    )
                    with campaign.server:
                        asyncio.run(_run(campaign, kills=kills, cuts=cuts))
                total.add(campaign.tally)
                results[model] = _figures(campaign)
    result = {"seed": options.seed, "total": asdict(total), "models": results}
    path = write_result(options.out or result_folder(options.machine), "crash", result)
    _print(total)
    print(f"\nwritten to {path}")
    return int(not total.clean)


@contextmanager
def _scratch(options: argparse.Namespace) -> Generator[Path, None, None]:
    if options.scratch is not None:
        yield options.scratch
        return
    with tempfile.TemporaryDirectory(prefix="greffier-crash-") as folder:
        yield Path(folder)


def _campaign(
    options: argparse.Namespace,
    model: str,
    stretches: Sequence[Stretch],
    random: Random,
    *,
    model_url: str,
    folder: Path,
) -> Campaign:
    server = ChildServer(
        data_dir=folder / model,
        models_dir=default_models_dir(),
        settings={
            **slow_model_settings(model_url),
            "GREFFIER_RECOGNITION__MODEL": model,
            "GREFFIER_LIMITS__GRACE_S": "30",
            "GREFFIER_LIMITS__MAX_SESSIONS": "64",
        },
    )
    return Campaign(
        server,
        passages(stretches),
        random,
        streams=options.streams,
        pace=options.pace,
        translate_to="fr" if model.endswith(".en") else "en",
    )


def _figures(campaign: Campaign) -> dict[str, Any]:
    return {
        **asdict(campaign.tally),
        "wer_against_undisturbed": _rate(campaign.tally),
        "start_s": _spread(campaign.starts_s),
        "client_wait_s": _spread(campaign.waits_s),
    }


async def _run(campaign: Campaign, *, kills: int, cuts: int) -> None:
    await campaign.listen()
    done = campaign.tally
    while done.kills < kills or done.cuts + done.freezes < cuts:
        harms = _plan(campaign.random, kills=kills - done.kills, cuts=cuts - done.cuts)
        tally = await campaign.round(harms)
        print(
            f"kills {done.kills} stops {done.stops} cuts {done.cuts}+{done.freezes}: "
            f"sessions {done.sessions}, {'clean' if done.clean else 'NOT CLEAN'}",
            flush=True,
        )
        for complaint in tally.complaints:
            print(f"  {complaint}", flush=True)


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


def _rate(tally: Tally) -> float:
    return round(tally.word_errors / max(1, tally.words), 4)


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


def _print(tally: Tally) -> None:
    for name, value in asdict(tally).items():
        if name != "complaints":
            print(f"{name:>28} {value}")
    print(f"{'wer against undisturbed':>28} {_rate(tally):.4f}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=200, help="half-open sockets included")
    parser.add_argument("--streams", type=int, default=3, help="sessions at once")
    parser.add_argument("--pace", type=float, default=3.0, help="times real time")
    parser.add_argument("--base-share", type=float, default=0.2, help="rounds with Whisper base")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--scratch", type=Path, help="folder for the servers' data; they stay there"
    )
    parser.add_argument("--machine", help="names the folder of results")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
