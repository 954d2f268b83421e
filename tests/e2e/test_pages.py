"""The pages in a real browser: for everyone, in every theme, and whatever is said in a session."""

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from greffier.protocol import CorrectionTarget
from greffier_server.core.events import Corrected, GapFound
from greffier_server.settings import Settings, TenantToken, hash_token
from greffier_web import PAGES
from tests.support.browser import (
    barriers,
    chromium,
    shifts,
    unmarked,
    violations,
    visitor,
    watch_shifts,
)
from tests.support.stage import Scene, Stage, stage

pytestmark = pytest.mark.e2e

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>{{title}}\u202e&amp;'
ELSEWHERE = {"record", "sessions", "radio"}
"""Looked at with something in them, in test_pages_record.py."""
PATHS = sorted({page.path for page in PAGES if page.name not in ELSEWHERE})


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def house() -> Generator[Stage, None, None]:
    with stage() as running:
        yield running


def told(house: Stage) -> Scene:
    """A session with a little of everything."""
    scene = house.open("Cellule de crise", "en", "ar")
    scene.say("Bonjour à tous.", speaker="Claire", en="Good morning.", ar="صباح الخير.")
    scene.append(GapFound(1_000, 3_000, "client_lost_audio"))
    scene.say("Douze véhicules sont arrivés.", speaker="2", en="Twelve vehicles have arrived.")
    return scene


def link_to(house: Stage, scene: Scene) -> str:
    """A viewer link's path."""
    links = house.server.app.state.viewer_links
    _, secret = house.call(links.make("default", scene.id, languages=None, lasts_ms=3_600_000))
    return f"/w/{secret}"


def address(path: str, house: Stage, scene: Scene) -> str:
    return link_to(house, scene) if path == "/w/{link}" else path.replace("{session}", scene.id)


def test_pages_are_for_everyone(browser: Browser, house: Stage) -> None:
    """As they are usually; their other states are in test_pages_states.py."""
    scene = told(house)
    with visitor(browser, house.url, reduced_motion="reduce") as guest:
        for path in PATHS:
            page = guest.open(address(path, house, scene))
            page.wait_for_load_state("networkidle")
            if path.startswith("/watch"):
                page.select_option("#view", "both:ar")
                page.click("#settings")
            assert barriers(page) == [], path
            page.close()


def test_the_check_for_everyone_can_fail(browser: Browser, house: Stage) -> None:
    with visitor(browser, house.url) as guest:
        page = guest.open("/sign-in")
        page.evaluate("document.querySelector('label').remove()")
        page.evaluate("document.querySelector('.lead').style.color = '#ccc'")
        found = " ".join(violations(page))
        assert "label" in found
        assert "color-contrast" in found
        page.emulate_media(forced_colors="active")
        assert unmarked(page) == []
        page.evaluate("document.querySelector('button').style.border = 'none'")
        assert len(unmarked(page)) == 1


def test_nothing_moves_where_motion_is_not_wanted(browser: Browser, house: Stage) -> None:
    with visitor(browser, house.url, reduced_motion="reduce") as guest:
        page = guest.open("/speak")
        moving = page.evaluate(
            "[...document.querySelectorAll('*')].filter((e) => "
            "!['0s', ''].includes(getComputedStyle(e).transitionDuration)).length"
        )
        assert moving == 0


def test_two_viewers_read_two_languages(browser: Browser, house: Stage) -> None:
    scene = told(house)
    with visitor(browser, house.url) as french, visitor(browser, house.url) as english:
        first = french.open(f"/watch/{scene.id}")
        second = english.open(f"{link_to(house, scene)}?view=translation:en")
        scene.say("Merci.", en="Thank you.")
        expect(shown(first).last).to_have_text("Merci.")
        expect(shown(second).last).to_have_text("Thank you.")
        expect(first.locator(".captions__notice--gap")).to_have_count(1)
        assert first.locator(".captions__who:visible").all_inner_texts()[:2] == ["Claire", "Voix 2"]


