"""Chromium for tests of the pages: one for a module, and what every page in it must keep to."""

import json
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

__all__ = [
    "Shifts",
    "Visitor",
    "barriers",
    "chromium",
    "chromium_path",
    "shifts",
    "unmarked",
    "violations",
    "visitor",
    "watch_shifts",
]

_AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_TIMEOUT_MS = 30_000


class ChromiumMissing(RuntimeError):
    """The machine has no Chromium."""


def chromium_path() -> str:
    """The browser of the machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    raise ChromiumMissing("these tests need a real browser: apt-get install chromium")


@contextmanager
def chromium(*arguments: str, microphone: Path | None = None) -> Generator[Browser, None, None]:
    """Run a headless browser until the block ends.

    Args:
        *arguments: further ones of its command line.
        microphone: a WAV file that its microphone hears once.
    """
    options = ["--no-sandbox", *arguments]
    expect.set_options(timeout=_TIMEOUT_MS)
    if microphone is not None:
        options += [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=options)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visitor:
    """Somebody with a browser profile of their own; what went wrong in it is kept."""

    context: BrowserContext
    base: str
    problems: list[str] = field(default_factory=list[str])
    pages: list[Page] = field(default_factory=list[Page])

    def open(self, path: str) -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.set_default_timeout(_TIMEOUT_MS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        self.pages.append(page)
        page.goto(self.base + path)
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.problems.append(f"a request to {url}")


@contextmanager
def visitor(
    browser: Browser, base: str, *, forgive: Sequence[str] = (), **options: Any
) -> Generator[Visitor, None, None]:
    """Give a visitor; at the end, scripts, policy and network have had nothing to complain of.

    Args:
        browser: theirs.
        base: address of the server.
        forgive: parts of complaints that the test provokes.
        **options: of the browser's context.
    """
    given: dict[str, Any] = {"locale": "fr-FR", **options}
    context = browser.new_context(**given)
    guest = Visitor(context, base)
    try:
        yield guest
        wrong = [text for text in guest.problems if not any(part in text for part in forgive)]
        assert wrong == [], wrong
    finally:
        context.close()


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its best practices, one line each.

    Args:
        page: as it is now.
        *rules: only these.
    """
    if not page.evaluate("'axe' in window"):
        script = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
        page.evaluate(script)
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _AXE_TAGS}
    options = json.dumps({"runOnly": only})
    found = cast("dict[str, Any]", page.evaluate(f"axe.run(document, {options})"))
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def barriers(page: Page) -> list[str]:
    """What keeps somebody out of the page as it is now; it is left narrow, in forced colours.

    All rules once, contrast in each theme, and 200 % and 400 % of a window of 1280 pixels, which
    then has 640 or 320 of them (WCAG 1.4.4, 1.4.10).
    """
    found = violations(page)
    for theme in ("light", "dark", "contrast"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        found += [f"{theme}: {one}" for one in violations(page, "color-contrast")]
    for width in (640, 320):
        page.set_viewport_size({"width": width, "height": 512})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"scrolls sideways at {width} pixels: {page.evaluate(_WIDE)}")
    page.emulate_media(forced_colors="active")
    return found + [f"forced colours: {one}" for one in unmarked(page)]


_WIDE = """[...document.querySelectorAll('main *')]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => `${one.tagName}.${one.className}`).slice(0, 5)"""


@dataclass(frozen=True, slots=True)
class Shifts:
    """Layout shifts as Chromium counts them (Layout Instability API): scrolling is none."""

    committed: float
    """Where committed captions in view have moved, or what has moved is not known any more."""
    rest: float
    """The tail, and the page around the captions."""
    moved: list[str]
    """What moved among committed text, with its place before and after."""


def watch_shifts(page: Page) -> None:
    """Count the layout shifts of a page, from its beginning."""
    page.evaluate(_WATCH_SHIFTS)


def shifts(page: Page) -> Shifts:
    """Those so far, after `watch_shifts`."""
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
    return Shifts(**cast("dict[str, Any]", page.evaluate("window.countedShifts()")))


_WATCH_SHIFTS = """() => {
  const all = { committed: 0, rest: 0, moved: [] };
  const isText = ({ node }) => {
    const element = node instanceof Element ? node : node?.parentElement;
    if (!element) return true;
    return element.closest('.captions__list') && !element.closest('.captions__tail');
  };
  const place = ({ x, y, width, height }) => [x, y, width, height].map(Math.round).join(' ');
  const count = (entries) => {
    for (const { value, sources } of entries) {
      const texts = sources.filter(isText);
      all[texts.length ? 'committed' : 'rest'] += value;
      for (const { node, previousRect, currentRect } of texts) {
        const name = node?.className ?? node?.nodeName;
        all.moved.push(`${name}: ${place(previousRect)} to ${place(currentRect)}`);
      }
    }
  };
  const watch = new PerformanceObserver((list) => count(list.getEntries()));
  watch.observe({ type: 'layout-shift', buffered: true });
  window.countedShifts = () => {
    count(watch.takeRecords());
    return all;
  };
}"""


def unmarked(page: Page) -> list[str]:
    """Controls that cannot be told from the page where the system forces its colours."""
    return cast("list[str]", page.evaluate(_UNMARKED))


_UNMARKED = """[...document.querySelectorAll('button, input, select, textarea, a.button')]
  .filter((one) => one.checkVisibility({ opacityProperty: true }))
  .filter((one) => {
    const { color, backgroundColor, borderStyle } = getComputedStyle(one);
    return color === backgroundColor || (one.matches('.button') && borderStyle === 'none');
  })
  .map((one) => one.outerHTML.slice(0, 120))"""
