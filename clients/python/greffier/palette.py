"""Terminal styles, and whether to use them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TextIO

from greffier.width import wrap_cells

__all__ = ["Palette", "Span", "is_terminal"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line in one style (SGR parameters, empty = normal)."""

    text: str
    style: str = ""


class Palette:
    """SGR codes (ECMA-48), or nothing where colour is not wanted (https://no-color.org)."""

    TIME: Final = "2"
    TAIL: Final = "2;3"
    RULE: Final = "2"
    HEADING: Final = "1"
    CITE: Final = "2;36"
    WARNING: Final = "33"
    FAILURE: Final = "31"
    GOOD: Final = "32"
    TRANSLATIONS: Final = ("36", "35", "33", "34")
    SPEAKERS: Final = ("1;34", "1;35", "1;32", "1;33", "1;36", "1;31")

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    @classmethod
    def for_stream(cls, stream: TextIO, environment: Mapping[str, str] = os.environ) -> "Palette":
        """Return colours for a terminal whose user did not decline them."""
        return cls(enabled=is_terminal(stream, environment) and not environment.get("NO_COLOR"))

    def paint(self, text: str, style: str) -> str:
        """Return `text` in `style`."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.enabled and style and text else text

    def line(self, spans: list[Span]) -> str:
        """Return `spans` as one line."""
        return "".join(self.paint(span.text, span.style) for span in spans)

    def wrap(self, spans: list[Span], columns: int) -> list[str]:
        """Return `spans` broken into lines of at most `columns`, each with its own styles."""
        lines: list[str] = []
        rest = [span for span in spans if span.text]
        for plain in wrap_cells("".join(span.text for span in rest), columns):
            wanted = len(plain)
            line: list[Span] = []
            while wanted and rest:
                span = rest[0]
                line.append(Span(span.text[:wanted], span.style))
                if len(span.text) > wanted:
                    rest[0] = Span(span.text[wanted:], span.style)
                else:
                    rest.pop(0)
                wanted -= len(line[-1].text)
            if line:  # the space that the line was broken at is not shown
                line[-1] = Span(line[-1].text.rstrip(" "), line[-1].style)
            lines.append(self.line(line))
        return lines


def is_terminal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` is a terminal that understands cursor movements."""
    return stream.isatty() and environment.get("TERM") != "dumb"
