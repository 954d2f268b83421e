"""llama.cpp's own HTTP server on loopback, as an OpenAI-compatible endpoint to test against."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["llama_http_server"]

_SCRIPT = """
import sys, xllamacpp
path, key, context = sys.argv[1], sys.argv[2], int(sys.argv[3])
params = xllamacpp.CommonParams()
params.model.path = path
params.n_ctx = context
params.n_parallel = 2
params.kv_unified = True
params.n_batch = params.n_ubatch = 64
params.cache_ram_mib = 64
params.fit_params = False
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.verbosity = -1
params.ui = False
params.api_keys = [key] if key else []
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_http_server(
    path: Path, *, key: str = "", context_tokens: int = 4096
) -> Generator[str, None, None]:
    """Serve a GGUF model on a free port; yields the base URL, up to and with ``/v1``."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(path), key, str(context_tokens)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address
        yield f"{address}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
