"""Policies with their dials, written as one would say them: ``alignatt hop_ms=500``."""

from dataclasses import dataclass, fields, replace
from typing import Any, cast

from greffier_server.core.policies import POLICY_NAMES, PolicyName, PolicySettings, default_dials

__all__ = ["DEFAULTS", "FRONTIER", "Variant", "parse_variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One policy with its dials."""

    name: str
    """As it was written."""
    policy: PolicyName
    dials: PolicySettings


def parse_variant(text: str) -> Variant:
    """Read ``policy dial=value …``; times are whole milliseconds.

    Raises:
        ValueError: no such policy, no such dial, or no number.
    """
    name, *changes = text.split()
    if name not in POLICY_NAMES:
        raise ValueError(f"no policy {name!r}: {', '.join(POLICY_NAMES)}")
    dials = default_dials(name)
    known = {field.name for field in fields(dials)}
    changed: dict[str, Any] = {}
    for change in changes:
        dial, _, value = change.partition("=")
        if dial not in known:
            raise ValueError(f"{name} has no dial {dial!r}: {', '.join(sorted(known))}")
        kind = type(cast("object", getattr(dials, dial)))
        if kind not in (int, float):
            raise ValueError(f"{dial} is no number and cannot be set here")
        changed[dial] = kind(value)
    return Variant(" ".join([name, *changes]), name, replace(dials, **changed))


DEFAULTS = tuple(parse_variant(name) for name in POLICY_NAMES)
"""Each policy as it is served."""

FRONTIER = (
    *DEFAULTS,
    parse_variant("alignatt hop_ms=500"),
    parse_variant("alignatt hop_ms=2000"),
    parse_variant("local-agreement hop_ms=500"),
    parse_variant("local-agreement hop_ms=2000"),
    parse_variant("utterance pause_ms=300"),
)
"""What is asked when hypotheses are recorded, and shown in the plot of lag and word errors."""