def test_whatever_is_said_stays_text(browser: Browser, house: Stage) -> None:
    scene = house.open(HOSTILE, "en")
    scene.say(HOSTILE, speaker=HOSTILE, en=HOSTILE)
    scene.tail(HOSTILE, speaker=HOSTILE)
    with visitor(browser, house.url) as guest:
        page = guest.open(f"/watch/{scene.id}?view=both:en&size=%3Cb%3E&font=%22%3E%3Cb%3E")
        expect(page.locator("#title")).to_have_text(HOSTILE)
        expect(shown(page).first).to_contain_text("<img src=x")
        home = guest.open("/?lang=%3Cb%3E&next=%3Cb%3E")
        expect(home.locator(".sessions__title", has_text="<img").first).to_be_visible()
        sign_in = guest.open("/sign-in?error=%3Cimg+src%3Dx%3E&next=javascript:alert(1)")
        expect(sign_in.locator("#problem")).to_have_text("<img src=x>")
        for tab in guest.pages:
            assert tab.evaluate("window.hit") is None
            assert tab.locator("img, main script").count() == 0


def test_committed_text_stays_where_it_is(browser: Browser, house: Stage) -> None:
    scene = house.open("")
    with visitor(browser, house.url, viewport={"width": 500, "height": 600}) as guest:
        page = guest.open(f"/watch/{scene.id}")
        scene.say("Un premier mot qui reste à sa place.", close=False)
        said = shown(page).first
        expect(said).to_contain_text("premier")
        number = scene.segment
        places: list[float] = []
        for tail in (" puis", " puis une suite assez longue qui prend deux lignes", " puis"):
            scene.segment = number - 1
            scene.tail(tail)
            expect(page.locator(".captions__tail").first).to_have_text(tail)
            places.append(page.evaluate(PLACE))
        assert places[2] == places[1]  # a shorter tail moves nothing
        scene.segment = number
        scene.say("Ensuite.")
        expect(shown(page).last).to_have_text("Ensuite.")
        assert (
            page.evaluate("document.querySelector('g-captions').textContent").count("premier") <= 2
        )


def test_committed_text_moves_by_scrolling_only(browser: Browser, house: Stage) -> None:
    """From the first word, while the screen fills, through more than two sheets, with notices."""
    scene = house.open("", "en")
    with visitor(browser, house.url, viewport={"width": 900, "height": 700}) as guest:
        page = guest.open(f"/watch/{scene.id}?view=both:en")
        expect(page.locator("#state")).to_contain_text("En direct")
        watch_shifts(page)
        for turn in range(100):
            who = f"Voix {turn // 5 % 4}"
            scene.tail(f" Phrase {turn} qui", speaker=who)
            page.wait_for_timeout(20)
            text = f"Phrase {turn} qui prend plus d’une ligne dans sa colonne, ou trois."
            scene.say(text, speaker=who, en=text)
            if turn % 30 == 7:
                scene.append(GapFound(1_000, 3_000, "client_lost_audio"))
            page.wait_for_timeout(20)
        expect(shown(page).last).to_contain_text("Phrase 99")
        expect(page.locator(".captions__page--resting").first).to_be_attached()
        counted = shifts(page)
        assert (counted.committed, counted.moved) == (0, [])
        page.evaluate("document.querySelector('.captions__list').style.paddingInlineStart = '6rem'")
        assert shifts(page).committed > 0  # what is asserted above can fail


def test_few_words_leave_nothing_to_scroll_to(browser: Browser, house: Stage) -> None:
    """They stand below, and above them is nothing, however it is asked for."""
    scene = house.open("")
    scene.say("Un mot.")
    with visitor(browser, house.url, viewport={"width": 500, "height": 500}) as guest:
        page = guest.open(f"/watch/{scene.id}")
        expect(shown(page).last).to_have_text("Un mot.")
        scroller = page.locator(".captions__scroller")
        scroller.focus()
        before = page.evaluate(PLACE)
        page.keyboard.press("Home")
        scroller.hover()
        page.mouse.wheel(0, -2_000)
        page.wait_for_timeout(300)
        assert page.evaluate(PLACE) == before
        box = scroller.bounding_box()
        assert box is not None
        assert before > box["y"] + box["height"] - 100


