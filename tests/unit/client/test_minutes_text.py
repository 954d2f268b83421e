import pytest

from greffier.messages import Messages
from greffier.minutes_text import minutes_lines, minutes_markdown, stamp
from greffier.palette import Palette
from greffier.protocol import Minutes, MinutesItem

pytestmark = pytest.mark.unit

MINUTES = Minutes(
    1,
    "fr",
    "Réunion <du> 3 mars",
    decisions=(MinutesItem("Le budget est *voté*.", (2,), verified=True),),
    actions=(MinutesItem("envoyer le plan", (1, 5), verified=False, who="Ana", due="lundi"),),
    annex=(MinutesItem("Coupure.", (), verified=False),),
)
STARTS = {1: 7_000, 2: 3_725_000}


def test_markdown_in_the_language_of_the_minutes() -> None:
    assert minutes_markdown(MINUTES, STARTS, say=Messages("en")) == (
        "# Réunion \\<du> 3 mars\n\n"
        "## Décisions\n\n- Le budget est \\*voté\\*. [1:02:05]\n\n"
        "## Actions\n\n"
        "- **Ana** – envoyer le plan (échéance : lundi) (non vérifié) [0:07] [#5]\n\n"
        "## Annexe\n\n- Coupure.\n"
    )


def test_lines_wrap_under_their_bullet() -> None:
    lines = minutes_lines(
        MINUTES, STARTS, palette=Palette(enabled=False), columns=30, say=Messages("en")
    )
    assert lines[:8] == [
        "Réunion <du> 3 mars",
        "─" * 30,
        "",
        "Décisions",
        "  • Le budget est *voté*.",
        "    [1:02:05]",
        "",
        "Actions",
    ]
    assert lines[-1] == "  • Coupure."


def test_other_languages_take_the_headings_of_the_interface() -> None:
    minutes = Minutes(1, "de", "", summary=(MinutesItem("Gut.", verified=True),))
    text = minutes_markdown(minutes, {}, say=Messages("fr"))
    assert text == "# Compte rendu\n\n## Résumé\n\n- Gut.\n"


def test_stamp() -> None:
    assert [stamp(0), stamp(59_999), stamp(3_600_000), stamp(-1)] == [
        "0:00",
        "0:59",
        "1:00:00",
        "0:00",
    ]
