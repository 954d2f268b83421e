"""What a process of its own costs the recogniser: processor time, start, memory.

Decodes the same windows of a recording with the engine in this process and in a child, in turns so
that both see the same machine, and compares processor seconds (of parent and child together), not
the clock. Also: the time of a start and of a restart after SIGKILL.

    python -m benchmarks.isolation --model whisper-base --windows 20 --rounds 3
"""

import argparse
import json
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.corpora import RATE, read_pcm
from greffier_models.catalog import locate
from greffier_models.errors import EngineDied
from greffier_models.isolation import RecognizerProcess, whisper_recipe
from greffier_models.protocols import BatchRecognizer
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions

__all__ = ["Cost", "Outcome", "measure"]

_WINDOW_S = 15
_SCENE = Path(__file__).parents[1] / "tests" / "data" / "scenes" / "meeting-fr.flac"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one pass over the windows."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything measured."""

    windows: int
    here: list[Cost]
    """One a round, the engine in this process."""
    child: list[Cost]
    """The same in a child; processor time of both processes."""
    overhead: float
    """Processor time of the child rounds over that of the others, less one; medians."""
    parent_cpu_s: float
    """Of one child round, this process's own part: what goes through the pipes."""
    equal: bool
    """Both said the same of every window."""
    start_s: float
    restart_s: list[float]
    """From the death of the child to its successor's first answer."""
    child_memory_mib: float


def measure(recipe_path: Path, pcm: Pcm, *, windows: int, rounds: int, threads: int) -> Outcome:
    """Measure with the model in `recipe_path`; loads it twice."""
    recipe = whisper_recipe(recipe_path, workers=1, threads=threads, device="cpu")
    batches = [
        [(AudioWindow(cut), RecognitionOptions(language="fr"))] for cut in _cuts(pcm, windows)
    ]
    here = recipe.make()
    child = RecognizerProcess(recipe)
    begun_s = time.monotonic()
    child.start()
    start_s = time.monotonic() - begun_s
    try:
        both: list[tuple[Cost, Cost]] = []
        parent_s: list[float] = []
        said: tuple[list[Hypothesis], list[Hypothesis]] = ([], [])
        _decode_all(here, batches[:1])
        _decode_all(child, batches[:1])
        for _ in range(rounds):
            first, said_here = _timed(lambda: _decode_all(here, batches), None)
            before_s = time.process_time()
            second, said_child = _timed(lambda: _decode_all(child, batches), child.pid)
            parent_s.append(time.process_time() - before_s)
            both.append((first, second))
            said = said_here, said_child
        memory = child.memory_bytes / (1 << 20)
        restarts = [_restart(child, batches[0]) for _ in range(rounds)]
    finally:
        child.close()
    plain, apart = [first for first, _ in both], [second for _, second in both]
    share = statistics.median(c.cpu_s for c in apart) / statistics.median(c.cpu_s for c in plain)
    return Outcome(
        windows=len(batches),
        here=plain,
        child=apart,
        overhead=share - 1,
        parent_cpu_s=statistics.median(parent_s),
        equal=said[0] == said[1],
        start_s=start_s,
        restart_s=restarts,
        child_memory_mib=memory,
    )


def _cuts(pcm: Pcm, count: int) -> list[Pcm]:
    length = _WINDOW_S * RATE
    step = max(1, (len(pcm) - length) // max(1, count - 1)) if count > 1 else 1
    return [pcm[at : at + length] for at in range(0, max(1, len(pcm) - length + 1), step)][:count]


def _decode_all(
    engine: BatchRecognizer, batches: Sequence[Sequence[tuple[AudioWindow, RecognitionOptions]]]
) -> list[Hypothesis]:
    return [hypothesis for batch in batches for hypothesis in engine.decode(batch)]


def _timed(
    work: Callable[[], list[Hypothesis]], child: int | None
) -> tuple[Cost, list[Hypothesis]]:
    cpu_s, wall_s = _cpu_s(child), time.monotonic()
    said = work()
    return Cost(_cpu_s(child) - cpu_s, time.monotonic() - wall_s), said


def _cpu_s(child: int | None) -> float:
    """Processor time of this process, and of `child` (proc(5): utime and stime, in ticks)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    own_s = used.ru_utime + used.ru_stime
    if child is None:
        return own_s
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return own_s + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _restart(
    child: RecognizerProcess, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
) -> float:
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    died_s = time.monotonic()
    try:
        child.decode(batch)
    except EngineDied:
        child.start()
    child.decode(batch)
    return time.monotonic() - died_s


def main() -> None:
    """Print the outcome as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--recording", type=Path, default=_SCENE)
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    pcm: Pcm = np.frombuffer(read_pcm(options.recording), dtype="<i2")
    outcome = measure(
        Path(locate(options.model).path),
        pcm,
        windows=options.windows,
        rounds=options.rounds,
        threads=options.threads,
    )
    json.dump(asdict(outcome), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
