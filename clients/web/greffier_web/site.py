"""The files of the pages in memory: composed in a language, named by a digest of their content.

A page is a layout around a fragment. In both, ``{{name}}`` stands for a text of the dictionary,
escaped, or for one of the values below; there are no conditions, loops or filters: what varies
more is a script's work.
"""

import gzip
import hashlib
import html
import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import cast

from greffier_web.pages import PAGES, Page

__all__ = ["LANGUAGES", "THEMES", "Asset", "Look", "Site"]

LANGUAGES = ("fr", "en")
THEMES = ("auto", "light", "dark", "contrast")

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mp3": "audio/mpeg",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
_SMALL = 512
"""Below so many bytes nothing is won by packing."""
_PLACE = re.compile(r"\{\{([a-z0-9_.-]+)\}\}")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    media_type: str
    packed: bytes | None = None
    """The same by gzip, where that is smaller."""
    digest: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What a visitor chose."""

    language: str = "fr"
    theme: str = "auto"
    signed_in: bool = False
    """There is a session cookie to give back."""


class Site:
    """Every page and asset; built once, then read only.

    Args:
        static: the folder of the files; the package's own when absent.
        pages: to serve.
    """

    def __init__(self, static: Traversable | None = None, pages: tuple[Page, ...] = PAGES) -> None:
        root = static or files("greffier_web") / "static"
        self.pages = pages
        raw = dict(_walk(root))
        self.dictionaries = {
            language: _dictionary(raw, f"i18n/{language}/") for language in LANGUAGES
        }
        self._templates = {
            name: body.decode() for name, body in raw.items() if name.endswith(".html")
        }
        sent = {
            name: body
            for name, body in raw.items()
            if not name.endswith(".html") and not name.startswith("i18n/")
        }
        for language, texts in self.dictionaries.items():
            written = json.dumps(texts, ensure_ascii=False, sort_keys=True)
            sent[f"i18n/{language}.json"] = written.encode()
        self._assets = {name: _asset(name, body) for name, body in sent.items()}
        whole = hashlib.sha256()
        for name in sorted(sent):
            whole.update(f"{name}\0{self._assets[name].digest}\0".encode())
        self.version = whole.hexdigest()[:16]
        """Changes with any asset: part of every address under ``/assets/``."""

    def asset(self, path: str) -> Asset | None:
        """Return the file at `path` (``js/core/live.js``); None where there is none."""
        return self._assets.get(path)

    @property
    def assets(self) -> tuple[str, ...]:
        """Paths of all of them."""
        return tuple(sorted(self._assets))

    def page(self, page: Page, look: Look) -> Asset:
        """Return the whole HTML of a page."""
        texts = self.dictionaries[look.language]
        values = {
            "assets": f"/assets/{self.version}",
            "page": page.name,
            "pages": " ".join(sorted({each.name for each in self.pages})),
            "language": look.language,
            "theme": look.theme,
            "title": texts[f"page.{page.name}.title"],
            "description": texts[f"page.{page.name}.description"],
        }
        markup = {
            "content": self._fill(f"pages/{page.name}.html", values, {}, texts),
            "menu": self._menu(page, texts),
            "preloads": self._preloads(page, look),
            "styles": self._styles(page),
            "sign-out": self._fill("sign-out.html", values, {}, texts) if look.signed_in else "",
        }
        body = self._fill(f"{page.layout}.html", values, markup, texts)
        return _asset("page.html", body.encode())

    def _fill(
        self, template: str, values: dict[str, str], markup: dict[str, str], texts: dict[str, str]
    ) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in markup:
                return markup[name]
            return html.escape(values[name] if name in values else texts[name])

        return _PLACE.sub(value, self._templates[template])

    def _menu(self, current: Page, texts: dict[str, str]) -> str:
        listed = sorted((page.menu, page) for page in self.pages if page.menu is not None)
        return "".join(
            f'<li><a href="{page.path}"'
            + (' aria-current="page"' if page.name == current.name else "")
            + f">{html.escape(texts[f'page.{page.name}.menu'])}</a></li>"
            for _, page in listed
        )

    def _styles(self, page: Page) -> str:
        path = f"css/pages/{page.name}.css"
        if path not in self._assets:
            return ""
        return f'<link rel="stylesheet" href="/assets/{self.version}/{path}">'

    def _preloads(self, page: Page, look: Look) -> str:
        scripts = "".join(
            f'<link rel="modulepreload" href="/assets/{self.version}/{path}">'
            for path in ("js/core/i18n.js", *page.preload)
        )
        if page.ahead:
            ahead = (
                f'<script type="module" async src="/assets/{self.version}/{page.ahead}"></script>'
            )
            scripts = ahead + scripts
        texts = f"/assets/{self.version}/i18n/{look.language}.json"
        return f'{scripts}<link rel="preload" as="fetch" crossorigin href="{texts}">'


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found.extend(_walk(entry, f"{name}/"))
        elif name.rpartition(".")[2] in {*_TYPES, "html"}:
            found.append((name, entry.read_bytes()))
    return found


def _dictionary(raw: dict[str, bytes], prefix: str) -> dict[str, str]:
    """Join the files of a language; a key in two of them is a mistake."""
    texts: dict[str, str] = {}
    for name in sorted(raw):
        if not name.startswith(prefix):
            continue
        part = cast("dict[str, str]", json.loads(raw[name]))
        twice = texts.keys() & part.keys()
        if twice:
            raise ValueError(f"{name}: {', '.join(sorted(twice))} is in another file too")
        texts.update(part)
    return texts


def _asset(name: str, body: bytes) -> Asset:
    kind = name.rpartition(".")[2]
    media_type = "text/html; charset=utf-8" if kind == "html" else _TYPES[kind]
    packed: bytes | None = None
    if len(body) >= _SMALL and kind != "mp3":
        packed = gzip.compress(body, compresslevel=6, mtime=0)
        if len(packed) >= len(body):
            packed = None
    return Asset(body, media_type, packed, hashlib.sha256(body).hexdigest()[:32])