PLACE = "document.querySelector('.captions__cell').getBoundingClientRect().top"


def test_corrections_travel_to_who_watches(browser: Browser, house: Stage) -> None:
    scene = house.open("Crise", "en")
    first = scene.say("Le quarente est parti, dit la voix.", speaker="1", en="The forty left.")
    scene.say("La suite ne bouge pas.", speaker="1", en="The rest stays.")
    scene.say("Ce qui vient", speaker="1", close=False)
    watch, link = f"/watch/{scene.id}?view=both:en", f"{link_to(house, scene)}?view=both:en"
    with visitor(browser, house.url) as own, visitor(browser, house.url) as guest:
        tabs = (own.open(watch), guest.open(link))
        for page in tabs:
            expect(shown(page).nth(4)).to_have_text("Ce qui vient")
            expect(page.locator("g-captions[data-settled]")).to_be_attached()
        places = [page.evaluate(PLACES) for page in tabs]
        for target, new in (
            (CorrectionTarget("words", first, first=1, end=2), "bus"),
            (CorrectionTarget("words", first, first=1, end=2), "car"),
            (CorrectionTarget("speaker", speaker="1"), "Mme Élue"),
            (CorrectionTarget("translation", first, language="en"), "The bus left."),
            (CorrectionTarget("words", scene.segment, first=0, end=1), "Et ce"),
        ):
            scene.append(Corrected("Greffier", target, "", new))
        for page, before in zip(tabs, places, strict=True):
            expect(shown(page).first).to_have_text("Le car est parti, dit la voix.")
            expect(shown(page).nth(1)).to_have_text("The bus left.")
            expect(page.locator(".captions__who").first).to_have_text("Mme Élue")
            fixes = page.locator(".captions__fix")
            expect(fixes).to_have_text(["car", "The bus left.", "Et ce"])
            expect(fixes.first).to_have_attribute("title", "Corrigé ; reconnu : quarente")
            assert page.evaluate(PLACES) == before  # nothing else has moved
        scene.segment -= 1
        scene.say("Une phrase de plus.", speaker="1", en="One more.")
        for page in tabs:
            expect(shown(page).nth(4)).to_have_text("Et ce qui vient Une phrase de plus.")
            page.select_option("#view", "original")  # drawn anew, it is the same
            expect(page.locator(".captions__fix:visible")).to_have_text(["car", "Et ce"])
            assert "Greffier" not in page.locator("#captions").inner_text()
        spoken = tabs[0].locator("[role=log]")
        expect(spoken).to_have_text("Et ce qui vient Une phrase de plus.")
        scene.append(Corrected("x", CorrectionTarget("words", first, first=1, end=2), "", HOSTILE))
        late = guest.open(link)
        expect(shown(late).first).to_contain_text(f"Le {HOSTILE} est parti")
        assert late.evaluate("window.hit") is None


PLACES = """[...document.querySelectorAll('.captions__block')].map(
  (block) => block.getBoundingClientRect().top
)"""


def test_history_is_read_in_peace(browser: Browser, house: Stage) -> None:
    scene = house.open("")
    for turn in range(40):
        scene.say(f"Phrase {turn} assez longue pour prendre sa place à l’écran.")
    with visitor(browser, house.url, viewport={"width": 500, "height": 500}) as guest:
        page = guest.open(f"/watch/{scene.id}")
        expect(shown(page).last).to_contain_text("Phrase 39")
        expect(shown(page).last).to_be_in_viewport()
        scroller = page.locator(".captions__scroller")
        scroller.focus()
        page.keyboard.press("Home")
        expect(shown(page).first).to_be_in_viewport()
        scene.say("Une phrase de plus.")
        back = page.get_by_role("button", name="Revenir au direct")
        expect(back).to_contain_text("une nouvelle phrase")
        expect(shown(page).first).to_be_in_viewport()
        back.focus()
        page.keyboard.press("Enter")
        expect(shown(page).last).to_be_in_viewport()
        expect(back).to_be_hidden()


