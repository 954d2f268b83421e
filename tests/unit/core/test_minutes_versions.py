"""Minutes that were written anew leave the earlier ones as they were worked on."""

import pytest

from greffier.protocol import CorrectionTarget, Minutes, MinutesItem
from greffier_server.core.events import Corrected, MinutesWritten
from greffier_server.core.minutes_versions import minutes_versions
from greffier_server.core.record import record_of
from greffier_server.core.state import fold
from tests.support.sessions import chain

pytestmark = pytest.mark.unit


def written(title: str, *decisions: str) -> MinutesWritten:
    items = tuple(MinutesItem(text, (1,), True) for text in decisions)
    return MinutesWritten(Minutes(0, "fr", title, decisions=items))


def edit(kind: str, version: int, new: str, item: int = 0) -> Corrected:
    target = CorrectionTarget(kind, minutes=version, section="decisions", item=item)  # type: ignore[arg-type]
    return Corrected("A", target, "", new)


def test_each_version_has_its_own_edits() -> None:
    records = chain(
        written("Un", "a", "b"),
        edit("minutes", 1, "A"),
        edit("verdict", 1, "accepted", item=1),
        written("Deux", "c"),
        edit("verdict", 2, "rejected"),
        edit("minutes", 1, "AA"),
    )
    first, second = minutes_versions(records)
    items = first["sections"][0]["items"]
    assert [(one["text"], one["written"], one["verdict"]) for one in items] == [
        ("AA", "a", ""),
        ("b", "b", "accepted"),
    ]
    assert second["sections"][0]["items"][0]["verdict"] == "rejected"
    assert (first["version"], second["version"], second["title"]) == (1, 2, "Deux")
    newest = record_of(fold(records))["minutes"]
    assert newest == {key: second[key] for key in newest}


def test_there_may_be_none() -> None:
    assert minutes_versions([]) == []
