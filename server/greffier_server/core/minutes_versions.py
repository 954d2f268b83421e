"""Every version of a session's minutes, as it was written and as editors left it (pure)."""

from collections.abc import Iterable
from typing import Any

from greffier_server.core.events import Corrected, MinutesWritten, Recorded, SecondPassFinished
from greffier_server.core.record import plain_minutes

__all__ = ["minutes_versions"]


def minutes_versions(records: Iterable[Recorded]) -> list[dict[str, Any]]:
    """Return the versions, oldest first, each with when and by what it was written.

    Args:
        records: of one session, in order.
    """
    written: list[tuple[Recorded, MinutesWritten, bool]] = []
    texts: list[dict[tuple[str, int], str]] = []
    verdicts: list[dict[tuple[str, int], str]] = []
    second = False
    for record in records:
        match record.event:
            case MinutesWritten() as event:
                written.append((record, event, second))
                texts.append({})
                verdicts.append({})
            case SecondPassFinished():
                second = True
            case Corrected(target=target, new=new) if 0 < target.minutes <= len(written):
                kept = texts if target.kind == "minutes" else verdicts
                if target.kind in ("minutes", "verdict"):
                    kept[target.minutes - 1][target.section, target.item] = new
            case _:
                pass
    return [
        {
            "at_ms": record.at_ms,
            "engine": record.engine,
            "second_pass": revised,
            **plain_minutes(event.minutes, number + 1, texts[number], verdicts[number]),
        }
        for number, (record, event, revised) in enumerate(written)
    ]
