"""The wheel beside the server's dependencies: commands, pages and documents need nothing else."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.wheel import build_wheel

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVED = """
import json, re, sys, urllib.request
from pathlib import Path
import greffier, greffier_models, greffier_server, greffier_web
from greffier_server.child import ChildServer

for package in (greffier, greffier_models, greffier_server, greffier_web):
    assert Path(package.__file__).is_relative_to(sys.prefix), package.__file__
settings = {
    "GREFFIER_RECOGNITION__ENGINE": "fake",
    "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with ChildServer(data_dir=Path(sys.argv[1]), settings=settings) as server:
    base = server.url.replace("ws://", "http://")
    with opener.open(base + "/", timeout=60) as answer:
        page = answer.read().decode()
    assert "<html" in page, page
    linked = sorted(set(re.findall(r'(?:src|href)="(/[^"]+[.][a-z0-9]+)"', page)))
    for address in linked:
        with opener.open(base + address, timeout=60) as answer:
            assert answer.read(), address
print(json.dumps(linked))
"""
PRINTED = """
from greffier.protocol import AudioFormat
from greffier_server.core.events import SessionStarted
from greffier_server.core.state import SessionState, apply
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.press import Order, Press
from greffier_server.documents.settings import DocumentSettings

state = apply(SessionState(), SessionStarted(AudioFormat(), "fr", title="Essai"))
press = Press(DocumentSettings())
for kind in (Kind.TRANSCRIPT, Kind.MAIN_COURANTE):
    for form in (DocumentFormat.HTML, DocumentFormat.PDF):
        order = Order(kind, form, None, "", 10, False)
        print(len(press.make(order, state, tenant="t", title="Essai", began_at_ms=0)))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and behind it what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build_wheel(folder)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    installing = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    run(*installing, "--disable-pip-version-check", "--target", site, wheel)
    # A line of a .pth file is a folder, whose own .pth files are not read: this tree, where it is
    # installed to be edited, stays out of sight.
    (site / "beside.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    return folder / "env/bin/python"


def run(*command: str | Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith("GREFFIER_")
    }
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=180, env=environment, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_of_the_wheel_shows_its_pages(python: Path, tmp_path: Path) -> None:
    assert "Usage: " in run(python, "-m", "greffier", "serve", "--help")
    linked = run(python, "-c", SERVED, tmp_path / "data")
    assert ".css" in linked
    assert ".js" in linked


def test_the_documents_of_the_wheel_find_templates_and_fonts(python: Path) -> None:
    assert all(int(size) > 1_000 for size in run(python, "-c", PRINTED).split())
