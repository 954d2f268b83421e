"""The console, the record and the radio log in a real browser."""

import time
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, expect

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.events import (
    MinutesWritten,
    SegmentClosed,
    SegmentOpened,
    WordsCommitted,
)
from greffier_server.settings import Settings
from tests.support.archived import (
    House,
    Said,
    archive_house,
    council,
    session_events,
    tone,
    words,
)
from tests.support.browser import barriers, chromium, violations, visitor

pytestmark = pytest.mark.e2e

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>=1+1'
_NET = [
    Said(0, "CROSS Étel, ici Kermaria, contrôle radio."),
    Said(9_000, "Rien d'autre à signaler."),
]


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    with chromium("--autoplay-policy=no-user-gesture-required") as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House, None, None]:
    folder = tmp_path_factory.mktemp("archive")
    with archive_house(folder, Settings(alerts={"words": ("feu",)})) as running:  # type: ignore[arg-type]
        running.call(running.kit.keep("council", council(), audio=tone(60_000)))
        net = session_events(_NET, title="Canal 16")
        running.call(running.kit.keep("net", net, title="Canal 16", audio=tone(20_000)))
        yield running


def record(page: Page) -> Page:
    """Wait until the record is there; say who we are."""
    expect(page.locator("#record")).to_have_attribute("aria-busy", "false")
    page.evaluate("localStorage.setItem('greffier.author', 'Mme Élue')")
    return page


def position_s(page: Page) -> float:
    """Where the sound is, on the session's clock."""
    found = page.evaluate(
        "(() => { const a = document.querySelector('audio');"
        " return a.paused ? -1 : Number(a.dataset.fromMs) / 1000 + a.currentTime; })()"
    )
    return float(found)


