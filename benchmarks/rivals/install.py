"""Virtual environments for the rivals, one each, without CUDA.

``python -m benchmarks.rivals.install --into DIR``
"""

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

__all__ = ["RELEASES", "Release", "environment_python", "install", "main"]

TORCH = "torch==2.13.0"
# No release of these has a version below zero: an installation that would pull one stops.
FORBIDDEN = (
    "nvidia-cublas",
    "nvidia-cublas-cu12",
    "nvidia-cuda-runtime",
    "nvidia-cuda-runtime-cu12",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "triton",
)


@dataclass(frozen=True, slots=True)
class Release:
    """One rival as it is installed."""

    name: str
    version: str
    needs: tuple[str, ...]
    """What its server imports. Its own list of dependencies is not used: it names CUDA libraries,
    a microphone library and engines that a CPU run through faster-whisper never loads."""

    @property
    def requirement(self) -> str:
        """Name and version for pip."""
        return f"{self.name}=={self.version}"


RELEASES: tuple[Release, ...] = (
    Release(
        "whisper-live",
        "0.10.0",
        (
            "faster-whisper==1.2.0",  # its own pin
            "requests",  # which that release imports and does not name
            "websockets",
            "fastapi",
            "uvicorn",
            "python-multipart",
            "scipy",
            "numpy<2.5",
            "soundfile",
        ),
    ),
    Release(
        "whisperlivekit",
        "0.2.26",
        (
            "faster-whisper>=1.2.0",
            "fastapi>=0.141.1",
            "librosa",
            "soundfile",
            "uvicorn",
            "websockets",
            "huggingface-hub>=0.25.0",
            "tqdm",
            "tiktoken",
            "python-multipart>=0.0.31",
            "starlette>=1.3.1",
        ),
    ),
)


def environment_python(into: Path, name: str) -> Path:
    """The interpreter of one rival's environment."""
    return into / name / "bin" / "python"


def install(release: Release, into: Path, *, torch: str = TORCH) -> None:
    """Make the environment of one rival, or complete the one that is there.

    Args:
        release: what to install.
        into: folder of all environments.
        torch: requirement or file of a CPU build of PyTorch.

    Raises:
        subprocess.CalledProcessError: pip failed.
        RuntimeError: something of CUDA came along.
    """
    python = environment_python(into, release.name)
    if not python.exists():
        venv.create(into / release.name, with_pip=True)
    with tempfile.TemporaryDirectory(prefix="rival-constraints-") as scratch:
        constraints = Path(scratch) / "no-cuda.txt"
        constraints.write_text("".join(f"{name}<0\n" for name in FORBIDDEN), encoding="utf-8")
        _pip(python, "install", "--constraint", str(constraints), torch)
        _pip(python, "install", "--constraint", str(constraints), *release.needs)
        _pip(python, "install", "--no-deps", release.requirement)
    if cuda := [name for name in _installed(python) if name.startswith(("nvidia-", "triton"))]:
        raise RuntimeError(f"{release.name}: CUDA packages were installed: {', '.join(cuda)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the rivals asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rivals.install", description=__doc__
    )
    parser.add_argument("--into", type=Path, required=True, help="folder of the environments")
    parser.add_argument("--rival", action="append", help="only this one (repeatable)")
    parser.add_argument("--torch", default=TORCH, help="requirement or file of a CPU build")
    options = parser.parse_args(arguments)
    known = {release.name: release for release in RELEASES}
    for name in options.rival or known:
        if name not in known:
            parser.error(f"unknown rival {name!r}; there are {', '.join(known)}")
    for name in options.rival or known:
        install(known[name], options.into, torch=options.torch)
        print(f"{known[name].requirement} is in {options.into / name}")
    return 0


def _pip(python: Path, *arguments: str) -> None:
    subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], check=True
    )


def _installed(python: Path) -> list[str]:
    listed = subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "list", "--format=json"],
        check=True,
        capture_output=True,
        text=True,
    )
    packages = cast("list[dict[str, str]]", json.loads(listed.stdout))
    return [package["name"].lower() for package in packages]


if __name__ == "__main__":
    sys.exit(main())
