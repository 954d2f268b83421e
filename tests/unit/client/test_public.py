import subprocess
import sys

import pytest

import greffier

pytestmark = pytest.mark.unit


def test_every_public_name_is_there_and_sorted() -> None:
    assert greffier.__all__ == sorted(greffier.__all__)
    for name in greffier.__all__:
        assert getattr(greffier, name) is not None
    assert dir(greffier) == greffier.__all__
    with pytest.raises(AttributeError, match="nonsense"):
        greffier.nonsense  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore


def test_the_import_is_light() -> None:
    script = (
        "import sys, greffier; greffier.__version__;"
        "print([m for m in ('click', 'numpy', 'pydantic', 'websockets', 'asyncio', 'av')"
        " if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
