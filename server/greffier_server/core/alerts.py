"""Words that call for attention: distress calls of the radio services, and a list of one's own.

Calls are those of the ITU Radio Regulations, articles 32 and 33: MAYDAY (distress), PAN-PAN
(urgency), SÉCURITÉ (safety), with the French plain words and the spellings that recognition gives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from greffier_server.core.search import terms

__all__ = ["CALLS", "Alert", "AlertLevel", "find_alerts", "own_words"]

AlertLevel = Literal["distress", "urgency", "safety", "watchword"]


@dataclass(frozen=True, slots=True)
class Alert:
    """A call or a watchword in a text."""

    level: AlertLevel
    word: str
    """As it is listed."""
    start: int
    """In the text, in code points."""
    end: int


CALLS: tuple[tuple[AlertLevel, str], ...] = (
    ("distress", "mayday"),
    ("distress", "may day"),
    ("distress", "m'aidez"),
    ("distress", "détresse"),
    ("distress", "in distress"),
    ("distress", "SOS"),
    ("distress", "S O S"),
    ("distress", "homme à la mer"),
    ("distress", "man overboard"),
    ("urgency", "pan-pan"),
    ("urgency", "panpan"),
    ("urgency", "panne panne"),
    ("urgency", "urgence absolue"),
    ("safety", "sécurité sécurité"),
    ("safety", "securitay"),
    ("safety", "all stations all stations"),
)
"""What is looked for always. A single « sécurité » is an everyday word, the call repeats it."""

_ORDER: tuple[AlertLevel, ...] = ("distress", "urgency", "safety", "watchword")


def own_words(words: Iterable[str], named: Iterable[str], tenant: str) -> tuple[str, ...]:
    """Return everybody's words and those of `tenant`, of which each is ``tenant:word``."""
    own = [word for entry in named for owner, _, word in [entry.partition(":")] if owner == tenant]
    return (*words, *own)


def find_alerts(text: str, words: Sequence[str] = ()) -> tuple[Alert, ...]:
    """Return the calls and watchwords in `text`, the gravest first, then in order.

    Whole words, without case and diacritics. Of two that share a word the graver one counts.

    Args:
        text: what was said.
        words: watchwords, of one word or several.
    """
    said = list(terms(text))
    own: list[tuple[AlertLevel, str]] = [("watchword", word) for word in words]
    listed = [*CALLS, *own]
    found: list[Alert] = []
    for level, word in listed:
        sought = [term.text for term in terms(word)]
        if not sought:
            continue
        for at in range(len(said) - len(sought) + 1):
            place = said[at : at + len(sought)]
            if [term.text for term in place] == sought:
                found.append(Alert(level, word, place[0].start, place[-1].end))
    apart: list[Alert] = []
    for alert in sorted(found, key=_rank):
        if all(alert.end <= kept.start or kept.end <= alert.start for kept in apart):
            apart.append(alert)
    return tuple(apart)


def _rank(alert: Alert) -> tuple[int, int, int]:
    return _ORDER.index(alert.level), alert.start, -alert.end
