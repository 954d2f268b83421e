import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.palette import Palette, Span
from greffier.width import cell_width, clip, printable, wrap_cells

pytestmark = pytest.mark.unit

_TEXT = st.text(st.sampled_from("ab é漢字\u0301 .  "), max_size=60)


def test_wide_and_combining_characters_are_counted_as_shown() -> None:
    assert cell_width("漢字") == 4
    assert cell_width("e\u0301té") == 3


@given(_TEXT, st.integers(2, 12))
def test_wrapped_lines_fit_and_join_to_the_text(text: str, columns: int) -> None:
    lines = wrap_cells(text, columns)
    assert "".join(lines) == text
    assert all(cell_width(line.rstrip(" ")) <= columns for line in lines)


@given(_TEXT, st.integers(1, 12))
def test_clipped_text_fits(text: str, columns: int) -> None:
    clipped = clip(text, columns)
    assert cell_width(clipped) <= columns
    assert clipped == text or clipped.endswith("…")


@given(st.lists(_TEXT, max_size=4), st.integers(2, 12))
def test_styles_follow_their_text_over_line_ends(texts: list[str], columns: int) -> None:
    spans = [Span(text, str(number)) for number, text in enumerate(texts)]
    plain = Palette(enabled=False).wrap(spans, columns)
    assert "".join("".join(plain).split()) == "".join("".join(texts).split())


def test_control_characters_become_spaces() -> None:
    assert printable("a\x1b[1m\nb\u009b") == "a [1m b "