def test_two_hours_weigh_no_more_than_some_minutes(browser: Browser, house: Stage) -> None:
    """Far passages are put down as text, and are as they were when somebody comes back to them."""
    scene = house.open("", "en")
    speakers = ("Claire", "2")
    first = scene.say("Au début de tout.", speaker="Claire", en="At the very start.")
    scene.append(GapFound(1_000, 3_000, "client_lost_audio"))
    with visitor(browser, house.url, viewport={"width": 700, "height": 500}) as guest:
        page = guest.open(f"/watch/{scene.id}?view=both:en")
        for turn in range(260):
            scene.say(
                f"Phrase {turn} qui passe.", speaker=speakers[turn // 3 % 2], en=f"No {turn}."
            )
        expect(shown(page).last).to_contain_text("No 259")
        expect(page.locator(".captions__page--resting").first).to_contain_text("Au début de tout.")
        assert page.locator(".captions__block").count() < 200
        scene.append(
            Corrected("Élue", CorrectionTarget("words", first, first=1, end=2), "", "commencement")
        )
        resting = page.locator(".captions__page--resting").first
        expect(resting).to_contain_text("Au commencement de tout.")
        page.locator(".captions__scroller").focus()
        page.keyboard.press("Home")
        expect(shown(page).first).to_have_text("Au commencement de tout.")
        expect(shown(page).first).to_be_in_viewport()
        expect(page.locator(".captions__fix").first).to_have_text("commencement")
        expect(page.locator(".captions__notice--gap")).to_have_count(1)
        assert page.locator(".captions__who:visible").first.inner_text() == "Claire"
        place = page.evaluate(PLACE)
        scene.say("Une phrase de plus.", speaker="2", en="One more.")
        expect(page.get_by_role("button", name="Revenir au direct")).to_contain_text("nouvelle")
        assert page.evaluate(PLACE) == place
        page.get_by_role("button", name="Revenir au direct").click()
        expect(shown(page).last).to_have_text("One more.")
        expect(shown(page).last).to_be_in_viewport()


def test_each_sentence_is_read_out_once(browser: Browser, house: Stage) -> None:
    scene = told(house)
    with visitor(browser, house.url) as guest:
        page = guest.open(f"/watch/{scene.id}")
        log = page.locator("[role=log]")
        expect(shown(page).last).to_contain_text("Douze")
        expect(page.locator("g-captions[data-settled]")).to_be_attached()  # the history is over
        scene.say("Première. Deuxième qui n’est pas", close=False)
        expect(log).to_have_text("Première.")
        scene.tail(" encore")
        scene.say("Troisième.")
        expect(log.locator("p")).to_have_text(["Première.", "Troisième."])


def test_settings_by_keyboard_and_kept(browser: Browser, house: Stage) -> None:
    scene = told(house)
    with visitor(browser, house.url) as guest:
        page = guest.open(f"/watch/{scene.id}")
        opener = page.locator("#settings")
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#panel-close")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        size = page.evaluate(
            "getComputedStyle(document.querySelector('g-captions'))"
            ".getPropertyValue('--caption-size')"
        )
        page.keyboard.press("Escape")
        expect(page.locator("#panel")).to_be_hidden()
        expect(opener).to_be_focused()
        again = guest.open(f"/watch/{scene.id}")
        kept = again.evaluate(
            "getComputedStyle(document.querySelector('g-captions'))"
            ".getPropertyValue('--caption-size')"
        )
        assert kept == size
        home = guest.open("/")
        home.keyboard.press("Tab")
        expect(home.get_by_text("Aller au contenu")).to_be_focused()
        home.keyboard.press("Enter")
        expect(home.locator("main")).to_be_focused()


