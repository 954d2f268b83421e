"""The client examples of the documentation, run as they stand against a real server."""

import re
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.corpora import RATE, read_pcm
from greffier_server.child import ChildServer
from tests.support.scenes import load_scene
from tests.support.weights import whisper_tiny_path
from tests.support.wheel import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXAMPLE_URL = "ws://127.0.0.1:8765"
SECONDS = 9
DOCUMENTS = ["README.md", "docs/reference/python-client.md"]


def example(document: str) -> str:
    """The first Python block."""
    match = re.search(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.S)
    assert match is not None
    return match[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


@pytest.fixture
def meeting(tmp_path: Path) -> Path:
    """A folder with the recording that the examples name."""
    pcm = read_pcm(load_scene("radio-en").audio)[: SECONDS * RATE * 2]
    with wave.open(str(tmp_path / "meeting.wav"), "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes(pcm)
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_example_prints_what_is_said(document: str, server: ChildServer, meeting: Path) -> None:
    assert EXAMPLE_URL in example(document)
    done = subprocess.run(
        [sys.executable, "-c", example(document).replace(EXAMPLE_URL, server.url)],
        cwd=meeting,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    said = {word.strip(".,").lower() for word in load_scene("radio-en").text.split()}
    heard = {word.strip(".,").lower() for word in done.stdout.split()}
    assert len(heard & said) >= 5, done.stdout


def test_the_example_is_short() -> None:
    assert len([line for line in example("README.md").splitlines() if line.strip()]) <= 15


def test_every_link_of_the_readme_leads_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"(?<!!)\[[^]]*\]\((?!https?://)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
