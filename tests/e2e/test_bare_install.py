"""The wheel in an empty environment: the client works with its two dependencies alone."""

import importlib.metadata
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.wheel import build_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXPECTED = {"greffier", "click", "websockets"}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = build_wheel(folder)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env/bin/python"
    # The dependencies are copied from this environment by pip, so that no network is needed to
    # see whether the requirements of the wheel are enough.
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    run(
        [
            sys.executable,
            *("-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-index", "--no-deps", "--target", str(site), str(wheel)),
        ]
    )
    for name in EXPECTED - {"greffier"}:
        link_installed(name, site)
    scripts = folder / "env/bin/greffier"
    scripts.write_text(
        f"#!{python}\nimport sys\nfrom greffier.cli import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    scripts.chmod(0o755)
    return python


def link_installed(name: str, site: Path) -> None:
    """Make a distribution of this environment visible in `site`, and nothing else."""
    distribution = importlib.metadata.distribution(name)
    tops = {Path(str(file)).parts[0] for file in distribution.files or []}
    for top in tops - {"..", "__pycache__"}:
        source = Path(str(distribution.locate_file(top)))
        if not (site / top).exists():
            (site / top).symlink_to(source)


def run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_printed(python: Path) -> None:
    from greffier import __version__

    assert __version__ in run([str(python.parent / "greffier"), "--version"])
    assert __version__ in run([str(python), "-m", "greffier", "--version"])


def test_the_client_imports(python: Path) -> None:
    script = "import greffier, greffier.sync; print(greffier.connect.__name__)"
    assert run([str(python), "-c", script]).strip() == "connect"


def test_help_shows_the_commands_of_the_client(python: Path) -> None:
    shown = run([str(python.parent / "greffier"), "--help"])
    assert "stream" in shown


def test_nothing_else_is_in_that_environment(python: Path) -> None:
    script = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
    assert set(run([str(python), "-c", script]).split()) == EXPECTED
