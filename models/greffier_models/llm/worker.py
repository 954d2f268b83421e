"""The process that runs llama.cpp: lowest priority first, then the model, then serve until told.

Started by `process.py` with one line of JSON (`WorkerSettings`) on its standard input; answers
with one line of JSON on its standard output. The end of standard input ends the process, so that
it never outlives the server, however that died. Runs as a script: imports nothing of the package.
"""

import contextlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Serve one model."""
    settings = json.loads(sys.stdin.buffer.readline())
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever llama.cpp prints goes where the parent reads logs
    yield_processor()
    try:
        server = serve(settings)
    except (RuntimeError, ImportError) as error:
        answer: dict[str, str] = {"error": type(error).__name__}
    else:
        answer = {"address": server.listening_address}
    os.write(answers, json.dumps(answer).encode() + b"\n")
    os.close(answers)
    if "address" in answer:
        while sys.stdin.buffer.read(4096):
            pass
    if settings["listen"].endswith(".sock"):  # the parent may not be there to do it
        shutil.rmtree(Path(settings["listen"]).parent, ignore_errors=True)
    os._exit(0)  # the system frees the memory faster than destructors do


def yield_processor() -> None:
    """Give way to everything else on this machine; threads made from here on inherit it.

    SCHED_IDLE runs only when nobody else wants the processor (sched(7)); where it is not to be
    had, niceness 19 comes next. The process also offers itself first when memory runs out.
    """
    with contextlib.suppress(OSError):
        os.nice(19)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("900")


def serve(settings: dict[str, Any]) -> Any:
    """Load the model and listen. Blocks until ready.

    Raises:
        RuntimeError: llama.cpp cannot load it.
        ImportError: xllamacpp is not installed.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")  # it has no types
    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.n_ctx = settings["cache_tokens"]
    params.n_parallel = settings["parallel"]
    params.kv_unified = True
    params.n_gpu_layers = settings["gpu_layers"]
    params.fit_params = False
    params.n_batch = params.n_ubatch = settings["batch_tokens"]
    params.cache_ram_mib = settings["prompt_cache_mib"]
    params.ctx_shift = False
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = settings["threads"]
        cpu.poll = 0
        # `priority` stays normal, which leaves threads as inherited; "low" would raise them to
        # SCHED_BATCH at niceness 5 (ggml_thread_apply_priority).
    params.hostnames = [settings["listen"]]
    params.port = 0
    params.api_keys = [settings["key"]]
    params.n_threads_http = settings["parallel"] + 4
    params.ui = False
    params.endpoint_slots = settings["show_slots"]
    params.offline = True
    params.verbosity = 2
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
