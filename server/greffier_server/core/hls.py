"""A session's captions as a row of WebVTT segments that never change once they are listed (HLS).

Everything is decided by the event log alone, never by a clock: whoever folds the same log, at
whatever time and on whatever server, gets the same segments with the same bytes. A segment is
closed when so much more audio has been worked on that hardly anything can still be added to it;
what comes later all the same is shown at the start of the first segment that is open.

RFC 8216 §3.5 (WebVTT segments), §4.3.3 (media playlists).
"""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from greffier.losses import JOINED_MS, joined
from greffier_models.types import Word
from greffier_server.core.cues import MAX_MS, MIN_MS, Cue, cut, pieces_of, spread
from greffier_server.core.events import (
    AudioAnchored,
    GapFound,
    InputEnded,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SilencePassed,
    SpeakerRevised,
    TextWithheld,
    WordsCommitted,
)

__all__ = ["MPEG_HZ", "SPEECH", "TARGET_MS", "Reel"]

SPEECH: Final = "speech"
"""The track of what is said, in whatever language."""
TARGET_MS: Final = 6_000
"""Length of each segment but the last."""
MPEG_HZ: Final = 90_000
_HOLD_MS: Final = 8_000
"""Of recognised audio beyond a segment's end: words are committed within it."""
_TRANSLATION_HOLD_MS: Final = 20_000
_STRETCH_MS: Final = 5_000
"""Gaps of one cause that go on and on are told of once in so much audio."""
_SILENT_HOLD_MS: Final = 20_000
"""Of audio beyond that, where nothing is recognised: nobody speaks, or recognition lags."""


@dataclass(slots=True)
class _Open:
    """A segment of speech that is not cut to its end yet."""

    language: str
    start_ms: int
    speaker: str | None
    channel: int
    words: list[Word]
    end_ms: int = 0


