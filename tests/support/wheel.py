"""The wheel of the working tree, built without a network."""

import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "SOURCE_ROOTS", "build_wheel"]

ROOT = Path(__file__).parents[2]

SOURCE_ROOTS = {
    "greffier": ROOT / "clients/python/greffier",
    "greffier_web": ROOT / "clients/web/greffier_web",
    "greffier_models": ROOT / "models/greffier_models",
    "greffier_server": ROOT / "server/greffier_server",
}
"""Package name to its folder."""


def build_wheel(folder: Path) -> Path:
    """Build the wheel into `folder` with the installed hatchling; no isolation, so no download."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("greffier-*.whl")
    return wheel
