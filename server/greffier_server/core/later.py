"""The mark of fields that an event was given after the first logs were written."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["LATER"]

LATER: Mapping[str, bool] = MappingProxyType({"later": True})
"""Mark of a field that older logs do not have: while it has its default it is not written, so that
their records, and the hashes over them, stay what they were."""
