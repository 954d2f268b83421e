"""How pytest-xdist shares the tests out: by module, and real models in one process alone.

Two real models side by side starve each other on a small machine, and their tests' time limits
with them.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

__all__ = ["ByModule"]

_ROOT = Path(__file__).parents[2]
_HEAVY = ("pytest.mark.models", "pytest.mark.e2e")


class ByModule(LoadScopeScheduling):
    """One module is one piece of work; all modules with real models are one together."""

    def __init__(self, config: pytest.Config, log: "Producer | None" = None) -> None:
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return "real models" if _is_heavy(module) else module


@cache
def _is_heavy(module: str) -> bool:
    text = (_ROOT / module).read_text(encoding="utf-8")
    return any(mark in text for mark in _HEAVY)
