"""The files of the pages fit together: texts, templates, scripts, and what the policy forbids."""

import re
from pathlib import Path

import pytest

from greffier_web import PAGES, Look, Page, Site
from greffier_web.site import LANGUAGES, THEMES

pytestmark = pytest.mark.unit

STATIC = Path(__file__).parents[3] / "clients" / "web" / "greffier_web" / "static"
SCRIPTS = sorted(STATIC.glob("js/**/*.js"))
KEY = re.compile(r"""\bt\(\s*["']([a-z0-9_.-]+)["']""")
IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""")


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


def test_every_language_has_every_text(site: Site) -> None:
    first, *others = (site.dictionaries[language].keys() for language in LANGUAGES)
    for other in others:
        assert first ^ other == set()


def test_no_text_is_empty_and_places_agree(site: Site) -> None:
    for key, text in site.dictionaries["fr"].items():
        places = [
            set(re.findall(r"\{(\w+)\}", site.dictionaries[language][key]))
            for language in LANGUAGES
        ]
        assert text.strip(), key
        assert all(found == places[0] for found in places), key


def test_scripts_ask_for_texts_that_there_are(site: Site) -> None:
    asked = {(path.name, key) for path in SCRIPTS for key in KEY.findall(path.read_text())}
    missing = {(name, key) for name, key in asked if key not in site.dictionaries["fr"]}
    assert asked
    assert missing == set()


def test_scripts_import_what_there_is() -> None:
    for path in SCRIPTS:
        for name in IMPORT.findall(path.read_text()):
            target = (path.parent / name).resolve()
            assert target.is_file() or target.with_suffix(".d.ts").is_file(), f"{path}: {name}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_pages_hold_nothing_that_the_policy_forbids(site: Site, page: Page, language: str) -> None:
    markup = site.page(page, Look(language=language, signed_in=True)).body.decode()
    assert "{{" not in markup
    assert f'<html lang="{language}"' in markup
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style", markup)
    for address in re.findall(r'(?:href|src)="([^"]+)"', markup):
        assert address.startswith(("/", "#")), address
        asset = re.fullmatch(r"/assets/[0-9a-f]{16}/(.+)", address)
        assert asset is None or site.asset(asset[1]) is not None, address


def test_themes_have_styles() -> None:
    tokens = (STATIC / "css" / "tokens.css").read_text()
    for theme in THEMES:
        assert f'data-theme="{theme}"' in tokens or theme == "light"


def test_no_script_writes_markup() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    )
    for path in SCRIPTS:
        assert not forbidden.search(path.read_text()), path


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    for language in LANGUAGES:
        (tmp_path / "i18n" / language).mkdir(parents=True)
        (tmp_path / "i18n" / language / "a.json").write_text('{"a": "b"}')
    (tmp_path / "x.css").write_text("p {}")
    first = Site(tmp_path, ()).version
    assert Site(tmp_path, ()).version == first
    (tmp_path / "x.css").write_text("p { color: red }")
    assert Site(tmp_path, ()).version != first


def test_a_key_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "i18n" / "fr").mkdir(parents=True, exist_ok=True)
        (tmp_path / "i18n" / "fr" / f"{name}.json").write_text('{"same": "text"}')
    with pytest.raises(ValueError, match="same"):
        Site(tmp_path, ())