class Reel:
    """Folds a log into segments for one track.

    Args:
        track: `SPEECH`, or a language: what is said in it, and what is translated into it.
    """

    def __init__(self, track: str) -> None:
        self._track = track
        self._closed: list[tuple[Cue, ...]] = []
        self._ahead: defaultdict[int, list[Cue]] = defaultdict(list)
        self._open: dict[int, _Open] = {}
        self._clock: dict[int, int] = {}
        self._lost: defaultdict[tuple[str, int], list[tuple[int, int, str, int]]]
        self._lost = defaultdict(list)
        self._recognised_ms = 0
        self._received_ms = 0
        self._duration_ms: int | None = None
        self._begun_at_ms = 0
        self._last_ms = TARGET_MS
        self._ended = False
        self.languages: set[str] = set()
        self.seq = 0

    @property
    def count(self) -> int:
        """Segments that are closed."""
        return len(self._closed)

    @property
    def ended(self) -> bool:
        """There will be no more of them."""
        return self._ended

    def take(self, record: Recorded) -> None:
        """Take the next record of the log; volatile ones change nothing."""
        if not record.event.durable or self._ended:
            return
        self.seq = record.seq
        self._fold(record)
        self._tell_losses()
        self._close_up()

    def playlist(self, *, window: int, query: str = "") -> str:
        """Return the media playlist.

        Args:
            window: segments at the end that are listed; 0 = all, from the first one.
            query: appended to each segment's address.
        """
        first = max(0, self.count - window) if window else 0
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{TARGET_MS // 1000}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        if not window:
            lines.append("#EXT-X-PLAYLIST-TYPE:EVENT")
        for number in range(first, self.count):
            if number == first:
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{self._date(number)}")
            last = self._ended and number == self.count - 1
            length_ms = self._last_ms if last else TARGET_MS
            lines += [f"#EXTINF:{length_ms / 1000:.3f},", f"{number}.vtt{query}"]
        if self._ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"

    def segment(self, number: int, *, mpegts: int = 0) -> str | None:
        """Return a closed segment as WebVTT; None where there is none, or none yet.

        Args:
            number: from 0.
            mpegts: where the session's time 0 is on the 90 kHz clock of the video beside it.
        """
        if not 0 <= number < self.count:
            return None
        blocks = [f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{mpegts},LOCAL:00:00:00.000\n"]
        for cue in self._closed[number]:
            speaker = _escaped(" ".join((cue.speaker or "").split()))
            voice = f"<v {speaker}>" if speaker else ""
            text = "\n".join(_escaped(line) for line in cue.lines)
            blocks.append(f"{_time(cue.start_ms)} --> {_time(cue.end_ms)}\n{voice}{text}\n")
        return "\n".join(blocks)

    def _fold(self, record: Recorded) -> None:
        self._received_ms = max(self._received_ms, record.audio_to_ms)
        match record.event:
            case SessionStarted():
                self._begun_at_ms = record.at_ms
            case SegmentOpened() as event:
                self.languages.add(event.language)
                self._open[event.segment] = _Open(
                    event.language, event.start_ms, event.speaker, event.channel, []
                )
            case WordsCommitted(segment=segment, words=words) if words:
                self._said(segment, words)
                self._recognise(words[-1].end_ms)
            case SegmentClosed() as event:
                self._finish_segment(event)
                self._recognise(event.end_ms)
            case SpeakerRevised(segment=segment, speaker=speaker) if segment in self._open:
                self._open[segment].speaker = speaker
            case SegmentTranslated() as event if event.language == self._track:
                self._translated(event)
            case SilencePassed(to_ms=to_ms) | TextWithheld(end_ms=to_ms):
                self._recognise(to_ms)
            case GapFound(from_ms=from_ms, to_ms=to_ms, cause=cause, channel=channel):
                self._lost[cause, channel].append((from_ms, to_ms, cause, channel))
            case InputEnded(duration_ms=duration_ms):
                self._duration_ms = duration_ms
            case RecognitionFinished() if self._track == SPEECH:
                self._end()
            case SessionFinished():
                self._end()
            case AudioAnchored() | _:
                pass

    def _tell_losses(self, *, every: bool = False) -> None:
        """Show the gaps that no other one will join, and those that make a long stretch by now."""
        reached_ms = max(self._recognised_ms, self._received_ms)
        for key, gaps in list(self._lost.items()):
            from_ms, to_ms = min(gap[0] for gap in gaps), max(gap[1] for gap in gaps)
            going_on = reached_ms - to_ms <= JOINED_MS and to_ms - from_ms < _STRETCH_MS
            if going_on and not every:
                continue
            del self._lost[key]
            for loss in joined(gaps):
                # Words were said in between: they are not to wait until all of it is shown.
                longest_ms = MAX_MS if loss.whole else 2 * MIN_MS
                until_ms = min(loss.to_ms, loss.from_ms + longest_ms)
                self._show(cut(spread(loss.text, loss.from_ms, until_ms), channel=loss.whose))

    def _recognise(self, to_ms: int) -> None:
        self._recognised_ms = max(self._recognised_ms, to_ms)

    def _spoken(self, language: str) -> bool:
        """Whether speech in `language` is itself what the track shows."""
        return self._track in (SPEECH, language)

    def _said(self, segment: int, words: tuple[Word, ...]) -> None:
        held = self._open.get(segment)
        if held is None:
            held = self._open[segment] = _Open("", words[0].start_ms, None, 0, [])
        held.end_ms = max(held.end_ms, words[-1].end_ms)
        if not self._spoken(held.language):
            return
        held.words += words
        while len(cues := self._cut(held)) > 1:  # the last one may still grow
            self._show(cues[:1])
            shown = sum(len(line.replace(" ", "")) for line in cues[0].lines)
            while shown > 0:
                letters = "".join(held.words[0].text.split())
                if len(letters) > shown:  # a word wider than a line goes on in the next cue
                    held.words[0] = replace(held.words[0], text=letters[shown:])
                    break
                shown -= len(letters)
                del held.words[0]

    def _cut(self, held: _Open) -> list[Cue]:
        return cut(pieces_of(held.words), speaker=held.speaker, channel=held.channel)

    def _flush(self, held: _Open) -> None:
        self._show(self._cut(held))
        held.words.clear()

    def _finish_segment(self, event: SegmentClosed) -> None:
        held = self._open.get(event.segment)
        if held is None:
            return
        held.start_ms, held.end_ms = event.start_ms, max(held.end_ms, event.end_ms)
        self._flush(held)
        if self._track == SPEECH or self._track == held.language:
            del self._open[event.segment]  # else its translation needs its times

    def _translated(self, event: SegmentTranslated) -> None:
        held = self._open.get(event.segment)
        if held is None or self._spoken(held.language):
            return
        pieces = spread(" ".join(event.text.split()), held.start_ms, held.end_ms)
        self._show(cut(pieces, speaker=held.speaker, channel=held.channel))
        if event.closed:
            del self._open[event.segment]
        elif pieces:
            held.start_ms = min(held.end_ms, pieces[-1].end_ms)

    def _show(self, cues: list[Cue]) -> None:
        """Put cues into every segment in whose time they are shown."""
        opens_ms = self.count * TARGET_MS
        for cue in cues:
            start_ms = max(cue.start_ms, opens_ms, self._clock.get(cue.channel, 0))
            end_ms = max(cue.end_ms, start_ms + MIN_MS)
            placed = replace(cue, start_ms=start_ms, end_ms=min(end_ms, start_ms + MAX_MS))
            self._clock[cue.channel] = placed.end_ms
            for number in range(start_ms // TARGET_MS, (placed.end_ms - 1) // TARGET_MS + 1):
                self._ahead[number].append(placed)

    def _close_up(self) -> None:
        """Close the segments to which nothing more is expected."""
        hold_ms = _HOLD_MS if self._track == SPEECH else _TRANSLATION_HOLD_MS
        safe_ms = max(self._recognised_ms - hold_ms, self._received_ms - hold_ms - _SILENT_HOLD_MS)
        while not self._ended and (self.count + 1) * TARGET_MS <= safe_ms:
            until_ms = (self.count + 1) * TARGET_MS
            for held in self._open.values():
                if held.words and held.words[0].start_ms < until_ms:
                    self._flush(held)
            self._close_one()

    def _close_one(self) -> None:
        cues = sorted(self._ahead.pop(self.count, []), key=lambda cue: (cue.start_ms, cue.channel))
        self._closed.append(tuple(cues))

    def _end(self) -> None:
        self._tell_losses(every=True)
        for held in self._open.values():
            self._flush(held)
        shown_ms = max((cue.end_ms for cues in self._ahead.values() for cue in cues), default=0)
        length_ms = max(self._duration_ms or 0, shown_ms, self.count * TARGET_MS)
        while self.count * TARGET_MS < length_ms:
            self._last_ms = min(TARGET_MS, length_ms - self.count * TARGET_MS)
            self._close_one()
        self._ended = True

    def _date(self, number: int) -> str:
        moment = datetime.fromtimestamp((self._begun_at_ms + number * TARGET_MS) / 1000, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return re.sub(r"-->", "→", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(ms: int) -> str:
    seconds = ms // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms % 1000:03}"
