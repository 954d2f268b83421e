"""A session as lines, for pipes and files; and the lines that both views have in common."""

from typing import TextIO

from greffier.backoff import Reconnection
from greffier.messages import Messages
from greffier.minutes_text import minutes_lines, stamp
from greffier.palette import Palette, Span
from greffier.protocol import Error, Finished, Gap, Minutes, ServerMessage, Withheld
from greffier.transcript import Segment, Transcript
from greffier.width import printable

__all__ = ["PlainView", "notices", "shown_minutes"]


class PlainView:
    """One line for each closed segment and translation; nothing is ever rewritten."""

    def __init__(self, stream: TextIO, *, palette: Palette, say: Messages) -> None:
        self.transcript = Transcript()
        self._stream = stream
        self._palette = palette
        self._say = say
        self._done: set[tuple[int, str]] = set()

    def show(self, message: ServerMessage) -> None:
        """Print what `message` completes."""
        self.transcript.add(message)
        segment = self.transcript.segments.get(getattr(message, "segment", -1))
        if segment is not None:
            self._show_segment(segment)
        for span in notices(message, self._say):
            self._print(self._palette.line([span]))
        if isinstance(message, Minutes):
            self._print("")
            for line in shown_minutes(self.transcript, self._palette, self._say, columns=100):
                self._print(line)
        if isinstance(message, Finished):
            self.close()

    def position(self, ms: int) -> None:
        """Say nothing: lines carry their times."""

    def finishing(self) -> None:
        """Say nothing."""

    def reconnecting(self, notice: Reconnection) -> None:
        """Say nothing: what matters of it arrives as a gap."""

    def close(self) -> None:
        """Print segments that were cut off before they closed."""
        for segment in self.transcript.segments.values():
            self._show_segment(segment, final=True)

    def _show_segment(self, segment: Segment, *, final: bool = False) -> None:
        if segment.closed or final:
            name = f"{printable(segment.speaker)}: " if segment.speaker else ""
            self._once(segment, "", segment.text, name)
        for language, translated in segment.translations.items():
            if translated.closed or final:
                self._once(segment, language, translated.text, f"{printable(language)}: ")

    def _once(self, segment: Segment, language: str, text: str, name: str) -> None:
        key = (segment.id, language)
        if text.strip() and key not in self._done:
            self._done.add(key)
            self._print(f"[{stamp(segment.start_ms)}] {name}{printable(text).strip()}")

    def _print(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def notices(message: ServerMessage, say: Messages) -> list[Span]:
    """Return the lines of a message that is neither caption nor translation."""
    match message:
        case Gap():
            text = _of(message.speaker) + say("live.gap", cause=printable(message.cause))
            place = f"{stamp(message.from_ms)}–{stamp(message.to_ms)}"
            return [Span(f"[{place}] ({text})", Palette.WARNING)]
        case Withheld():
            text = _of(message.speaker) + say("live.withheld", reason=printable(message.reason))
            place = f"{stamp(message.start_ms)}–{stamp(message.end_ms)}"
            return [Span(f"[{place}] ({text})", Palette.TIME)]
        case Error():
            return [Span(f"{say('error')}: {printable(message.message)}", Palette.FAILURE)]
        case _:
            return []


def _of(speaker: str | None) -> str:
    return f"{printable(speaker)}: " if speaker else ""


def shown_minutes(
    transcript: Transcript, palette: Palette, say: Messages, *, columns: int
) -> list[str]:
    """Return the lines of the session's minutes, none where it has none."""
    if transcript.minutes is None:
        return []
    starts_ms = {number: segment.start_ms for number, segment in transcript.segments.items()}
    return minutes_lines(
        transcript.minutes, starts_ms, palette=palette, columns=columns - 1, say=say
    )