def plays_at(page: Page, wanted_s: float) -> None:
    """It plays, and from there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and position_s(page) < 0:
        page.wait_for_timeout(50)
    assert wanted_s - 0.3 <= position_s(page) <= wanted_s + 4.0


def test_pages_are_for_everyone(browser: Browser, house: House) -> None:
    with visitor(browser, house.url, reduced_motion="reduce") as guest:
        for path in ("/sessions/council", "/sessions", "/sessions?q=voirie", "/radio?sessions=net"):
            page = guest.open(path)
            page.wait_for_timeout(300)
            if path.endswith("council"):
                record(page).select_option("#bar select", "en")
                page.locator("[data-act=edit]").first.click()
            assert barriers(page) == [], path
            page.close()


def test_a_correction_travels_to_who_else_reads(browser: Browser, house: House) -> None:
    house.call(house.kit.keep("travel", council()))
    with visitor(browser, house.url) as one, visitor(browser, house.url) as other:
        editor = record(one.open("/sessions/travel"))
        reader = record(other.open("/sessions/travel"))
        editor.locator("[data-piece]", has_text="quarente").dblclick()
        field = editor.get_by_role("textbox", name="Corriger le passage")
        field.fill(field.input_value().replace("quarente", "quarante"))
        field.press("Enter")
        for page in (editor, reader):
            corrected = page.locator(".word--corrected")
            expect(corrected).to_have_text("quarante")
            expect(corrected).to_have_attribute("title", "Reconnu : quarente")
            expect(page.locator("#changes")).to_contain_text("Mme Élue")
        # A speaker is named once for all, a translation and a sentence of minutes corrected.
        reader.locator("#people button", has_text="Voix 2").click()
        reader.get_by_label("Nom", exact=True).fill("M. Adjoint")
        reader.get_by_role("button", name="Enregistrer").click()
        expect(editor.locator(".segment__speaker", has_text="M. Adjoint")).to_have_count(2)
        reader.get_by_role("button", name="Rejeter").nth(1).click()
        expect(editor.locator(".minutes__item--rejected")).to_have_count(1)
        assert (
            editor.evaluate(
                "fetch('/v1/sessions/travel/captions?format=txt').then(a => a.text())"
            ).count("quarante")
            == 1
        )


def test_who_writes_over_a_newer_text_is_told(browser: Browser, house: House) -> None:
    house.call(house.kit.keep("clash", council()))
    with visitor(browser, house.url) as one, visitor(browser, house.url) as other:
        first, second = record(one.open("/sessions/clash")), record(other.open("/sessions/clash"))
        for page in (first, second):
            page.locator("[data-piece]", has_text="quarente").dblclick()
            field = page.get_by_role("textbox", name="Corriger le passage")
            field.fill(field.input_value().replace("quarente", "cinquante"))
        field = second.get_by_role("textbox", name="Corriger le passage")
        field.fill(field.input_value().replace("cinquante", "quarante"))
        field.press("Enter")
        expect(first.locator("#changes")).to_contain_text("quarante")
        field = first.get_by_role("textbox", name="Corriger le passage")
        field.press("Enter")
        expect(first.locator(".segment .notice")).to_contain_text("quarante mille")
        expect(second.locator(".word--corrected")).to_have_text("quarante")
        field.press("Enter")  # knowing it, the first insists
        expect(second.locator(".word--corrected")).to_have_text("cinquante")


def test_terms_versions_and_documents(browser: Browser, house: House) -> None:
    anew = Minutes(0, "fr", "Relu", decisions=(MinutesItem("Un devis est demandé.", (4,), True),))
    house.call(house.kit.keep("works", [*council(), MinutesWritten(anew)]))
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/works"))
        # Earlier minutes can be read and heard; the newest are worked on.
        page.get_by_role("button", name="Rejeter").click()
        expect(page.locator(".minutes__item--rejected")).to_have_count(1)
        page.get_by_label("Version du compte rendu").select_option("1")
        expect(page.locator("#minutes")).to_contain_text("Le vote aura lieu demain.")
        expect(page.get_by_role("button", name="Rejeter")).to_have_count(0)
        page.get_by_label("Version du compte rendu").select_option("2")
        expect(page.locator(".minutes__item--rejected")).to_contain_text("Un devis est demandé.")
        # What was put in the place of a misheard name goes into the glossary, and is kept there.
        page.locator("[data-piece]", has_text="Dupond").dblclick()
        field = page.get_by_role("textbox", name="Corriger le passage")
        field.fill(field.input_value().replace("Dupond", "<b>Dupont"))
        field.press("Enter")
        expect(page.locator("#proposals")).to_contain_text("<b>Dupont")
        expect(page.locator("#proposals")).to_contain_text("(reconnu : Dupond)")
        kept = "fetch('/v1/glossary').then((a) => a.json()).then((g) => g.terms)"
        put = {
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": '[{"term": "<b>dupont", "language": "fr", "translations": {"en": "Dupont"}}]',
        }
        assert (
            page.evaluate("(put) => fetch('/v1/glossary', put).then((a) => a.status)", put) == 200
        )
        page.get_by_role("button", name="Ajouter au glossaire : <b>Dupont").click()
        expect(page.locator("#proposals")).to_be_hidden()
        (term,) = page.evaluate(kept)
        assert term["pronunciation"] == ["Dupond"]
        assert term["translations"] == {"en": "Dupont"}
        # Documents of every kind, and captions, with the keyboard alone.
        page.get_by_text("Exporter", exact=True).focus()
        page.keyboard.press("Enter")
        assert violations(page) == []
        page.get_by_label("Nature").select_option("main-courante")
        page.get_by_label("Format").select_option("csv")
        with page.expect_download() as got:
            page.get_by_role("link", name="Télécharger").click()
        assert "Dupont" in got.value.path().read_text(encoding="utf-8-sig")
        page.get_by_label("Nature").select_option("proces-verbal")
        links = page.locator(".exports a").evaluate_all("all => all.map((a) => a.href)")
        assert len(links) == 15
        status = "(all) => Promise.all(all.map((one) => fetch(one).then((a) => a.status)))"
        assert set(page.evaluate(status, links)) == {200}
        page.keyboard.press("Escape")
        expect(page.get_by_text("Exporter", exact=True)).to_be_focused()
        expect(page.locator(".exports")).to_be_hidden()


def test_citations_and_words_play_their_second(browser: Browser, house: House) -> None:
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/council"))
        page.get_by_role("button", name="Écouter la source à 0:40").click()
        plays_at(page, 40.0)
        expect(page.locator(".segment--playing")).to_contain_text("Madame")
        page.locator("[data-piece]", has_text="voirie").click()
        page.wait_for_function("document.querySelector('audio').currentTime < 30")
        plays_at(page, 9.2)
        page.locator("#segments").focus()
        page.keyboard.press("Escape")
        # The rest by keyboard: to a passage, hear it, stop.
        row = page.locator(".segment[tabindex='0']")
        row.focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('audio').currentTime > 19.5")
        plays_at(page, 20.0)
        page.keyboard.press(" ")
        expect(page.get_by_role("button", name="Lire", exact=True)).to_be_visible()
        assert position_s(page) == -1
        page.keyboard.press("e")
        expect(page.get_by_role("textbox", name="Corriger le passage de 0:20")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator(".segment:focus")).to_contain_text("Je propose")


def test_what_is_doubtful_is_reviewed_with_its_sound(browser: Browser, house: House) -> None:
    """Uncertain words and withheld passages, one after the other, by button and by key."""
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/council"))
        page.get_by_role("button", name="3 endroits à vérifier").click()
        expect(page.locator(".segment:focus")).to_contain_text("quarente")
        plays_at(page, 10.1)
        page.keyboard.press("d")
        withheld = page.locator(".aside--withheld:focus")
        expect(withheld).to_contain_text("Sous-titrage de la chaîne")
        page.wait_for_function("document.querySelector('audio').currentTime > 13.5")
        plays_at(page, 14.0)
        page.keyboard.press("d")
        expect(page.locator(".segment:focus")).to_contain_text("Dupond")
        expect(page.locator("#status")).to_contain_text("3 sur 3")
        page.keyboard.press("Shift+D")
        expect(withheld).to_be_focused()
        withheld.get_by_role("button", name="Écouter à 0:14").click()
        plays_at(page, 14.0)


def test_the_keys_are_listed_and_documents_chosen(browser: Browser, house: House) -> None:
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/council"))
        page.locator(".segment").first.focus()
        page.keyboard.press("?")
        listed = page.get_by_role("dialog", name="Au clavier")
        expect(listed).to_contain_text("Écouter l’endroit peu sûr suivant")
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(listed).to_have_count(0)
        page.get_by_text("Exporter", exact=True).click()
        page.get_by_label("Nature").select_option("transcript")
        page.get_by_label("Langue", exact=True).select_option("en")
        page.get_by_label("Format").select_option("md")
        page.get_by_label("Mention sur chaque page").fill("DIFFUSION RESTREINTE")
        with page.expect_download() as got:
            page.get_by_role("link", name="Télécharger").click()
        text = got.value.path().read_text(encoding="utf-8")
        assert "Hello everyone, we are open." in text
        assert "DIFFUSION RESTREINTE" in text
        page.get_by_label("Nature").select_option("compte-rendu")
        expect(page.get_by_label("Langue", exact=True)).to_have_value("fr")
        page.get_by_label("Avec les passages").check()
        with page.expect_download() as got:
            page.get_by_role("link", name="Télécharger").click()
        assert "Bonjour à tous" in got.value.path().read_text(encoding="utf-8")


def test_whatever_was_said_stays_text(browser: Browser, house: House) -> None:
    hostile = session_events([Said(0, HOSTILE, HOSTILE, HOSTILE)], title=HOSTILE)
    house.call(house.kit.keep("hostile", hostile, title=HOSTILE))
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/hostile"))
        expect(page.locator("#title")).to_have_text(HOSTILE)
        page.select_option("#bar select", "en")
        expect(page.locator("[data-translation]")).to_have_text(HOSTILE)
        assert page.locator(".segment__words").inner_text() == HOSTILE
        console = guest.open("/sessions?q=onerror")
        expect(console.locator(".hit__text").first).to_contain_text("<img src=x")
        expect(console.locator("mark").first).to_have_text("onerror")
        radio = guest.open("/radio?sessions=hostile,%3Cb%3E".replace(",%3Cb%3E", ""))
        expect(radio.locator(".log__message")).to_have_text(HOSTILE)
        for shown in (page, console, radio):
            assert shown.evaluate("window.hit") is None
            assert shown.locator("main img").count() == 0


def test_search_leads_to_the_passage(browser: Browser, house: House) -> None:
    with visitor(browser, house.url) as guest:
        page = guest.open("/sessions")
        expect(page.locator("tbody a", has_text="Conseil municipal").first).to_be_visible()
        page.get_by_label("Chercher dans tout ce qui s’est dit").fill("DEVIS entreprise")
        page.keyboard.press("Enter")
        hit = page.locator('.hit[data-session="council"] a').first
        expect(hit.locator("mark")).to_have_text(["devis", "entreprise"])
        hit.click()
        record(page)
        expect(page.locator(".segment[tabindex='0']")).to_contain_text("Madame")
        page.go_back()
        expect(page.locator(".hit").first).to_be_visible()
        page.get_by_label("4 sur 5").check()
        page.get_by_role("button", name="Envoyer").click()
        expect(page.locator("#feedback")).to_contain_text("Merci")
        expect(page.locator("#usage")).to_contain_text("4")


def test_a_live_net_raises_its_alert_and_takes_the_action(browser: Browser, house: House) -> None:
    log = house.call(house.kit.live("sea", session_events([], title="Canal 10", finished=False)))
    with visitor(browser, house.url) as guest:
        page = guest.open("/radio?sessions=net,sea")
        expect(page.locator("#log tr")).to_have_count(2)
        page.evaluate("localStorage.setItem('greffier.author', 'Opérateur')")
        page.get_by_role("button", name="Essayer le son").click()
        house.call(
            log.append(
                SegmentOpened(1, 3_000, "fr"),
                WordsCommitted(1, words("Mayday ici Kermaria, feu à bord", 3_000)),
                SegmentClosed(1, 3_000, 5_000),
            )
        )
        alarm = page.locator(".alarm")
        expect(alarm).to_contain_text("Détresse")
        expect(page.locator("#alerts")).to_have_attribute("data-rung", "true")
        assert violations(page) == []
        alarm.get_by_role("button", name="Pris en compte").click()
        expect(alarm).to_have_count(0)
        expect(page.locator(".log__acked")).to_have_text("Pris en compte : Opérateur")
        field = page.locator(".log__row--distress .log__action input")
        field.fill("SNSM alertée")
        field.press("Enter")
        page.get_by_label("Sans suite").check()
        expect(page.locator(".log__row--distress")).to_be_hidden()
        page.get_by_label("Alertes").check()
        expect(page.locator("#log tr:visible")).to_have_count(1)
        # What is taken away is what is shown, and so are the times.
        with page.expect_download() as got:
            page.get_by_role("link", name="PDF").click()
        assert got.value.path().read_bytes().startswith(b"%PDF-")
        csv = page.get_by_role("link", name="CSV").get_attribute("href") or ""
        rows = page.evaluate("(url) => fetch(url).then((answer) => answer.text())", csv)
        assert len(rows.splitlines()) == 2
        page.get_by_label("Au", exact=True).fill("2020-01-01T00:00")
        expect(page.locator("#log tr:visible")).to_have_count(0)
        page.get_by_label("Au", exact=True).fill("")
        page.get_by_role("button", name="Passer la veille").click()
        page.get_by_label("Relève par").fill("Bo")
        page.get_by_label("Consignes et situation").fill("Kermaria en feu")
        page.get_by_role("button", name="Consigner").click()
        expect(page.locator("#handovers")).to_contain_text("Opérateur → Bo")
        page.emulate_media(media="print")
        expect(page.locator("#tools")).to_be_hidden()
        expect(page.locator(".log__row--distress")).to_be_visible()
    events = [type(r.event).__name__ for r in house.call(house.kit.events("sea"))]
    assert events[-3:] == ["Corrected", "Corrected", "WatchHandedOver"]
    house.call(_ended(house))


async def _ended(house: House) -> None:
    house.kit.logs.pop(("default", "sea")).close()


def test_a_long_record_opens(browser: Browser, house: House) -> None:
    """The page of an hour: how fast four hours open is measured in benchmarks/record_page.py."""
    said = [Said(4_000 * n, f"Phrase {n} du long débat sur le budget.") for n in range(900)]
    house.call(house.kit.keep("long", session_events(said, duration_ms=3_600_000)))
    with visitor(browser, house.url) as guest:
        page = record(guest.open("/sessions/long?t=3500000"))
        expect(page.locator(".segment")).to_have_count(900)
        expect(page.locator(".segment[tabindex='0']")).to_be_in_viewport()
        # Far passages are lines of text: few elements, but they are found, and whole when reached.
        assert page.evaluate("document.querySelectorAll('*').length") < 4_000
        far = page.locator("[data-segment='450']")
        assert "segment--plain" in (far.get_attribute("class") or "")
        expect(far).to_have_text("Phrase 449 du long débat sur le budget.")
        far.scroll_into_view_if_needed()
        far.get_by_role("button", name="Corriger").click()
        field = far.get_by_role("textbox")
        field.fill("Phrase du long débat sur le budget.")
        field.press("Enter")
        expect(far.locator(".word--corrected")).to_have_count(1)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(page.locator(".segment--plain")).to_have_count(0)
