"""What is in the distribution: the same files as in the tree, light to import, typed."""

import importlib
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from typing import Any

import pytest

from tests.support.wheel import ROOT, SOURCE_ROOTS, build_wheel

pytestmark = pytest.mark.unit

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

HEAVY = (
    "numpy",
    "pydantic",
    "fastapi",
    "sqlalchemy",
    "httpx",
    "torch",
    "faster_whisper",
    "ctranslate2",
    "xllamacpp",
    "greffier_models",
    "greffier_server",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def loaded_by(statement: str, names: tuple[str, ...]) -> str:
    """Which of `names` a fresh interpreter has loaded after `statement`."""
    script = f"import sys; {statement}; print(*sorted(set(sys.modules) & {set(names)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip()


@pytest.mark.parametrize("package", sorted(SOURCE_ROOTS))
def test_every_package_is_typed(package: str) -> None:
    assert (SOURCE_ROOTS[package] / "py.typed").is_file()


def test_the_wheel_holds_the_tree_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"{package}/{path.relative_to(root).as_posix()}"
        for package, root in SOURCE_ROOTS.items()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_wheel_carries_licence_and_readme(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert len(names) == 1
    assert "Apache License" in wheel.read(names[0]).decode()
    metadata = metadata_of(wheel)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert str(metadata.get_payload()).startswith("# Greffier")


def test_the_wheel_says_the_one_version(wheel: zipfile.ZipFile) -> None:
    from greffier._version import __version__

    assert metadata_of(wheel)["Version"] == __version__


def test_the_base_install_is_click_and_websockets(wheel: zipfile.ZipFile) -> None:
    required = metadata_of(wheel).get_all("Requires-Dist", [])
    base = {requirement_name(r) for r in required if "extra ==" not in r}
    assert base == {"click", "websockets"}


def test_every_command_group_loads() -> None:
    groups: dict[str, str] = PROJECT["entry-points"]["greffier.commands"]
    targets = {**groups, **PROJECT["scripts"]}
    for target in targets.values():
        module, _, attribute = target.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute)), target


def test_importing_the_client_loads_nothing_heavy() -> None:
    assert loaded_by("import greffier", (*HEAVY, "click", "websockets")) == ""


@pytest.mark.parametrize(
    "module", ["greffier.client", "greffier.sync", "greffier.cli", "greffier.protocol"]
)
def test_client_modules_load_nothing_of_the_server(module: str) -> None:
    assert loaded_by(f"import {module}", HEAVY) == ""


@pytest.mark.parametrize("module", ["greffier_models.cli", "greffier_server.cli"])
def test_commands_load_no_engine_before_they_run(module: str) -> None:
    engines = ("faster_whisper", "ctranslate2", "xllamacpp", "torch", "onnxruntime")
    assert loaded_by(f"import {module}", engines) == ""


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(wheel.read(name))


def requirement_name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()
