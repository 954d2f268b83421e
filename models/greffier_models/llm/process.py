"""The parent's end of a llama.cpp worker process; everything here blocks."""

import contextlib
import json
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from greffier_models.errors import EngineError, EngineUnavailable
from greffier_models.llm.fields import text_at

__all__ = ["WorkerProcess", "WorkerSettings"]

_logger = logging.getLogger(__name__)

_SOCKET_PATH_LIMIT = 100
"""`sun_path` holds 104 bytes on macOS and 108 on Linux (unix(7))."""

_STOP_S = 5.0
"""A worker that serves ends at once; one that still loads does not listen and is killed."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a model is run."""

    path: str
    cache_tokens: int
    """Cells of the key-value cache, shared by all slots."""
    parallel: int
    threads: int
    gpu_layers: int = -1
    """Layers on the GPU where there is one; -1 = as many as fit."""
    batch_tokens: int = 64
    """Prompt tokens read between two tokens of a running generation: the longest hold-up."""
    prompt_cache_mib: int = 256
    """Memory for the state of prompts that left their slot."""
    show_slots: bool = False
    """Answer `/slots`, which shows prompts: for tests."""


class WorkerProcess:
    """A process that serves one model on a private socket."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._drain: threading.Thread | None = None
        self._stopped = False
        self.key = secrets.token_urlsafe(24)
        self.address = ""
        """``unix:///path`` or ``http://127.0.0.1:port``, once started."""

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """The process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Load the model; returns when it can be asked.

        Raises:
            EngineUnavailable: stopped meanwhile, or the process died.
            EngineError: llama.cpp cannot load the file, or is not installed.
        """
        with self._lock:
            if self._stopped:
                raise EngineUnavailable("The language model was closed.")
            process = self._spawn()
        answer = self._first_answer(process)
        address, failure = text_at(answer, "address"), text_at(answer, "error")
        if address is not None:
            self.address = address
            return
        self.stop()
        if failure == "ImportError":
            raise EngineError("Install the extra `llm` to run language models on this machine.")
        if failure is not None:
            name = Path(self._settings.path).name
            raise EngineError(
                f"llama.cpp cannot load {name}: the file is damaged, its architecture is not "
                "known to this version, or memory is short."
            )
        raise EngineUnavailable("The language model's process ended while it was loading.")

    def kill(self) -> None:
        """End the process at once, stopped or not; what waits for it is told by the system."""
        process = self._process
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """End the process and remove its socket; may be called at any time, from any thread."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None:
            _end(process, patience_s=_STOP_S if self.address else 0.0)
        if self._drain is not None:
            self._drain.join()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _spawn(self) -> subprocess.Popen[bytes]:
        listen = "127.0.0.1"
        if hasattr(socket, "AF_UNIX"):
            self._folder = _private_folder()
            listen = str(self._folder / "llm.sock")
        # A group of its own keeps the terminal's Ctrl-C away; a *session* of its own would give the
        # worker an equal share of the processor, whatever its niceness (sched(7), autogroup).
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            process_group=0 if os.name == "posix" else None,
        )
        self._process = process
        self._drain = threading.Thread(
            target=self._read_log, args=(process,), name="llm-log", daemon=True
        )
        self._drain.start()
        settings = asdict(self._settings) | {"listen": listen, "key": self.key}
        assert process.stdin is not None  # noqa: S101 - given above
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(settings).encode() + b"\n")
            process.stdin.flush()
        return process

    def _first_answer(self, process: subprocess.Popen[bytes]) -> object:
        assert process.stdout is not None  # noqa: S101 - given above
        try:
            answer: object = json.loads(process.stdout.readline())
        except ValueError:
            return None
        return answer

    def _read_log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101 - given above
        for line in process.stderr:
            # Once it serves, a line may quote a prompt: nothing of a session is ever logged.
            if not self.address:
                _logger.debug("llama.cpp: %s", line.decode(errors="replace").rstrip())
        process.stderr.close()


def _private_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="greffier-llm-"))
    if len(str(folder)) + len("/llm.sock") <= _SOCKET_PATH_LIMIT:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="greffier-llm-", dir="/tmp"))


def _environment() -> dict[str, str]:
    """Without our own settings, which may hold secrets; idle threads sleep instead of spinning."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREFFIER_")}
    return kept | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}


def _end(process: subprocess.Popen[bytes], *, patience_s: float) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
