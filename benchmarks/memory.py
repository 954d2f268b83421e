"""Memory of a real server: models loaded, then with one session running, with and without an LLM.

``python -m benchmarks.memory --help``
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.corpora import Recording, load_scenes, select
from benchmarks.results import result_folder, write_result
from benchmarks.streaming import play
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

SAMPLE_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", default="whisper-base", help="speech model")
    parser.add_argument("--llm", default="qwen2.5-coder-1.5b-instruct-q4_k_m", help="or none")
    parser.add_argument("--scene", default="radio-fr", help="recording of the session")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    recording = select(load_scenes(), ids=[options.scene])[0]
    idle_mb, session_mb = _measure(recording, model=options.model, llm=None)
    figures: dict[str, Any] = {"idle_mb": idle_mb, "session_mb": session_mb}
    if options.llm != "none":
        idle_mb, session_mb = _measure(recording, model=options.model, llm=options.llm)
        figures |= {"idle_llm_mb": idle_mb, "session_llm_mb": session_mb}
    result: dict[str, Any] = {
        "what": "memory",
        "settings": {"model": options.model, "llm": options.llm, "scene": options.scene},
        "figures": figures,
    }
    path = write_result(options.out or result_folder(options.machine), "memory", result)
    for name, value in figures.items():
        print(f"{name:>24} {value:.0f}")
    print(f"\nwritten to {path}")
    return 0


def _measure(recording: Recording, *, model: str, llm: str | None) -> tuple[float, float]:
    """Megabytes with the models loaded, and the most while a session runs to its end."""
    settings = {
        "GREFFIER_RECOGNITION__MODEL": model,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none" if llm is None else "llama",
    }
    if llm is not None:
        settings["GREFFIER_LANGUAGE_MODEL__MODEL"] = llm
    with (
        tempfile.TemporaryDirectory(prefix="greffier-bench-") as scratch,
        ChildServer(
            data_dir=Path(scratch), models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        idle_mb = resident_mb(server.pid)
        return idle_mb, asyncio.run(_session_mb(recording, server, with_llm=llm is not None))


async def _session_mb(recording: Recording, server: ChildServer, *, with_llm: bool) -> float:
    translate_to = ["en"] if with_llm else []
    playing = asyncio.create_task(
        play(recording, server.url, translate_to=translate_to, minutes=with_llm)
    )
    most_mb = 0.0
    while not playing.done():
        most_mb = max(most_mb, resident_mb(server.pid))
        await asyncio.wait({playing}, timeout=SAMPLE_S)
    await playing
    return most_mb


def resident_mb(pid: int) -> float:
    """Memory of a process and its children: each shared page counts once (PSS)."""
    process = psutil.Process(pid)
    total = 0
    for part in (process, *process.children(recursive=True)):
        try:
            total += part.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # it ended between the list and the look
    return total / 1e6


if __name__ == "__main__":
    sys.exit(main())
