"""A live session on a terminal, or as lines where there is none.

On a terminal, finished segments scroll away as ordinary text and only the live block is redrawn:
the open segment with its tail, translations still to come, and a status line. A redraw is one write
that begins at the first line that changed, inside a synchronised update where the terminal knows
them, so that nothing flickers.
"""

import shutil
from collections.abc import Callable
from typing import Protocol, TextIO

from greffier.backoff import Reconnection
from greffier.messages import Messages
from greffier.minutes_text import stamp
from greffier.palette import Palette, Span, is_terminal
from greffier.plain_view import PlainView, notices, shown_minutes
from greffier.protocol import Minutes, ServerMessage
from greffier.transcript import Segment, Transcript, TranslatedText
from greffier.width import cell_width, printable

__all__ = ["LiveView", "View", "open_view"]

_GUTTER = 9
"""Columns of the time or the language code, and the space behind it."""


class View(Protocol):
    """Shows a session as it goes."""

    transcript: Transcript

    def show(self, message: ServerMessage) -> None:
        """Take the next message."""
        ...

    def position(self, ms: int) -> None:
        """Tell how much of the recording has been played."""
        ...

    def finishing(self) -> None:
        """No more audio comes; the rest is being worked on."""
        ...

    def reconnecting(self, notice: Reconnection) -> None:
        """Tell the state of a lost connection."""
        ...

    def close(self) -> None:
        """Write what is left and give the terminal back."""
        ...


def open_view(stream: TextIO, *, languages: tuple[str, ...], say: Messages, hint: str = "") -> View:
    """Return the view that suits `stream`."""
    palette = Palette.for_stream(stream)
    if is_terminal(stream):
        return LiveView(stream, languages=languages, palette=palette, say=say, hint=hint)
    return PlainView(stream, palette=palette, say=say)


