"""A recording's speech to the windows it is decoded in: stretches of speech, packed closely.

A decode costs nearly the same for two seconds of speech as for fourteen, so stretches are put into
one window until it is full, with no more than a bounded silence kept between two of them; a window
ends at the longest pause of its second half. Every frame of speech lies in exactly one window, and
what is said in a window can be told in the recording's own time again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from greffier_models.types import Word
from greffier_server.core.speech import SpeechSettings

__all__ = [
    "PackedWindow",
    "PackingSettings",
    "Span",
    "SpeechStretches",
    "Stretch",
    "WindowPacker",
]

_CUT_SHARE = 0.5
"""A window may end, and running speech be cut, from this share of its length on."""
_PAUSE_CAP_MS = 1_500
"""A pause longer than this is no better a place to end a window."""
_FULLNESS = 0.02
"""Milliseconds of pause that a millisecond more of speech in the window makes up for."""
_SMOOTHED_FRAMES = 3


@dataclass(frozen=True, slots=True)
class PackingSettings:
    """Bounds of a window, in milliseconds."""

    max_window_ms: int = 14_500
    """Longest window, at most 28,000: Whisper hears 30 s."""
    max_silence_ms: int = 1_000
    """Silence kept between two stretches of one window."""
    pad_ms: int = 300
    """Silence kept before the first stretch and behind the last."""
    max_extent_ms: int = 120_000
    """Recording that one window may reach over, which bounds the audio held in memory."""

    def __post_init__(self) -> None:
        """Refuse what no window can satisfy."""
        if not 2 * self.pad_ms + 1_000 <= self.max_window_ms <= 28_000:
            raise ValueError(
                "max_window_ms must hold both pads and a second, and be 28,000 at most"
            )
        if self.max_silence_ms < 0 or self.pad_ms < 0 or self.max_extent_ms < self.max_window_ms:
            raise ValueError("max_silence_ms, pad_ms and max_extent_ms are out of range")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the recording, on its own clock."""

    from_ms: int
    to_ms: int

    @property
    def duration_ms(self) -> int:
        """Length."""
        return self.to_ms - self.from_ms


@dataclass(frozen=True, slots=True)
class Stretch(Span):
    """Speech without a silent frame, or a part of it where it is longer than a window."""


@dataclass(frozen=True, slots=True)
class PackedWindow:
    """Spans of the recording that are decoded as one."""

    spans: tuple[Span, ...]
    stretches: tuple[Stretch, ...]
    """The speech in them."""
    language: str | None = None
    """The label its stretches were added with."""

    @property
    def from_ms(self) -> int:
        """Start on the recording's clock."""
        return self.spans[0].from_ms

    @property
    def to_ms(self) -> int:
        """End on the recording's clock."""
        return self.spans[-1].to_ms

    @property
    def duration_ms(self) -> int:
        """Length of the packed audio."""
        return sum(span.duration_ms for span in self.spans)

    def speech_ms(self, from_ms: int, to_ms: int) -> int:
        """Speech between two times of the recording."""
        return sum(
            max(0, min(to_ms, stretch.to_ms) - max(from_ms, stretch.from_ms))
            for stretch in self.stretches
        )

    def place(self, word: Word) -> Word:
        """A word on the window's clock (0 = its first sample) to the recording's clock.

        A word that reaches over a joint, where silence was left out, is given the side that has
        more of it. Order is kept: of two words the later one starts no earlier.
        """
        begin_ms = min(max(word.start_ms, 0), self.duration_ms)
        end_ms = min(max(word.end_ms, begin_ms), self.duration_ms)
        best = self.spans[0]
        most_ms, at = -1, 0
        for span in self.spans:
            shift, behind = span.from_ms - at, at + span.duration_ms
            begin, end = max(begin_ms, at), min(end_ms, behind)
            if end - begin > most_ms or (end == begin == at and most_ms == 0):
                best, most_ms = Span(begin + shift, end + shift), end - begin
            at = behind
        return replace(word, start_ms=best.from_ms, end_ms=best.to_ms)

    def halves(self, settings: PackingSettings) -> "tuple[PackedWindow, PackedWindow] | None":
        """Two windows, parted at the longest pause near the middle; None of a single stretch."""
        if len(self.stretches) < 2:
            return None
        whole = self.stretches[-1].to_ms - self.stretches[0].from_ms

        def worth(index: int) -> float:
            before, after = self.stretches[index - 1], self.stretches[index]
            off_centre = abs((before.to_ms + after.from_ms) / 2 - self.from_ms - whole / 2)
            return min(after.from_ms - before.to_ms, _PAUSE_CAP_MS) - off_centre * 0.2

        cut = max(range(1, len(self.stretches)), key=worth)
        before, after = self.stretches[cut - 1], self.stretches[cut]
        middle = (before.to_ms + after.from_ms) // 2
        first = _spans(self.stretches[:cut], self.from_ms, middle, settings)
        second = _spans(self.stretches[cut:], middle, self.to_ms, settings)
        return (
            PackedWindow(first, self.stretches[:cut], self.language),
            PackedWindow(second, self.stretches[cut:], self.language),
        )

    def parted(
        self, at_ms: int, settings: PackingSettings
    ) -> "tuple[PackedWindow, PackedWindow] | None":
        """Two windows, parted at a time though speech goes on there; None where one were empty."""
        before = [Stretch(s.from_ms, min(s.to_ms, at_ms)) for s in self.stretches]
        after = [Stretch(max(s.from_ms, at_ms), s.to_ms) for s in self.stretches]
        sides = [tuple(s for s in side if s.duration_ms > 0) for side in (before, after)]
        if not all(sides):
            return None
        first = _spans(sides[0], self.from_ms, at_ms, settings)
        second = _spans(sides[1], at_ms, self.to_ms, settings)
        return (
            PackedWindow(first, sides[0], self.language),
            PackedWindow(second, sides[1], self.language),
        )


