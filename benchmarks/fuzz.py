"""Throws nonsense at everything strangers can reach, and counts.

``python -m benchmarks.fuzz --seconds 600`` runs a server without weights, gives each target
(`tests/support/fuzz_targets.py`: every protocol, every decoder, every operation of the OpenAPI
document) an equal share of the time, and lets a client speak beside all of them. Harm is a fault
in the server's log, an answer that no client could read, a client left hanging, sessions that do
not end, memory that is not given back, or another text in the session beside. The exit status is 1
where there was any.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.results import result_folder, write_result
from tests.support.fuzz_house import FuzzHouse, fuzz_house
from tests.support.fuzz_openapi import openapi_targets
from tests.support.fuzz_targets import TARGETS, Target, throw

__all__ = ["Thrown", "bombard", "main"]

_BATCH = 5
"""Examples between two looks at the clock."""


@dataclass
class Thrown:
    """What was thrown at one target, and what came of it."""

    target: str
    examples: int = 0
    seconds: float = 0.0
    growth_mb: float = 0.0
    """Of the server's memory meanwhile."""
    harm: list[str] = field(default_factory=list[str])


def bombard(house: FuzzHouse, name: str, target: Target, *, seconds: float, number: int) -> Thrown:
    """Throw at one target for a time; stop at the first harm.

    Args:
        house: runs.
        name: of the target.
        target: what is thrown at.
        seconds: for so long.
        number: seed of the first batch.
    """
    thrown = Thrown(target=name)
    begun, before_mb = time.monotonic(), house.usage().memory_mb
    try:
        while (took_s := time.monotonic() - begun) < seconds or not thrown.examples:
            thrown.examples += throw(house, target, examples=_BATCH, number=number)
            number += 1
        thrown.seconds = took_s
        if target.served:
            house.check()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        notes = [str(note) for note in getattr(error, "__notes__", [])]
        thrown.harm.append("\n".join([f"{type(error).__name__}: {error}"[:2_000], *notes])[:6_000])
        thrown.seconds = time.monotonic() - begun
    thrown.growth_mb = house.usage().memory_mb - before_mb
    return thrown


def main(arguments: Sequence[str] | None = None) -> int:
    """Throw, print and write the result; 1 when there was harm."""
    options = _options(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="greffier-fuzz-") as folder,
        fuzz_house(Path(folder)) as house,
    ):
        every = {**TARGETS, **openapi_targets(house)}
        chosen = {name: every[name] for name in every if options.only in name}
        for target in chosen.values():  # what is built once for all is no growth
            if target.served:
                throw(house, target, examples=1, number=0)
        house.check()
        before_mb = house.usage().memory_mb
        results: list[Thrown] = []
        with house.beside():
            for name, target in chosen.items():
                share_s = options.seconds / len(chosen)
                told = bombard(house, name, target, seconds=share_s, number=options.seed)
                results.append(told)
                print(f"{told.examples:8,} {told.seconds:7.1f} s  {name}", flush=True)
                for harm in told.harm:
                    print(harm, flush=True)
        grown_mb = house.usage().memory_mb - before_mb
    harmed = [told for told in results if told.harm]
    result: dict[str, Any] = {
        "options": {**vars(options), "out": str(options.out)},
        "targets": len(results),
        "examples": sum(told.examples for told in results),
        "harmed": len(harmed),
        "sessions_beside": house.sessions_beside,
        "server_growth_mb": grown_mb,
        "thrown": [asdict(told) for told in results],
    }
    write_result(options.out or result_folder(options.machine), "fuzz", result)
    print(
        f"{result['examples']:,} examples at {len(results)} targets, {len(harmed)} did harm; "
        f"{house.sessions_beside} sessions beside, none touched; "
        f"the server has grown by {grown_mb:.0f} MB"
    )
    return int(bool(harmed) or grown_mb > options.allowed_mb)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="targets whose name has this in it")
    parser.add_argument("--allowed-mb", type=float, default=100.0, help="growth of the server")
    parser.add_argument("--machine", help="name in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
