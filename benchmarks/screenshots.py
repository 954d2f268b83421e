"""Pictures of every page for the documentation, phone and projector, light and dark.

    python -m benchmarks.screenshots [--output docs/images/pages]

What is said is the script of `tests/data/scenes/meeting-bilingual.json`, with translations written
for these pictures; no model runs.
"""

import argparse
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from greffier_server.core.events import GapFound
from greffier_web import PAGES
from tests.support.browser import chromium, visitor
from tests.support.stage import Scene, Stage, stage

OUTPUT = Path(__file__).parents[1] / "docs" / "images" / "pages"
SIZES: dict[str, tuple[int, int]] = {"phone": (390, 780), "projector": (1280, 720)}
THEMES = ("light", "dark")
TURNS = (
    (
        "Claire",
        "fr",
        "Bonjour et bienvenue. Cette réunion prépare l’exercice commun du mois de mars.",
        "Hello and welcome. This meeting prepares the joint exercise of March.",
    ),
    (
        "Emma",
        "en",
        "Good morning everyone. Our team can be on site from the ninth to the thirteenth.",
        "Good morning everyone. Our team can be on site from the ninth to the thirteenth.",
    ),
    (
        "Alexandre",
        "fr",
        "Pour nous, le lundi neuf mars est difficile : le matériel radio arrive le mardi.",
        "For us, Monday the ninth of March is difficult: the radio equipment arrives on Tuesday.",
    ),
    (
        "Michael",
        "en",
        "Yes, the tenth is fine. We would need the radio room from eight in the morning.",
        "Yes, the tenth is fine. We would need the radio room from eight in the morning.",
    ),
    (
        "Claire",
        "fr",
        "Je réserve la salle radio du dix au treize mars.",
        "I am booking the radio room from the tenth to the thirteenth of March.",
    ),
)
COLOURS = 96
"""Enough for flat pages; a third of the bytes."""


def main() -> None:
    """Write them all; older ones of the same names are replaced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with stage() as house, chromium(*microphone) as browser:
        scene = meeting(house)
        for name, take in shots(house, scene).items():
            for size in SIZES:
                for theme in THEMES:
                    with opened(browser, house, size=size, theme=theme) as guest:
                        page = take(guest)
                        page.wait_for_timeout(500)
                        path = folder / f"{name}-{size}-{theme}.png"
                        picture = page.screenshot(animations="disabled")
                        Image.open(BytesIO(picture)).quantize(COLOURS).save(path, optimize=True)
                        print(path.name, f"{path.stat().st_size // 1000} kB")


def meeting(house: Stage) -> Scene:
    """The session that is watched."""
    scene = house.open("Exercice commun de mars", "en", "ar")
    for speaker, language, text, english in TURNS:
        scene.say(text, language=language, speaker=speaker, en=english, lag_ms=1_900)
        if speaker == "Emma":
            scene.append(GapFound(scene.at_ms, scene.at_ms + 2_400, "client_lost_audio"))
    return scene


def shots(house: Stage, scene: Scene) -> dict[str, Callable[[Any], Page]]:
    """How each picture comes about."""

    def watching(guest: Any) -> Page:
        page: Page = guest.open(f"/watch/{scene.id}?view=both:en")
        page.wait_for_timeout(300)
        scene.tail(" Nous avons douze canaux", speaker="Claire")
        return page

    def settings(guest: Any) -> Page:
        page: Page = guest.open(f"/watch/{scene.id}")
        page.click("#settings")
        return page

    def sharing(guest: Any) -> Page:
        page: Page = guest.open(f"/watch/{scene.id}")
        page.click("#share")
        page.locator(".share__form .button").click()
        expect(page.locator(".share__code")).to_be_visible()
        return page

    def speaking(guest: Any) -> Page:
        page: Page = guest.open("/speak")
        page.fill("#title", "Exercice commun de mars")
        page.check("#targets input[value=en]")
        page.click("#go")
        watch = page.locator("#watch[href]")
        expect(watch).to_be_visible()
        session = (watch.get_attribute("href") or "").removeprefix("/watch/")
        said = Scene(house, house.server.desk.sessions[session])
        for speaker, language, text, english in TURNS[:2]:
            said.say(text, language=language, speaker=speaker, en=english)
        page.wait_for_timeout(2_500)
        return page

    def plain(path: str) -> Callable[[Any], Page]:
        return lambda guest: guest.open(path)

    pictures: dict[str, Callable[[Any], Page]] = {
        "watch": watching,
        "watch-settings": settings,
        "share": sharing,
        "speaking": speaking,
    }
    fixed = {page.name: page.path for page in PAGES if "{" not in page.path}
    return pictures | {name: plain(path) for name, path in fixed.items()}


@contextmanager
def opened(browser: Browser, house: Stage, *, size: str, theme: str) -> Generator[Any, None, None]:
    """A visitor with a screen and a theme."""
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    with visitor(browser, house.url, viewport=viewport, color_scheme=theme) as guest:
        guest.context.grant_permissions(["microphone"])
        yield guest


if __name__ == "__main__":
    main()
