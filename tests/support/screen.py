"""A terminal's screen, as far as Greffier steers one."""

import io
import re

_TOKEN = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|([^\x1b])", re.DOTALL)


class Screen(io.StringIO):
    """Keeps the lines that a terminal without an end would show, without styles."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.row = 0
        self.column = 0
        self.modes: dict[str, bool] = {}
        self.writes = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += 1
        end = 0
        for match in _TOKEN.finditer(text):
            assert match.start() == end, f"not understood: {text[end : end + 10]!r}"
            end = match.end()
            private, numbers, final, character = match.groups()
            if character is not None:
                self._put(character)
            elif private:
                self.modes[numbers] = final == "h"
            else:
                self._control(numbers, final)
        assert end == len(text)
        return len(text)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            self.column = 0
            if self.row == len(self.lines):
                self.lines.append("")
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _control(self, numbers: str, final: str) -> None:
        match final:
            case "A":
                self.row -= int(numbers or 1)
                assert self.row >= 0, "the cursor left the screen"
            case "K":
                self.lines[self.row] = self.lines[self.row][: self.column]
            case "J":
                self.lines[self.row] = self.lines[self.row][: self.column]
                del self.lines[self.row + 1 :]
            case "m":
                pass
            case _:
                raise AssertionError(f"not understood: {final}")
