"""Pictures of every page for the documentation, phone and projector, light and dark.

    python -m benchmarks.screenshots [--output docs/images/pages]

What is said is the script of `tests/data/scenes/meeting-bilingual.json`, with translations written
for these pictures; no model runs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from greffier.protocol import CorrectionTarget, Minutes, MinutesItem
from greffier_server.core.events import GapFound
from greffier_server.pipeline.editing import Change
from greffier_server.settings import Settings
from greffier_web import PAGES
from tests.support.archived import House, Said, archive_house, session_events, tone
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
HOUR_MS = 3_600_000
MEETING = [
    Said(1_000 + 9_000 * number, text, speaker, english, language)
    for number, (speaker, language, text, english) in enumerate(TURNS)
]
MINUTES = Minutes(
    0,
    "fr",
    "Exercice commun de mars",
    summary=(
        MinutesItem("La réunion prépare l’exercice commun du mois de mars.", (1,), True),
        MinutesItem("L’équipe d’Emma est disponible du neuf au treize.", (2,), True),
    ),
    decisions=(MinutesItem("L’exercice commence le mardi dix mars.", (3, 4), True),),
    actions=(
        MinutesItem(
            "Réserver la salle radio du dix au treize mars.", (5,), True, "Claire", "10/03"
        ),
        MinutesItem("Confirmer la livraison du matériel radio.", (3,), False, "Alexandre"),
    ),
)
CORRECTIONS = (
    (
        "Mme Morel",
        CorrectionTarget("words", segment=3, first=4, end=6),
        "neuf mars",
        "9 mars",
    ),
    (
        "Mme Morel",
        CorrectionTarget("verdict", section="decisions", item=0),
        "",
        "accepted",
    ),
)
COUNCIL = [
    Said(0, "La séance est ouverte, nous commençons par le budget de la voirie.", "Le maire"),
    Said(8_000, "Le budget de la rue de l’Église est de quarante mille euros.", "Mme Diallo"),
    Said(17_000, "Je propose de voter ce budget avant la fin du mois.", "Le maire"),
]
CELL = [
    Said(0, "Point de dix-huit heures : deux routes sont coupées au nord.", "Colonel Petit"),
    Said(8_000, "Le budget d’urgence permet d’ouvrir le gymnase dès ce soir.", "La préfète"),
]
NET = [
    Said(0, "CROSS Étel, ici Kermaria, contrôle radio."),
    Said(9_000, "Kermaria, ici CROSS Étel, je vous reçois cinq sur cinq."),
    Said(18_000, "CROSS Étel, ici Kermaria, rien à signaler, nous rentrons à Lorient."),
]
SEA = [
    Said(2_000, "Mayday, Mayday, ici Goéland, feu à bord, quatre personnes."),
    Said(14_000, "Goéland, ici CROSS Étel, bien reçu, indiquez votre position."),
]
COLOURS = 64
"""Enough for flat pages; a third of the bytes."""


def main() -> None:
    """Write them all; older ones of the same names are replaced."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--only", default="", help="pictures whose name begins so")
    asked = parser.parse_args()
    folder: Path = asked.output
    folder.mkdir(parents=True, exist_ok=True)
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with ExitStack() as stack:
        browser = stack.enter_context(chromium(*microphone))
        live = stack.enter_context(stage())
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        alerts: Any = {"words": ("feu",)}
        kept = stack.enter_context(archive_house(data, Settings(alerts=alerts)))
        furnish(kept)
        taken = [(live.url, name, take) for name, take in shots(live, meeting(live)).items()]
        taken += [(kept.url, name, take) for name, take in archive_shots().items()]
        for url, name, take in taken:
            if not name.startswith(asked.only):
                continue
            for size in SIZES:
                for theme in THEMES:
                    with opened(browser, url, size=size, theme=theme) as guest:
                        page = take(guest)
                        page.wait_for_timeout(500)
                        write(folder / f"{name}-{size}-{theme}.png", page)


def write(path: Path, page: Page) -> None:
    """Keep what the page shows, small."""
    picture = page.screenshot(animations="disabled")
    Image.open(BytesIO(picture)).quantize(COLOURS, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
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
    kept = {"home", "sessions", "radio"}  # with something in them: `archive_shots`
    fixed = {p.name: p.path for p in PAGES if "{" not in p.path and p.name not in kept}
    return pictures | {name: plain(path) for name, path in fixed.items()}


def furnish(house: House) -> None:
    """Sessions of some days, with sound, minutes, corrections, and two nets, one of them live."""
    kit = house.kit
    now_ms = int(time.time() * 1000)

    def keep(name: str, title: str, said: list[Said], **more: Any) -> None:
        minutes, hours_ago = more.get("minutes"), more.get("hours_ago", 0)
        length_ms = said[-1].start_ms + 12_000
        events = session_events(said, title=title, minutes=minutes, duration_ms=length_ms)
        house.call(
            kit.keep(
                name,
                events,
                title=title,
                audio=tone(length_ms),
                created_at_ms=now_ms - hours_ago * HOUR_MS,
            )
        )

    keep("record", "Exercice commun de mars", MEETING, minutes=MINUTES, hours_ago=2)
    keep("council", "Conseil municipal, budget de la voirie", COUNCIL, hours_ago=26)
    keep("cell", "Cellule de crise, point de 18 h", CELL, hours_ago=50)
    for who, target, old, new in CORRECTIONS:
        house.call(kit.archive.editor.correct("default", "record", Change(who, target, old, new)))
    keep("net", "Canal 16", NET, hours_ago=1)
    sea = session_events(SEA, finished=False)
    house.call(kit.live("sea", sea, title="Canal 10", created_at_ms=now_ms - HOUR_MS // 4))
    for memory_bytes in (212_000_000, 214_000_000, 214_500_000):
        kit.archive.pulse.sample(memory_bytes)


def archive_shots() -> dict[str, Callable[[Any], Page]]:
    """Pictures of what is kept, and of the radio log."""

    def record(guest: Any) -> Page:
        page: Page = guest.open("/sessions/record")
        expect(page.locator("#record")).to_have_attribute("aria-busy", "false")
        page.evaluate("localStorage.setItem('greffier.author', 'Mme Morel')")
        page.reload()
        expect(page.locator("#record")).to_have_attribute("aria-busy", "false")
        return page

    def home(guest: Any) -> Page:
        page: Page = guest.open("/")
        expect(page.locator(".sessions__entry").first).to_be_visible()
        return page

    def exports(guest: Any) -> Page:
        page = record(guest)
        page.get_by_text("Exporter", exact=True).click()
        return page

    def console(guest: Any) -> Page:
        page: Page = guest.open("/sessions")
        expect(page.locator("tbody a").first).to_be_visible()
        return page

    def search(guest: Any) -> Page:
        page: Page = guest.open("/sessions?q=budget")
        expect(page.locator(".hit").first).to_be_visible()
        return page

    def radio(guest: Any) -> Page:
        page: Page = guest.open("/radio?sessions=net,sea")
        expect(page.locator(".alarm").first).to_be_visible()
        return page

    return {
        "home": home,
        "record": record,
        "record-exports": exports,
        "console": console,
        "search": search,
        "radio": radio,
    }


@contextmanager
def opened(browser: Browser, url: str, *, size: str, theme: str) -> Generator[Any, None, None]:
    """A visitor with a screen and a theme."""
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    with visitor(browser, url, viewport=viewport, color_scheme=theme) as guest:
        guest.context.grant_permissions(["microphone"])
        yield guest


if __name__ == "__main__":
    main()
