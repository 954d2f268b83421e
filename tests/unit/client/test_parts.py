"""Sessions that are parts of one recording."""

import pytest

from greffier.parts import Placement
from greffier.protocol import (
    Caption,
    CaptionWord,
    Error,
    Finished,
    Gap,
    Minutes,
    MinutesItem,
    ServerMessage,
    Speaker,
    Translation,
    Withheld,
)

pytestmark = pytest.mark.unit

WORD = CaptionWord(" oui", 10, 20, 0.5)


@pytest.mark.parametrize(
    ("message", "placed"),
    [
        (
            Caption(1, 2, 10, 20, " oui", "", (WORD,)),
            Caption(101, 52, 1_010, 1_020, " oui", "", (CaptionWord(" oui", 1_010, 1_020, 0.5),)),
        ),
        (Speaker(1, 2, "A"), Speaker(101, 52, "A")),
        (Translation(1, 2, "en", " yes"), Translation(101, 52, "en", " yes")),
        (Gap(1, 5, 6, "x"), Gap(101, 1_005, 1_006, "x")),
        (Withheld(1, 5, 6, "x"), Withheld(101, 1_005, 1_006, "x")),
        (
            Minutes(1, "fr", "t", actions=(MinutesItem("a", cites=(1, 2)),)),
            Minutes(101, "fr", "t", actions=(MinutesItem("a", cites=(51, 52)),)),
        ),
        (Finished(1, "finish"), Finished(101, "finish")),
        (Error("a", "b"), Error("a", "b")),
    ],
)
def test_everything_has_its_place(message: ServerMessage, placed: ServerMessage) -> None:
    assert Placement(ms=1_000, segments=50, seq=100).place(message) == placed
    assert Placement().place(message) is message
