"""The checker of invariants: planted errors found, correct translations left alone.

    python -m benchmarks.invariants                                # the sentences of parallel/
    python -m benchmarks.invariants --manifest …/manifest.jsonl    # and references of recordings

The sentences of ``parallel/`` were written for this project (the scenes' and their translations
among them); the rules were tuned on them. Alarms on references of other people's recordings are
counted apart: nothing was tuned there but two faults of reading numbers and units.
Exits with 1 when less than 95 % is found, or more than 5 % of correct translations are faulted.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.planting import FAULTS, Pair, load_pairs, plant
from benchmarks.results import result_folder, write_result
from greffier_server.core.invariants import compare

__all__ = ["false_alarms", "main", "measure"]

LEAST_FOUND, MOST_ALARMS = 0.95, 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write ``invariants.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.invariants")
    parser.add_argument("--manifest", type=Path, help="recordings with translated references")
    parser.add_argument("--out", type=Path, help="folder of the result")
    parser.add_argument("--machine")
    parser.add_argument("--show", action="store_true", help="print what is missed or faulted")
    options = parser.parse_args(arguments)
    result = measure(load_pairs(), show=options.show)
    if options.manifest is not None:
        foreign = _references(options.manifest)
        alarms = false_alarms(foreign, show=options.show)
        result["references"] = {"sentences": len(foreign), "false_alarms": alarms}
    for fault, row in result["faults"].items():
        print(f"{fault:20} {row['found']:4} of {row['planted']:4}")
    print(f"found {result['found_share']:.1%} of {result['planted']}")
    print(f"false alarms {result['false_alarm_share']:.1%} of {result['sentences']}")
    if "references" in result:
        print("on references of recordings:", result["references"])
    print(write_result(options.out or result_folder(options.machine), "invariants", result))
    good = result["found_share"] >= LEAST_FOUND and result["false_alarm_share"] <= MOST_ALARMS
    return 0 if good else 1


def measure(pairs: Sequence[Pair], *, show: bool = False) -> dict[str, Any]:
    """Plant errors in `pairs` and count; count alarms on the pairs themselves."""
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for wrong in plant(pairs):
        planted[wrong.fault] += 1
        if compare(wrong.pair.source, wrong.pair.target, wrong.pair.languages):
            found[wrong.fault] += 1
        elif show:
            print("missed:", wrong.fault, "|", wrong.pair.source, "|", wrong.pair.target)
    alarms = false_alarms(pairs, show=show)
    total = planted.total()
    return {
        "planted": total,
        "found_share": found.total() / max(1, total),
        "faults": {fault: {"planted": planted[fault], "found": found[fault]} for fault in FAULTS},
        "sentences": len(pairs),
        "false_alarm_share": alarms / max(1, len(pairs)),
    }


def false_alarms(pairs: Sequence[Pair], *, show: bool = False) -> int:
    """Count correct translations that are faulted."""
    count = 0
    for pair in pairs:
        found = compare(pair.source, pair.target, pair.languages)
        count += bool(found)
        if found and show:
            print("alarm:", pair.source, "|", pair.target, "|", found)
    return count


def _references(manifest: Path) -> list[Pair]:
    """French and English references of the same recording, both ways, each once."""
    pairs: dict[tuple[str, str], None] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        other: dict[str, str] = row.get("translation") or {}
        if row["set"] == "long":  # concatenations of the others
            continue
        if row["lang"] == "fr" and "en" in other:
            pairs[row["text"], other["en"]] = None
        elif row["lang"] == "en" and "fr" in other:
            pairs[other["fr"], row["text"]] = None
    return [
        pair
        for french, english in pairs
        for pair in (Pair(french, english, ("fr", "en")), Pair(english, french, ("en", "fr")))
    ]


if __name__ == "__main__":
    sys.exit(main())