class LiveView:
    """The terminal view; `size` gives columns and rows at each redraw."""

    def __init__(
        self,
        stream: TextIO,
        *,
        languages: tuple[str, ...],
        palette: Palette,
        say: Messages,
        hint: str = "",
        size: Callable[[], tuple[int, int]] = shutil.get_terminal_size,
    ) -> None:
        self.transcript = Transcript()
        self._stream = stream
        self._languages = languages
        self._palette = palette
        self._say = say
        self._hint = hint
        self._size = size
        self._open: list[int] = []
        self._late: dict[int, set[str]] = {}
        self._speakers: dict[str, int] = {}
        self._drawn: list[str] = []
        self._position_ms = 0
        self._state = say("live.live")
        self._alarm = ""
        self._closed = False
        self._started = False

    def show(self, message: ServerMessage) -> None:
        """Take the next message and redraw."""
        number = getattr(message, "segment", None)
        is_new = number is not None and number not in self.transcript.segments
        self.transcript.add(message)
        if is_new and number in self.transcript.segments:
            self._open.append(number)
        permanent = self._late_lines(number)
        for span in notices(message, self._say):
            permanent += self._hang("", "", [span])
        if isinstance(message, Minutes):
            permanent += self._settle(everything=True)
            rule = shown_minutes(self.transcript, self._palette, self._say, columns=self._columns)
            permanent += ["", *rule]
        self._redraw(permanent)

    def position(self, ms: int) -> None:
        """Move the clock of the status line, at most once a second."""
        if ms // 1000 != self._position_ms // 1000:
            self._position_ms = ms
            self._redraw([])

    def finishing(self) -> None:
        """Change the status line."""
        self._state = self._say("live.finishing")
        self._hint = ""
        self._redraw([])

    def reconnecting(self, notice: Reconnection) -> None:
        """Show the attempt in the status line until the session goes on."""
        seconds = self._number(notice.delay_s)
        text = self._say("live.reconnecting", attempt=notice.attempt, seconds=seconds)
        self._alarm = "" if notice.resumed else text
        self._redraw([])

    def close(self) -> None:
        """Leave the whole text on the screen, without the status line."""
        if self._closed:
            return
        permanent = self._settle(everything=True)
        self._closed = True
        self._write(permanent, [])
        if self._started:
            self._stream.write("\x1b[?7h\x1b[?25h")
            self._stream.flush()

    @property
    def _columns(self) -> int:
        return max(self._size()[0], 20)

    def _redraw(self, permanent: list[str]) -> None:
        if self._closed:
            return
        if not self._started:
            self._started = True
            self._stream.write("\x1b[?25l\x1b[?7l")  # no cursor, no automatic line break
        permanent += self._settle()
        block = self._block()
        # What does not fit on the screen cannot be redrawn: let the oldest go as they are, and of
        # a segment that is still open show the end.
        rows = max(self._size()[1], 4) - 1
        while len(block) > rows and (closed := self._first_closed()) is not None:
            permanent += self._release(closed)
            block = self._block()
        block = block[-rows:]
        self._write(permanent, block)

    def _settle(self, *, everything: bool = False) -> list[str]:
        """Take the segments that nothing will be added to out of the live block, in order."""
        lines: list[str] = []
        for number in list(self._open):
            segment = self.transcript.segments[number]
            if not everything and not (segment.text or segment.tail or segment.closed):
                continue  # of what was seen nothing came; another speaker's words go on
            if not (everything or (segment.closed and not self._awaited(segment))):
                break
            lines += self._release(segment.id)
        return lines

    def _first_closed(self) -> int | None:
        return next((n for n in self._open if self.transcript.segments[n].closed), None)

    def _release(self, number: int) -> list[str]:
        segment = self.transcript.segments[number]
        self._open.remove(number)
        awaited = self._awaited(segment) if segment.text.strip() else set[str]()
        if awaited:
            self._late[number] = awaited
        return self._segment_lines(segment, hidden=awaited, tail=False)

    def _awaited(self, segment: Segment) -> set[str]:
        languages = {*self._languages, *self.transcript.languages} - {segment.language}
        done = {code for code, text in segment.translations.items() if text.closed}
        return (languages | set(segment.translations)) - done

    def _late_lines(self, number: int | None) -> list[str]:
        """Translations that became complete after their segment had left the live block."""
        lines: list[str] = []
        if number is None or number not in self._late:
            return lines
        segment = self.transcript.segments[number]
        for language in sorted(self._late[number]):
            translated = segment.translations.get(language)
            if translated is not None and translated.closed:
                self._late[number].discard(language)
                place = Span(f"[{stamp(segment.start_ms)}] ", Palette.TIME)
                lines += self._translation_lines(language, translated, [place])
        if not self._late[number]:
            del self._late[number]
        return lines

    def _block(self) -> list[str]:
        lines: list[str] = []
        for number in self._open:
            lines += self._segment_lines(self.transcript.segments[number])
        return [*lines, "", self._status_line()]

    def _segment_lines(
        self, segment: Segment, *, hidden: set[str] | None = None, tail: bool = True
    ) -> list[str]:
        text = printable(segment.text).lstrip()
        rest = printable(segment.tail) if tail else ""
        if not text:
            rest = rest.lstrip()
        if not text and not rest:
            return []
        if rest and not self._palette.enabled:
            rest += "…"
        spans = [Span(text), Span(rest, Palette.TAIL)]
        if segment.speaker:
            number = self._speakers.setdefault(segment.speaker, len(self._speakers))
            style = Palette.SPEAKERS[number % len(Palette.SPEAKERS)]
            spans = [Span(f"{printable(segment.speaker)}  ", style), *spans]
        lines = self._hang(stamp(segment.start_ms), Palette.TIME, spans)
        for language in sorted(segment.translations):
            if not hidden or language not in hidden:
                lines += self._translation_lines(language, segment.translations[language], [])
        return lines

    def _translation_lines(
        self, language: str, translated: TranslatedText, before: list[Span]
    ) -> list[str]:
        known = [*self._languages, *self.transcript.languages]
        style = Palette.TRANSLATIONS[known.index(language) % len(Palette.TRANSLATIONS)]
        text = printable(translated.text).lstrip()
        tail = printable(translated.tail)
        if not text:
            tail = tail.lstrip()
        if not text and not tail:
            return []
        spans = [*before, Span(text, style), Span(tail, f"2;3;{style}")]
        return self._hang(printable(language)[: _GUTTER - 2], f"1;{style}", spans)

    def _hang(self, label: str, style: str, spans: list[Span]) -> list[str]:
        gutter = f"{self._palette.paint(label.rjust(_GUTTER - 2), style)}  "
        wrapped = self._palette.wrap(spans, self._columns - _GUTTER - 1)
        return [(gutter if i == 0 else " " * _GUTTER) + line for i, line in enumerate(wrapped)]

    def _status_line(self) -> str:
        seconds = self.transcript.lag_ms / 1000
        lag_style = Palette.GOOD if seconds < 4 else Palette.WARNING
        left = [
            Span("   ● ", Palette.FAILURE),
            Span(self._state, Palette.HEADING),
            Span(f"  {stamp(max(self._position_ms, self.transcript.end_ms))}"),
        ]
        right = Span("")
        if self.transcript.segments:
            right = Span(self._say("live.lag", seconds=self._number(seconds)), lag_style)
        free = self._columns - 1 - cell_width("".join(span.text for span in [*left, right]))
        for span in self._details():  # most important first; what has no room is left out
            if free - cell_width(span.text) >= 2:
                left.append(span)
                free -= cell_width(span.text)
        return self._palette.line([*left, Span(" " * max(free, 2)), right])

    def _details(self) -> list[Span]:
        details: list[Span] = []
        if self._alarm:
            details.append(Span(f"  {self._alarm}", Palette.WARNING))
        if self.transcript.quality in ("longer-hops", "finals-only"):
            busy = self._say(f"live.{self.transcript.quality}")
            details.append(Span(f"  {busy}", Palette.WARNING))
        if self.transcript.language:
            shown = sorted({*self._languages, *self.transcript.languages})
            arrow = f" → {' '.join(shown)}" if shown else ""
            text = printable(f"  {self.transcript.language}{arrow}")
            details.append(Span(text, Palette.RULE))
        if self._hint and not self._alarm:
            details.append(Span(f"  {self._hint}", Palette.RULE))
        return details

    def _number(self, value: float) -> str:
        text = f"{value:.1f}"
        return text.replace(".", ",") if self._say.language == "fr" else text

    def _write(self, permanent: list[str], block: list[str]) -> None:
        drawn, self._drawn = self._drawn, block
        first = 0
        if not permanent:
            while first < min(len(drawn), len(block)) and drawn[first] == block[first]:
                first += 1
            if first == len(drawn) == len(block):
                return
        if not (drawn or block or permanent):
            return
        out: list[str] = []
        if drawn:
            first = min(first, len(drawn) - 1, max(len(block) - 1, 0))
            up = len(drawn) - 1 - first
            out.append(f"\r\x1b[{up}A" if up else "\r")
        out += [f"{line}\x1b[K\n" for line in permanent]
        out.append("\x1b[K\n".join(block[first:]))
        out.append("\x1b[K\x1b[J")
        self._stream.write(f"\x1b[?2026h{''.join(out)}\x1b[?2026l")
        self._stream.flush()
