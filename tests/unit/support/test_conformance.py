"""The conformance page: its tests exist, its clients are those that are installed."""

import ast
import re
from pathlib import Path

import pytest
from packaging.version import Version

from tests.support.conformance import CLIENTS, FEATURES, MARK, PAGE, ROOT, installed, page

pytestmark = pytest.mark.unit


def test_the_page_is_made_from_the_table() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written.count(MARK) == 1
    assert written == page(written), "python -m tests.support.conformance"


def test_every_test_that_is_named_exists() -> None:
    named = {
        test
        for client in CLIENTS
        for shown in client.shown.values()
        if not isinstance(shown, str)
        for test in shown
    }
    assert named
    for test in named:
        file, _, name = test.partition("::")
        assert name in functions(ROOT / file), test


def functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_installed_client_is_not_older_than_the_page_says(client: object) -> None:
    found = next(one for one in CLIENTS if one is client)
    assert set(found.shown) == set(FEATURES)
    if found.package is None:
        return
    here, said = Version(installed(found.package)), Version(found.version)
    assert here >= said
    assert here.major == said.major


def test_whisperlives_version_is_the_one_that_is_fetched() -> None:
    (row,) = (client for client in CLIENTS if client.name == "WhisperLive")
    voices = (ROOT / "tests/support/voices.py").read_text(encoding="utf-8")
    assert re.findall(r'WHISPERLIVE = "whisper-live==([0-9.]+)"', voices)[0].startswith(
        row.version.split()[1]
    )


def test_no_client_is_left_out() -> None:
    """Every client that is compared is a row, but for WebRTC's two, which are rows of their own."""
    compared = (ROOT / "tests/support/rivals.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "([a-z-]+)": _', compared, re.MULTILINE)
    assert len(CLIENTS) == len(names) + 2
