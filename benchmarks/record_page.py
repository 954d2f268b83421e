"""How fast the record of a long session opens: server, transfer, scripts and first paint.

    python -m benchmarks.record_page --hours 4

A session of so many hours is stored as a log (a segment of twelve words every 5.5 s, translated,
with minutes), served by the real application over SQLite, and opened in Chromium: as often cold
(the server remembers nothing of the session) as warm, with nothing kept by the browser; and once at
a place near its end. Told in milliseconds from the request for the page: until the text, the
minutes and the player are painted (`opened`), until the last passage is there (`whole`); and the
processor time of server (this process) and page, and the elements of the page, which other work on
the machine does not change.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

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


def open_once(house: House, browser: Any, path: str = "/sessions/long") -> dict[str, float]:
    """Open the page with an empty profile; return milliseconds, processor time, and elements."""
    with visitor(browser, house.url) as guest:
        page = guest.open("/sign-in")  # a tab that is there already, with nothing of ours kept
        session = page.context.new_cdp_session(page)
        send = cast("Callable[..., dict[str, Any]]", session.send)
        send("Network.setCacheDisabled", {"cacheDisabled": True})
        send("Performance.enable", {"timeDomain": "threadTicks"})
        served = time.process_time()
        begun = time.perf_counter()
        page.goto(house.url + path)
        page.wait_for_selector("#record[aria-busy=false]")
        page.evaluate(DRAWN)
        opened_ms = 1000 * (time.perf_counter() - begun)
        first = page.evaluate("document.querySelectorAll('*').length")
        page.wait_for_selector("#record[data-whole]", state="attached", timeout=60_000)
        page.evaluate(DRAWN)
        whole_ms = 1000 * (time.perf_counter() - begun)
        found = {one["name"]: one["value"] for one in send("Performance.getMetrics")["metrics"]}
        return {
            "opened_ms": round(opened_ms),
            "whole_ms": round(whole_ms),
            "server_cpu_ms": round(1000 * (time.process_time() - served)),
            "page_task_ms": round(1000 * found["TaskDuration"]),
            "page_script_ms": round(1000 * found["ScriptDuration"]),
            "page_layout_ms": round(
                1000 * (found["LayoutDuration"] + found["RecalcStyleDuration"])
            ),
            "kilobytes": round(page.evaluate(KILOBYTES)),
            "elements_first": first,
            "elements": page.evaluate("document.querySelectorAll('*').length"),
        }


DRAWN = "new Promise((r) => requestAnimationFrame(() => setTimeout(r)))"
KILOBYTES = """performance.getEntriesByType('resource')
  .filter((one) => one.name.includes('/record'))
  .reduce((sum, one) => sum + one.decodedBodySize, 0) / 1e3"""


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, archive_house(Path(folder)) as house:
        events = long_session(options.hours)
        house.call(house.kit.keep("long", events))
        house.call(house.kit.keep("short", long_session(0.01)))
        with chromium() as browser:
            open_once(house, browser, "/sessions/short")  # the server has imported what it needs
            cold: list[dict[str, float]] = []
            for _ in range(options.times):
                house.kit.archive.shelf.forget("default", "long")  # as after a start
                cold.append(open_once(house, browser))
            warm = [open_once(house, browser) for _ in range(options.times)]
            late_ms = round(options.hours * 3_500_000)
            late = open_once(house, browser, f"/sessions/long?t={late_ms}")
    result = {
        "hours": options.hours,
        "events": len(events),
        "cold": cold,
        "warm": warm,
        "at_the_end": late,
        "cold_median_ms": statistics.median(run["opened_ms"] for run in cold),
        "warm_median_ms": statistics.median(run["opened_ms"] for run in warm),
        "whole_median_ms": statistics.median(run["whole_ms"] for run in warm + cold),
        "bar_ms": 2_000,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