def test_an_overlay_is_nothing_but_words(browser: Browser, house: Stage) -> None:
    scene = told(house)
    with visitor(browser, house.url, color_scheme="dark") as guest:
        page = guest.open(f"/watch/{scene.id}?overlay=1&lines=2")
        expect(shown(page).last).to_be_in_viewport()
        grounds = page.evaluate(
            "['html', 'body', 'main', 'g-captions'].map((s) => "
            "getComputedStyle(document.querySelector(s)).backgroundColor)"
        )
        assert set(grounds) == {"rgba(0, 0, 0, 0)"}
        assert page.locator("button:visible, header:visible").count() == 0


def test_a_revoked_link_says_so(browser: Browser, house: Stage) -> None:
    scene = told(house)
    with visitor(browser, house.url) as speaker, visitor(browser, house.url) as guest:
        page = speaker.open(f"/watch/{scene.id}")
        page.click("#share")
        page.get_by_role("button", name="Créer un lien").click()
        made = page.get_by_label("Adresse du lien").input_value()
        expect(page.get_by_role("img", name="Code QR")).to_be_visible()
        assert violations(page) == []
        tab = guest.open(made.removeprefix(house.url))
        expect(shown(tab).last).to_contain_text("Douze")
        page.get_by_role("button", name="Révoquer").first.click()
        expect(tab.locator("#state")).to_contain_text("plus valable")
        expect(shown(tab).last).to_contain_text("Douze")


def test_signing_in(browser: Browser) -> None:
    token = "a-token-of-the-tests"
    tokens = (TenantToken(tenant="ministry", digest=hash_token(token)),)
    with stage(Settings(tokens=tokens)) as guarded:
        scene = guarded.open("Réservé", tenant="ministry")
        scene.say("Entre nous.")
        with visitor(browser, guarded.url) as guest:
            page = guest.open(f"/watch/{scene.id}")
            page.get_by_label("Jeton").fill("wrong-token-of-nobody")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("pas connu")
            page.get_by_label("Jeton").fill(token)
            page.keyboard.press("Enter")
            expect(shown(page).last).to_have_text("Entre nous.")
            assert "greffier_session" not in page.evaluate("document.cookie")
            assert token not in page.evaluate(
                "JSON.stringify({...localStorage, ...sessionStorage})"
            )
            home = guest.open("/")
            home.get_by_role("button", name="Se déconnecter").click()
            expect(home.get_by_label("Jeton")).to_be_visible()


def test_sound_is_resampled_cleanly(browser: Browser, house: Stage) -> None:
    with visitor(browser, house.url) as guest:
        page = guest.open("/sign-in")
        kept, stopped, length = page.evaluate(RESAMPLE)
    assert kept == pytest.approx(0.5, abs=0.01)
    assert stopped < 0.002  # 60 dB under what was put in
    assert length == pytest.approx(16_000, abs=64)


RESAMPLE = """async () => {
  const sheet = document.querySelector('link[rel=stylesheet]').href;
  const { Resampler } = await import(new URL('../js/audio/resampler.js', sheet).href);
  const run = (rate, hertz) => {
    const resampler = new Resampler(rate, 16000);
    const out = [];
    for (let at = 0; at < rate; at += 128) {
      const block = Float32Array.from({ length: 128 }, (_, i) =>
        0.5 * Math.sin(2 * Math.PI * hertz * (at + i) / rate));
      out.push(...resampler.push(block));
    }
    return out;
  };
  const peak = (samples) => Math.max(...samples.slice(400, -400).map(Math.abs));
  return [peak(run(44100, 1000)), peak(run(48000, 12000)), run(44100, 1000).length];
}"""


def shown(page: Page) -> Locator:
    """What the captions show."""
    return page.locator(".captions__block:not([hidden]) .captions__cell:not([hidden])")