class SpeechStretches:
    """Finds the stretches of speech in a stream of probabilities, one for each `frame_ms`.

    Args:
        frame_ms: length of a frame.
        speech: thresholds; bursts shorter than `min_speech_ms` are no speech.
        longest_ms: running speech is cut where this long, at its least probable frame.
        start_ms: of the first frame on the recording's clock.
    """

    def __init__(
        self,
        frame_ms: int,
        *,
        speech: SpeechSettings | None = None,
        longest_ms: int = 13_900,
        start_ms: int = 0,
    ) -> None:
        self._frame_ms = frame_ms
        self._speech = speech or SpeechSettings()
        self._longest = max(2, longest_ms // frame_ms)
        self._heard_ms = start_ms
        self._open: list[float] = []
        self._cut = False

    @property
    def undecided_from_ms(self) -> int:
        """Audio before this lies in no stretch still to come."""
        return self._heard_ms - len(self._open) * self._frame_ms

    def push(self, probabilities: Sequence[float]) -> list[Stretch]:
        """Take the next frames; return the stretches that ended."""
        found: list[Stretch] = []
        for probability in probabilities:
            if probability >= (self._speech.off if self._open else self._speech.on):
                self._open.append(probability)
                self._heard_ms += self._frame_ms
                if len(self._open) > self._longest:
                    found.append(self._part())
            else:
                found += self.finish()
                self._heard_ms += self._frame_ms
        return found

    def finish(self) -> list[Stretch]:
        """No more frames, or a silent one."""
        length_ms = len(self._open) * self._frame_ms
        whole = self._cut or length_ms >= self._speech.min_speech_ms
        stretch = Stretch(self.undecided_from_ms, self._heard_ms)
        self._open, self._cut = [], False
        return [stretch] if length_ms and whole else []

    def _part(self) -> Stretch:
        first = int(self._longest * _CUT_SHARE)
        at = min(range(max(1, first), self._longest + 1), key=lambda i: (self._level(i), -i))
        begin_ms = self.undecided_from_ms
        self._open, self._cut = self._open[at:], True
        return Stretch(begin_ms, begin_ms + at * self._frame_ms)

    def _level(self, index: int) -> float:
        """Probability of speech about a frame."""
        near = self._open[max(0, index - 1) : index + _SMOOTHED_FRAMES - 1]
        return sum(near) / len(near)


class WindowPacker:
    """Fills windows with stretches, in order.

    Args:
        settings: bounds.
        start_ms: where the recording begins on its clock.
    """

    def __init__(self, settings: PackingSettings | None = None, *, start_ms: int = 0) -> None:
        self._settings = settings or PackingSettings()
        self._stretches: list[Stretch] = []
        self._language: str | None = None
        self._free_from_ms = start_ms

    @property
    def settings(self) -> PackingSettings:
        """Bounds."""
        return self._settings

    @property
    def longest_ms(self) -> int:
        """The longest stretch that fits into a window."""
        return self._settings.max_window_ms - 2 * self._settings.pad_ms

    @property
    def keep_from_ms(self) -> int | None:
        """Windows still to come begin here or later; None when nothing waits."""
        if not self._stretches:
            return None
        return max(self._free_from_ms, self._stretches[0].from_ms - self._settings.pad_ms)

    def add(self, stretch: Stretch, language: str | None = None) -> list[PackedWindow]:
        """Take the next stretch; return the windows that are full.

        Args:
            stretch: `longest_ms` at most.
            language: a window holds stretches of one language.
        """
        full: list[PackedWindow] = []
        if self._stretches and language != self._language:
            full.append(self._close(len(self._stretches), stretch.from_ms))
        self._language = language
        while self._stretches and not self._fits(stretch):
            full.append(self._close(self._best_cut(stretch), stretch.from_ms))
        self._stretches.append(stretch)
        return full

    def finish(self, end_ms: int) -> list[PackedWindow]:
        """No more stretches before `end_ms`, or none that should share a window with these."""
        return [self._close(len(self._stretches), end_ms, last=True)] if self._stretches else []

    def _fits(self, stretch: Stretch) -> bool:
        extent_ms = stretch.to_ms - self._stretches[0].from_ms + 2 * self._settings.pad_ms
        length_ms = self._length_ms([*self._stretches, stretch])
        return (
            length_ms <= self._settings.max_window_ms and extent_ms <= self._settings.max_extent_ms
        )

    def _length_ms(self, stretches: Sequence[Stretch]) -> int:
        pauses = (after.from_ms - before.to_ms for before, after in pairwise(stretches))
        silence_ms = sum(min(pause, self._settings.max_silence_ms) for pause in pauses)
        speech_ms = sum(stretch.duration_ms for stretch in stretches)
        return speech_ms + silence_ms + 2 * self._settings.pad_ms

    def _best_cut(self, following: Stretch) -> int:
        """How many of the waiting stretches make the next window."""
        held = [*self._stretches, following]
        least_ms = int(self._settings.max_window_ms * _CUT_SHARE)
        best, worth = len(self._stretches), -1.0
        for count in range(1, len(self._stretches) + 1):
            length_ms = self._length_ms(held[:count])
            if length_ms < least_ms and count < len(self._stretches):
                continue
            pause = held[count].from_ms - held[count - 1].to_ms
            value = min(pause, _PAUSE_CAP_MS) + max(0, length_ms - least_ms) * _FULLNESS
            if value >= worth:
                best, worth = count, value
        return best

    def _close(self, count: int, next_ms: int, *, last: bool = False) -> PackedWindow:
        taken, self._stretches = self._stretches[:count], self._stretches[count:]
        following_ms = self._stretches[0].from_ms if self._stretches else next_ms
        room_ms = following_ms if last else (taken[-1].to_ms + following_ms + 1) // 2
        window = PackedWindow(
            _spans(taken, self._free_from_ms, room_ms, self._settings),
            tuple(taken),
            self._language,
        )
        self._free_from_ms = window.to_ms
        return window


def _spans(
    stretches: Sequence[Stretch], from_ms: int, to_ms: int, settings: PackingSettings
) -> tuple[Span, ...]:
    """What of the recording between two times goes into a window of these stretches."""
    begin = max(from_ms, stretches[0].from_ms - settings.pad_ms)
    half = settings.max_silence_ms // 2
    spans: list[Span] = []
    for before, after in pairwise(stretches):
        if after.from_ms - before.to_ms > settings.max_silence_ms:
            spans.append(Span(begin, before.to_ms + half))
            begin = after.from_ms - half
    return (
        *spans,
        Span(begin, max(stretches[-1].to_ms, min(to_ms, stretches[-1].to_ms + settings.pad_ms))),
    )
