"""How fast the record of a long session opens: server, transfer, scripts and first paint.

    python -m benchmarks.record_page --hours 4

A session of so many hours is stored as a log (a segment of twelve words every 5.5 s, translated,
with minutes), served by the real application over SQLite, and opened in Chromium: once with a
server that has just started, then again. Printed: milliseconds from the request for the page until
the text is there and painted, and how much of that the server and the scripts took.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from greffier.protocol import Minutes, MinutesItem
from tests.support.archived import House, Said, archive_house, session_events
from tests.support.browser import chromium, visitor

_TEXT = "Le budget de la voirie sera soumis au vote du conseil demain."
_ENGLISH = "The budget for roads will be put to the vote of the council tomorrow."
_EVERY_MS = 5_500


def long_session(hours: float) -> list[Any]:
    """The events of a session of so many hours."""
    length_ms = round(hours * 3_600_000)
    said = [
        Said(at, f"{_TEXT} {number}", str(1 + number % 4), _ENGLISH)
        for number, at in enumerate(range(0, length_ms - _EVERY_MS, _EVERY_MS))
    ]
    items = tuple(
        MinutesItem(f"Point {n} du débat.", (n * 20 + 1,), verified=True)
        for n in range(len(said) // 20)
    )
    minutes = Minutes(0, "fr", "Conseil", topics=items)
    return session_events(said, minutes=minutes, duration_ms=length_ms)


def open_once(house: House, browser: Any) -> dict[str, float]:
    """Open the page with an empty profile; return milliseconds."""
    with visitor(browser, house.url) as guest:
        begun = time.perf_counter()
        page = guest.open("/sessions/long")
        page.wait_for_selector("#record[aria-busy=false]")
        page.evaluate("new Promise((r) => requestAnimationFrame(() => setTimeout(r)))")
        opened_ms = 1000 * (time.perf_counter() - begun)
        told = page.evaluate(
            "(() => { const e = performance.getEntriesByType('resource')"
            ".find((x) => x.name.endsWith('/record'));"
            " return {server: e.responseStart - e.requestStart, kilobytes: e.decodedBodySize / 1e3,"
            " elements: document.querySelectorAll('*').length}; })()"
        )
        return {"opened_ms": round(opened_ms), **{key: round(told[key]) for key in told}}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, archive_house(Path(folder)) as house:
        events = long_session(options.hours)
        house.call(house.kit.keep("long", events))
        house.kit.archive.shelf.forget("default", "long")  # as after a start
        with chromium() as browser:
            runs = [open_once(house, browser) for _ in range(options.times + 1)]
    again = [run["opened_ms"] for run in runs[1:]]
    result = {
        "hours": options.hours,
        "events": len(events),
        "first": runs[0],
        "again": runs[1:],
        "again_median_ms": statistics.median(again),
        "bar_ms": 2_000,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
