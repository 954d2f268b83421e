"""How many live streams this machine holds: what was measured, for which machine, and the limit.

The measurement (`greffier_server.measuring`) is kept in ``capacity.json`` of the data directory,
with the identity of the machine and the model: a figure of another one is not used.
"""

import contextlib
import json
import math
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from greffier_models.cores import usable_cores
from greffier_models.protocols import BatchRecognizer
from greffier_models.types import SAMPLE_RATE, AudioWindow, EngineIdentity, RecognitionOptions
from greffier_server.core.admission import Room

__all__ = [
    "Capacity",
    "Machine",
    "choose_room",
    "decode_cost_s",
    "estimate_streams",
    "read_capacity",
    "this_machine",
    "this_processor",
    "write_capacity",
]

FILE_NAME = "capacity.json"
_VERSION = 1
_HOP_S = 1.5
"""Between two decodes of each stream when the machine is full."""
_BUSY_SHARE = 0.7
_CROWDED = 1.5
"""How much dearer a decode is when every core works than when one does."""
_FORCED = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a measurement depends on."""

    processor: str
    cores: int
    model: str
    """SHA-256 of the weights, or the model's name where it is not known."""
    compute: str
    """Compute type and device."""
    workers: int
    """Of all devices together."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The result of ``greffier capacity``."""

    streams: int
    machine: Machine
    measured_at: str
    """ISO 8601, UTC."""


def this_machine(identity: EngineIdentity, *, workers: int) -> Machine:
    """This machine with this model loaded."""
    processor, cores = this_processor()
    return Machine(
        processor=processor,
        cores=cores,
        model=identity.digest or identity.model,
        compute=identity.settings,
        workers=workers,
    )


def this_processor() -> tuple[str, int]:
    """Its name, and the cores that are ours."""
    return _processor(), usable_cores()


def read_capacity(data_dir: Path) -> Capacity | None:
    """The last measurement; None when there is none, or none that can be read."""
    try:
        stored: Any = json.loads((data_dir / FILE_NAME).read_text("utf-8"))
        if stored["version"] != _VERSION:
            return None
        streams = int(stored["streams"])
        machine = Machine(**cast("dict[str, Any]", stored["machine"]))
        return Capacity(max(0, streams), machine, str(stored["measured_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_capacity(data_dir: Path, capacity: Capacity) -> Path:
    """Keep a measurement, whole or not at all; raises OSError."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    text = json.dumps({"version": _VERSION, **asdict(capacity)}, indent=2) + "\n"
    handle, name = tempfile.mkstemp(dir=data_dir, prefix=FILE_NAME)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return path


def choose_room(setting: int | None, measured: Capacity | None, *, estimated: int) -> Room:
    """The limit: as set, else as measured here, else as estimated; at least one stream."""
    if setting is not None:
        return Room(setting, "setting")
    if measured is not None:
        return Room(max(1, measured.streams), "measured")
    return Room(max(1, estimated), "estimated")


def estimate_streams(cost_s: float, *, workers: int) -> int:
    """Streams that speak all the time, from the time of one decode on an idle machine."""
    return max(1, math.floor(workers * _BUSY_SHARE * _HOP_S / (_CROWDED * max(cost_s, 1e-4))))


def decode_cost_s(engine: BatchRecognizer) -> float:
    """Time of a decode of a common window with an answer of common length (blocking)."""
    window = AudioWindow(np.zeros(SAMPLE_RATE * 10, dtype=np.int16))
    language = "en" if "en" in engine.languages else min(engine.languages)
    # Silence says nothing: forced words make the decoder take as many steps as speech.
    options = RecognitionOptions(language=language, prefix=f" {_FORCED}", max_tokens=8)
    took_s: list[float] = []
    for _ in range(2):
        begun_s = time.perf_counter()
        engine.decode([(window, options)])
        took_s.append(time.perf_counter() - begun_s)
    return min(took_s)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
