"""The pages there are; how one is made is told in the README beside this package."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["PAGES", "Page"]


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Its parts are found by its name: ``pages/<name>.html`` (what is in ``<main>``),
    ``css/pages/<name>.css``, ``js/pages/<name>.js``, and the texts ``page.<name>.title`` and
    ``page.<name>.description``.
    """

    name: str
    path: str
    """As Starlette writes it: ``/watch/{session}``."""
    access: Literal["signed-in", "anyone"] = "signed-in"
    layout: Literal["page", "stage"] = "page"
    """``page``: under the navigation; ``stage``: the whole window is its own."""
    menu: int | None = None
    """Place in the navigation; None = it is not there."""
    preload: tuple[str, ...] = ()
    """Further scripts to fetch at once, such as ``js/core/live.js``."""
    ahead: str = ""
    """A script without imports that runs as soon as it is there, before the page's own."""


PAGES: tuple[Page, ...] = (
    Page("home", "/", menu=10),
    Page("speak", "/speak", menu=20, preload=("js/core/api.js", "js/core/live.js")),
    Page(
        "watch",
        "/watch/{session}",
        layout="stage",
        preload=("js/core/live.js", "js/core/transcript.js"),
    ),
    Page(
        "watch",
        "/w/{link}",
        access="anyone",
        layout="stage",
        preload=("js/core/live.js", "js/core/transcript.js"),
    ),
    Page("sessions", "/sessions", menu=30, preload=("js/core/api.js",)),
    Page(
        "record",
        "/sessions/{session}",
        preload=(
            "js/core/api.js",
            "js/core/dom.js",
            "js/record/deck.js",
            "js/record/edits.js",
            "js/record/model.js",
            "js/record/player.js",
            "js/record/row.js",
            "js/record/side.js",
            "js/record/view.js",
        ),
        ahead="js/record/ahead.js",
    ),
    Page("radio", "/radio", menu=40, preload=("js/core/api.js",)),
    Page("sign-in", "/sign-in", access="anyone"),
)
