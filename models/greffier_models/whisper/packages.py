"""CTranslate2 as this package reaches it; `Any` of the untyped package stops in here and beside."""

import importlib
from typing import Any

__all__ = ["ctranslate2"]


def ctranslate2() -> Any:
    """The package, imported when a model is first used; it has no types."""
    return importlib.import_module("ctranslate2")
