"""The scripts keep to the types that their comments give (TypeScript, strict)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.node import install, node

pytestmark = pytest.mark.integration

WEB = Path(__file__).parents[2] / "clients" / "web"
COMPILER = WEB / "node_modules" / "typescript" / "bin" / "tsc"


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:  # pyright: ignore[reportUnusedFunction]
    if not COMPILER.exists():
        install(WEB)


def compile_in(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [node(), str(COMPILER), "--project", str(folder)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )


def test_scripts_keep_to_their_types() -> None:
    done = compile_in(WEB)
    assert done.returncode == 0, done.stdout


def test_a_wrong_type_is_found(tmp_path: Path) -> None:
    shutil.copy(WEB / "tsconfig.json", tmp_path)
    scripts = tmp_path / "greffier_web" / "static" / "js"
    scripts.mkdir(parents=True)
    (scripts / "x.js").write_text("/** @type {number} */\nexport const x = 'text';\n")
    done = compile_in(tmp_path)
    assert "x.js(2,14)" in done.stdout
