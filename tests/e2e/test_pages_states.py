"""Every page in the states that are easily forgotten: for everyone in each of them, too."""

from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from greffier_server.core.events import SegmentClosed, SegmentOpened, WordsCommitted
from greffier_server.settings import Settings
from tests.support.archived import House, Said, archive_house, council, session_events, words
from tests.support.browser import Visitor, barriers, chromium, visitor
from tests.support.stage import Stage, stage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ARABIC = "الميزانية أربعون ألف يورو"
FAILED = ("Failed to load resource",)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House, None, None]:
    """Somebody's archive: a meeting, one in Arabic, and a net in distress."""
    folder = tmp_path_factory.mktemp("states")
    with archive_house(folder, Settings(alerts={"words": ("feu",)})) as running:  # type: ignore[arg-type]
        running.call(running.kit.keep("council", council()))
        arabic = [
            Said(0, ARABIC, "سلمى", "The budget is forty thousand euros.", "ar"),
            Said(9_000, "The vote is tomorrow.", "2", ARABIC, "en"),
        ]
        running.call(running.kit.keep("arabic", session_events(arabic, title=ARABIC)))
        log = running.call(
            running.kit.live("sea", session_events([], title="Canal 10", finished=False))
        )
        distress = words("Mayday ici Kermaria, feu à bord", 3_000)
        running.call(
            log.append(
                SegmentOpened(1, 3_000, "fr"),
                WordsCommitted(1, distress),
                SegmentClosed(1, 3_000, 5_000),
            )
        )
        yield running


@pytest.fixture(scope="module")
def empty() -> Generator[Stage, None, None]:
    """A server on which nothing was ever said."""
    with stage() as running:
        yield running


def record_with(act: Callable[[Page], None], name: str = "council") -> Callable[[Visitor], Page]:
    def opened(guest: Visitor) -> Page:
        page = guest.open(f"/sessions/{name}")
        expect(page.locator("#record[data-whole]")).to_be_attached()
        act(page)
        return page

    return opened


def radio_with(act: Callable[[Page], None]) -> Callable[[Visitor], Page]:
    def opened(guest: Visitor) -> Page:
        page = guest.open("/radio?sessions=sea,council")
        expect(page.locator(".alarm")).to_be_visible()
        act(page)
        return page

    return opened


def plain(path: str, awaited: str) -> Callable[[Visitor], Page]:
    def opened(guest: Visitor) -> Page:
        page = guest.open(path)
        expect(page.locator(awaited).first).to_be_visible()
        return page

    return opened


def failing(path: str, refused: str, awaited: str) -> Callable[[Visitor], Page]:
    """The server fails at one of the requests."""

    def opened(guest: Visitor) -> Page:
        body = '{"code": "internal_error", "message": "", "retryable": false}'
        guest.context.route(refused, lambda route: route.fulfill(status=500, body=body))
        return plain(path, awaited)(guest)

    return opened


def other(language: str) -> Callable[[Page], None]:
    """A translation is shown, and being corrected."""

    def act(page: Page) -> None:
        page.select_option("#bar select", language)
        expect(page.locator("[data-translation]").first).to_be_visible()
        page.locator("[data-act=edit-translation]").first.click()
        expect(page.locator("textarea")).to_be_focused()

    return act


def exports(page: Page) -> None:
    page.get_by_text("Exporter", exact=True).click()


KEPT: dict[str, Callable[[Visitor], Page]] = {
    "the name of who corrects is asked": record_with(
        lambda page: page.get_by_role("button", name="Indiquer votre nom").click()
    ),
    "a speaker is named": record_with(lambda page: page.locator("#people button").first.click()),
    "what can be taken away": record_with(exports),
    "right to left": record_with(other("en"), "arabic"),
    "right to left beside": record_with(
        lambda page: page.locator("[data-act=edit]").last.click(), "arabic"
    ),
    "there is no such record": plain("/sessions/nothing", "#trouble .notice"),
    "a record that fails": failing("/sessions/council", "**/record?*", "#trouble .notice"),
    "nothing is found": plain("/sessions?q=introuvable", "#status"),
    "a search that fails": failing("/sessions?q=x", "**/v1/search?*", ".notice--bad"),
    "a watch is handed over": radio_with(
        lambda page: page.get_by_role("button", name="Passer la veille").click()
    ),
    "a log that fails": failing("/radio?sessions=sea", "**/v1/radio?*", "#trouble .notice"),
    "no net is chosen": plain("/radio", "#nets-list .choice"),
}
NOTHING: dict[str, Callable[[Visitor], Page]] = {
    "home of a new server": plain("/", "#sessions .hint"),
    "home that fails": failing("/", "**/readyz", "#ready .badge--warn"),
    "no session yet": plain("/sessions", "#found .hint"),
    "no net yet": plain("/radio", "#nets-list .hint"),
    "there is no such session": plain("/watch/nothing", ".badge--bad"),
    "such a link is not valid": plain("/w/nothing", ".badge--bad"),
    "a wrong token": plain("/sign-in?error=authentication_failed", "#problem"),
}


@pytest.mark.parametrize("state", KEPT)
def test_whoever_comes_is_served(browser: Browser, house: House, state: str) -> None:
    with visitor(browser, house.url, forgive=FAILED, reduced_motion="reduce") as guest:
        assert barriers(KEPT[state](guest)) == []


@pytest.mark.parametrize("state", NOTHING)
def test_whoever_comes_first_is_served(browser: Browser, empty: Stage, state: str) -> None:
    english = {"locale": "en-GB", "reduced_motion": "reduce"}
    with visitor(browser, empty.url, forgive=FAILED, **english) as guest:
        assert barriers(NOTHING[state](guest)) == []


def test_what_is_being_said_right_to_left(browser: Browser) -> None:
    """Live, with a tail; with the settings open, and with the dialog of links."""
    with stage() as live, visitor(browser, live.url, reduced_motion="reduce") as guest:
        scene = live.open("اجتماع", "fr")
        scene.say(ARABIC, language="ar", speaker="سلمى", fr="Le budget est de quarante mille.")
        scene.say(ARABIC, language="ar", speaker="سلمى", close=False)
        page = guest.open(f"/watch/{scene.id}?view=both:fr")
        expect(page.locator(".captions__block")).to_have_count(2)
        scene.segment -= 1
        scene.tail(f" {ARABIC}", language="ar", speaker="سلمى")
        tails = page.locator(".captions__cell--original .captions__tail")
        expect(tails.last).to_contain_text(ARABIC)
        assert page.locator(".captions__cell--original").first.get_attribute("dir") == "rtl"
        page.click("#settings")
        assert barriers(page) == []
        page = guest.open(f"/watch/{scene.id}")
        page.click("#share")
        expect(page.locator("dialog")).to_be_visible()
        assert barriers(page) == []


def test_a_file_that_cannot_be_read(browser: Browser, empty: Stage, tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not a recording")
    with visitor(browser, empty.url, reduced_motion="reduce") as guest:
        page = guest.open("/speak")
        page.get_by_text("Fichier", exact=True).click()
        page.get_by_text("Vocabulaire et autres réglages").click()
        page.locator("#file").set_input_files(noise)
        page.get_by_role("button", name="Ouvrir la séance").click()
        expect(page.locator("#problem")).to_be_visible()
        assert barriers(page) == []
