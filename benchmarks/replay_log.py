"""What the record of decisions adds to a log: ``python -m benchmarks.replay_log``.

Fake engines and virtual time; the log's other events are those of captions alone (translations and
minutes would make the share smaller).
"""

import argparse
import json
import random
from collections.abc import Iterable
from dataclasses import replace

from greffier_models.load import DeviceLoad
from greffier_server.core.events import (
    DecisionsTimed,
    RecognitionBegun,
    Recorded,
    WordsCommitted,
)
from greffier_server.core.records import encode_record
from tests.support.recordings import recording_of
from tests.support.replays import Trouble, live_session
from tests.support.virtual_time import run

__all__ = ["main", "measure"]

_CASES = {
    "idle": Trouble(1),
    "load that wanders": Trouble(1, decode_s=0.4, load=True, jitter_s=1.0),
    "lagging, load that jumps": Trouble(1, decode_s=4.0, load=True, jitter_s=15.0, deaf=0.02),
}


class _Wandering:
    """The load of a full machine: between hops of 0.6 and 3 s, a little up or down each time."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._streams = 12.0

    def __call__(self) -> DeviceLoad:
        self._streams = min(30.0, max(6.0, self._streams + self._draw.uniform(-0.3, 0.3)))
        return DeviceLoad(streams=round(self._streams), cost_s=0.1)


def measure(trouble: Trouble, *, minutes: int, wandering: bool) -> dict[str, float]:
    """Live through `minutes` of talk; return bytes an hour of the log, and of decisions in it."""
    draw = random.Random(trouble.seed)
    pieces = [
        (draw.choice([60, 90, 120, 400]) if place % 40 else 1_500, draw.randint(200, 420))
        for place in range(minutes * 140)
    ]
    talk = recording_of(pieces, stops=range(11, len(pieces), 12), end_ms=900)
    lived = run(
        live_session(
            talk.pcm.astype("<i2").tobytes(),
            trouble,
            load=_Wandering(trouble.seed) if wandering else None,
        )
    )
    hours = talk.duration_ms / 3_600_000
    whole = _size(lived.records)
    bare = _size(
        replace(record, event=replace(record.event, paced=()))
        if isinstance(record.event, WordsCommitted)
        else record
        for record in lived.records
        if not isinstance(record.event, DecisionsTimed | RecognitionBegun)
    )
    begun = _size(r for r in lived.records if isinstance(r.event, RecognitionBegun))
    return {
        "log_bytes_an_hour": round(bare / hours),
        "decision_bytes_an_hour": round((whole - bare - begun) / hours),
        "share": round((whole - bare - begun) / bare, 4),
        "bytes_a_start": begun,
    }


def _size(records: Iterable[Recorded]) -> int:
    return sum(len(encode_record(record).encode()) for record in records)


def main() -> None:
    """Measure each case and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    minutes = parser.parse_args().minutes
    found = {
        name: measure(trouble, minutes=minutes, wandering="wanders" in name)
        for name, trouble in _CASES.items()
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
