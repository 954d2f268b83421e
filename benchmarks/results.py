"""Where results lie and what they say about the machine they were measured on."""

import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

__all__ = ["RESULTS_DIR", "environment", "result_folder", "write_result"]

RESULTS_DIR = Path(__file__).parent / "results"
PACKAGES = ("greffier", "faster-whisper", "ctranslate2", "onnxruntime", "xllamacpp", "numpy")


def result_folder(machine: str | None = None) -> Path:
    """``results/<date>-<machine>``; `machine` names it where the processor's name would not do."""
    name = re.sub(r"[^a-z0-9]+", "-", (machine or _processor()).lower()).strip("-")
    return RESULTS_DIR / f"{datetime.now(UTC):%Y-%m-%d}-{name}"


def write_result(folder: Path, name: str, result: Mapping[str, Any]) -> Path:
    """Write ``<name>.json`` and the environment it was measured in beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "environment.json", environment())
    path = folder / f"{name}.json"
    _write(path, result)
    return path


def environment() -> dict[str, Any]:
    """The machine, the system, the versions and the commit; no host or user name."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": psutil.cpu_count(),
        "usable_threads": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _write(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(_without_nan(value), indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: a figure that could not be measured is null."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_without_nan(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
