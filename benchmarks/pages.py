"""What the caption page costs a browser: first paint, two hours of words, and following live.

    python -m benchmarks.pages [--words 20000] [--seconds 30] [--pace 24] [--output result.json]

Two hours are followed live as well, each word as it comes but `pace` times as fast: what scripts
took is told as a share of the time in which so much is said, and the heap and the nodes are
counted on the way, after a garbage collection: nodes must not grow with what was said, and the heap
by little more than the text itself. `committed_shift` is what Chromium counts of committed text in
view that moved other than by scrolling, from the beginning: it must be 0. `other_shift` is of the
tail and of the page around the captions, whose bar grows when the languages are known.

A real Chromium reads a served session of which the words are made up; costs are Chromium's own
counters (`Performance.getMetrics` of the DevTools protocol), so that other work on the machine
does not count.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import Browser, CDPSession, Page

from tests.support.browser import chromium, shifts, visitor, watch_shifts
from tests.support.stage import Scene, Stage, stage

WORDS_A_SEGMENT = 14
WORDS_A_SECOND = 2.5
TAILS_A_SECOND = 2
_TEXT = (
    "la cellule de crise attend douze véhicules pour le secteur nord avant mardi matin et le "
    "préfet demande un point toutes les heures sur les routes coupées par la neige"
)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--pace", type=float, default=24.0, help="0: not the two hours live")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with stage() as house, chromium("--js-flags=--expose-gc") as browser:
        scene = house.open("Deux heures", "en")
        result: dict[str, Any] = {"words": given.words, "followed_s": given.seconds}
        result["first_paint_ms"] = first_paints(browser, house)
        small = spoken(scene, words=1_000)
        result["live_at_1000_words"] = followed(browser, house, scene, seconds=given.seconds)
        spoken(scene, words=max(0, given.words - small))
        result["history_ms"] = history_ms(browser, house, scene)
        result["live_at_all_words"] = followed(browser, house, scene, seconds=given.seconds)
        if given.pace > 0:
            result["all_words_live"] = fed(browser, house, words=given.words, pace=given.pace)
    text = json.dumps(result, indent=2)
    print(text)
    if given.output is not None:
        given.output.write_text(text + "\n", encoding="utf-8")


def sentence(number: int) -> str:
    """Words that differ from one segment to the next."""
    words = _TEXT.split()
    return " ".join(words[(number * 5 + n) % len(words)] for n in range(WORDS_A_SEGMENT)) + "."


def spoken(scene: Scene, *, words: int) -> int:
    """Say so many words, with their translations; return how many it were."""
    count = 0
    while count < words:
        text = sentence(scene.segment)
        scene.say(text, speaker=f"Voix {scene.segment // 5 % 4}", en=text)
        count += WORDS_A_SEGMENT
    return count


def first_paints(browser: Browser, house: Stage) -> dict[str, float]:
    """First contentful paint with nothing kept by the browser, in ms, by page."""
    scene = house.open("")
    scene.say("Un mot.")
    paints: dict[str, float] = {}
    for path in ("/", "/speak", f"/watch/{scene.id}"):
        with visitor(browser, house.url) as guest:
            page = guest.open(path)
            page.wait_for_load_state("networkidle")
            paints[path.split("/")[1] or "home"] = round(float(page.evaluate(PAINT)))
    return paints


PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
LAST = "document.querySelector('.captions__list > :last-child > :last-child')?.textContent ?? ''"


def history_ms(browser: Browser, house: Stage, scene: Scene) -> float:
    """From the request of the page to the last of all words on it."""
    with visitor(browser, house.url) as guest:
        began = time.perf_counter()
        page = guest.open(f"/watch/{scene.id}?view=both:en")
        last = sentence(scene.segment - 1)
        page.wait_for_function(f"(text) => ({LAST}).includes(text)", arg=last, timeout=60_000)
        return round((time.perf_counter() - began) * 1000)


def followed(browser: Browser, house: Stage, scene: Scene, *, seconds: float) -> dict[str, float]:
    """Costs of following at the pace of speech, as shares of a core, and the heap in MB."""
    with visitor(browser, house.url) as guest:
        page = guest.open(f"/watch/{scene.id}?view=both:en")
        page.wait_for_timeout(3_000)
        session = page.context.new_cdp_session(page)
        cast("Callable[[str], dict[str, Any]]", session.send)("Performance.enable")
        before = counters(page, session)
        live(scene, page, seconds=seconds)
        after = counters(page, session)
    lasted = after["Timestamp"] - before["Timestamp"]
    shares = {
        name: round((after[key] - before[key]) / lasted, 4)
        for name, key in (
            ("script_share", "ScriptDuration"),
            ("layout_share", "LayoutDuration"),
            ("style_share", "RecalcStyleDuration"),
            ("task_share", "TaskDuration"),
        )
    }
    return {
        **shares,
        "heap_before_mb": round(before["JSHeapUsedSize"] / 1e6, 2),
        "heap_after_mb": round(after["JSHeapUsedSize"] / 1e6, 2),
        "nodes": after["Nodes"],
    }


SAMPLES = 10


def fed(browser: Browser, house: Stage, *, words: int, pace: float) -> dict[str, Any]:
    """Follow all the words as they come, `pace` times as fast as people speak."""
    scene = house.open("Deux heures en direct", "en")
    with visitor(browser, house.url) as guest:
        page = guest.open(f"/watch/{scene.id}?view=both:en")
        watch_shifts(page)
        session = page.context.new_cdp_session(page)
        cast("Callable[[str], dict[str, Any]]", session.send)("Performance.enable")
        before = counters(page, session)
        samples: list[dict[str, float]] = []
        said = 0
        while said < words:
            speak(scene, page, pace=pace)
            said += WORDS_A_SEGMENT
            if said >= words * (len(samples) + 1) / SAMPLES:
                now = counters(page, session)
                heap_mb = round(now["JSHeapUsedSize"] / 1e6, 2)
                shifted = shifts(page)
                sample = {"words": said, "heap_mb": heap_mb, "nodes": now["Nodes"]}
                sample["committed_shift"] = round(shifted.committed, 4)
                samples.append({**sample, "other_shift": round(shifted.rest, 4)})
        after = counters(page, session)
    spoken_s = said / WORDS_A_SECOND
    return {
        "words": said,
        "pace": pace,
        "script_share": round((after["ScriptDuration"] - before["ScriptDuration"]) / spoken_s, 4),
        "task_share": round((after["TaskDuration"] - before["TaskDuration"]) / spoken_s, 4),
        "samples": samples,
    }


def live(scene: Scene, page: Page, *, seconds: float) -> None:
    """Speak for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        speak(scene, page)


def speak(scene: Scene, page: Page, *, pace: float = 1.0) -> None:
    """Say a segment as people do: tails that grow, then the words for good."""
    voice = f"Voix {scene.segment // 5 % 4}"
    words = sentence(scene.segment).split()
    steps = round(WORDS_A_SEGMENT / WORDS_A_SECOND * TAILS_A_SECOND)
    for step in range(1, steps):
        scene.tail(" " + " ".join(words[: step * len(words) // steps]), speaker=voice)
        page.wait_for_timeout(1000 / TAILS_A_SECOND / pace)
    text = " ".join(words)
    scene.say(text, speaker=voice, en=text)


def counters(page: Page, session: CDPSession) -> dict[str, float]:
    """Chromium's own, after a garbage collection."""
    page.evaluate("gc()")
    send = cast("Callable[[str], dict[str, Any]]", session.send)
    said = send("Performance.getMetrics")
    return {metric["name"]: float(metric["value"]) for metric in said["metrics"]}


if __name__ == "__main__":
    main()
