"""Subtitle files from a transcribed recording: SRT, WebVTT and plain text (no I/O).

Cues hold at most two lines of 42 characters and seven seconds, and stay at least one second where
there is room: the limits of the BBC's and Netflix's timed-text guides. Where a segment is longer,
it is cut between words, after punctuation when that is near, at the words' own times. Cues of two
speakers overlap where both speak at once: players show one above the other.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greffier.losses import Loss
from greffier.transcript import GapObject, SegmentObject, TranscribedObject, TranslationObject

__all__ = ["Cue", "clock", "cues", "gap_text", "to_srt", "to_text", "to_vtt", "wrap"]

LINE_CHARACTERS = 42
_CUE_CHARACTERS = 2 * LINE_CHARACTERS
_LONGEST_MS = 7_000
_SHORTEST_MS = 1_000
_LEAST_MS = 500
_STOPS = frozenset(".?!…。？！")
_PAUSES = frozenset(",;:，、；：")


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: what is on the screen from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start_ms: int
    end_ms: int


def cues(
    recording: TranscribedObject, *, language: str | None = None, named: bool = False
) -> list[Cue]:
    """Return the cues of the speech, or of its translation into `language`; gaps are shown.

    Args:
        recording: what was said.
        language: of a translation.
        named: speakers' names come before what they say, for formats without a place for them.
    """
    speakers = {segment["id"]: segment["speaker"] for segment in recording["segments"]}
    made: list[Cue] = []
    if language is None:
        for segment in recording["segments"]:
            pieces = _spoken_pieces(segment)
            made += _cut(_named(pieces, segment["speaker"], named), segment["speaker"])
    else:
        for part in recording["translations"].get(language, []):
            speaker = speakers.get(part["id"])
            made += _cut(_named(_even_pieces(part), speaker, named), speaker)
    for gap in recording.get("gaps", []):
        start_ms, end_ms = _ms(gap["start"]), _ms(gap["end"])
        pieces = [_Piece(f" {part}", start_ms, start_ms) for part in gap_text(gap).split()]
        name = gap["speaker"]
        made += [
            replace(cue, end_ms=min(end_ms, start_ms + _LONGEST_MS))
            for cue in _cut(_named(pieces, name, named), name)
        ]
    return _spread(sorted(made, key=lambda cue: cue.start_ms))


def to_srt(items: Sequence[Cue]) -> str:
    """Return a SubRip file."""
    blocks = [
        f"{number}\n{clock(cue.start_ms, ',')} --> {clock(cue.end_ms, ',')}\n"
        + "\n".join(wrap(cue.text.replace("-->", "→")))
        + "\n"
        for number, cue in enumerate(items, start=1)
    ]
    return "\n".join(blocks)


def to_vtt(items: Sequence[Cue]) -> str:
    """Return a WebVTT file (W3C); speakers become voice spans."""
    blocks = ["WEBVTT\n"]
    for cue in items:
        lines = "\n".join(_escape(line) for line in wrap(cue.text))
        voice = f"<v {_escape(cue.speaker)}>" if cue.speaker else ""
        blocks.append(f"{clock(cue.start_ms, '.')} --> {clock(cue.end_ms, '.')}\n{voice}{lines}\n")
    return "\n".join(blocks)


def to_text(recording: TranscribedObject, *, language: str | None = None) -> str:
    """Return the text, one segment a line, with its speaker where one is known, and the gaps."""
    parts: Sequence[SegmentObject | TranslationObject] = recording["segments"]
    if language is not None:
        parts = recording["translations"].get(language, [])
    speakers = {segment["id"]: segment["speaker"] for segment in recording["segments"]}
    lines = [
        (part["start"], speakers.get(part["id"]), part["text"].strip())
        for part in parts
        if part["text"].strip()
    ]
    gaps = recording.get("gaps", [])
    if gaps:
        lines += [(gap["start"], gap["speaker"], gap_text(gap)) for gap in gaps]
        lines.sort(key=lambda line: line[0])
    return "".join(f"{speaker}: {text}\n" if speaker else f"{text}\n" for _, speaker, text in lines)


def gap_text(gap: GapObject) -> str:
    """Return how a gap is written: ``[gap 2.0 s: client_lost_audio]``."""
    from_ms, to_ms = _ms(gap["start"]), _ms(gap["end"])
    lost_ms = _ms(gap["lost"]) if "lost" in gap else to_ms - from_ms
    return Loss(from_ms, to_ms, gap["cause"], gap["speaker"], lost_ms).text


def clock(ms: int, mark: str) -> str:
    """Return ``hh:mm:ss`` and the milliseconds behind `mark`."""
    seconds, rest = divmod(max(ms, 0), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{rest:03}"


def wrap(text: str) -> list[str]:
    """Break a cue into lines, in two halves of like length where one line is too short."""
    words = text.split()
    if _width(" ".join(words)) <= LINE_CHARACTERS:
        return [" ".join(words)] if words else []
    best: tuple[int, list[str]] | None = None
    for cut in range(1, len(words)):
        lines = [" ".join(words[:cut]), " ".join(words[cut:])]
        widest = max(map(_width, lines))
        # A line that ends with punctuation reads better than one a little more even.
        cost = widest - (6 if lines[0][-1] in _STOPS | _PAUSES else 0)
        if widest <= LINE_CHARACTERS and (best is None or cost < best[0]):
            best = (cost, lines)
    return best[1] if best else _hard_wrap(words)


def _hard_wrap(words: Sequence[str]) -> list[str]:
    """Fill lines from the left; a word longer than a line is cut (scripts without spaces)."""
    lines = [""]
    for word in words:
        candidate = f"{lines[-1]} {word}".strip()
        if _width(candidate) <= LINE_CHARACTERS:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if _width(lines[-1] + character) > LINE_CHARACTERS:
                lines.append("")
            lines[-1] += character
    return lines


def _named(pieces: list[_Piece], speaker: str | None, named: bool) -> list[_Piece]:
    if not (pieces and speaker and named):
        return pieces
    at_ms = pieces[0].start_ms
    return [*(_Piece(f" {part}", at_ms, at_ms) for part in f"{speaker}:".split()), *pieces]


def _spoken_pieces(segment: SegmentObject) -> list[_Piece]:
    words = segment["words"]
    if "".join(word["text"] for word in words).strip() != segment["text"].strip():
        return _even_pieces(segment)
    return [_Piece(word["text"], _ms(word["start"]), _ms(word["end"])) for word in words]


def _even_pieces(part: SegmentObject | TranslationObject) -> list[_Piece]:
    """Words of a text without word times: each takes time by its length."""
    words = part["text"].split()
    if len(words) == 1 and _width(words[0]) > _CUE_CHARACTERS:
        words = list(words[0])
        joint = ""
    else:
        joint = " "
    start_ms, end_ms = _ms(part["start"]), _ms(part["end"])
    total = sum(len(word) + 1 for word in words) or 1
    pieces: list[_Piece] = []
    done = 0
    for word in words:
        begin = start_ms + (end_ms - start_ms) * done // total
        done += len(word) + 1
        pieces.append(_Piece(joint + word, begin, start_ms + (end_ms - start_ms) * done // total))
    return pieces


def _cut(pieces: Sequence[_Piece], speaker: str | None) -> list[Cue]:
    made: list[Cue] = []
    rest = list(pieces)
    while rest:
        count = _fitting(rest)
        text = "".join(piece.text for piece in rest[:count]).strip()
        if text:
            made.append(Cue(rest[0].start_ms, rest[count - 1].end_ms, text, speaker))
        rest = rest[count:]
    return made


def _fitting(pieces: Sequence[_Piece]) -> int:
    """How many pieces the next cue takes: all that fit, or up to the last good place to break."""
    count = 0
    text = ""
    for piece in pieces:
        text += piece.text
        too_long = piece.end_ms - pieces[0].start_ms > _LONGEST_MS
        if count and (len(wrap(text)) > 2 or too_long):
            break
        count += 1
    if count == len(pieces):
        return count
    for marks, least in ((_STOPS, count // 3), (_PAUSES, count // 2)):
        for end in range(count, max(least, 1), -1):
            if pieces[end - 1].text.rstrip()[-1:] in marks:
                return end
    return count


def _spread(made: Sequence[Cue]) -> list[Cue]:
    """Keep short cues on the screen longer and never into the next, which may have to wait.

    The recogniser gives some words no time at all: such a cue takes a little of the next one's.
    """
    spread: list[Cue] = []
    free_ms: dict[str | None, int] = {}
    for index, (cue, own_ms) in enumerate(zip(made, _next_of_speaker(made), strict=True)):
        start_ms = max(cue.start_ms, free_ms.get(cue.speaker, 0))
        end_ms = max(cue.end_ms, start_ms + _SHORTEST_MS)
        if index + 1 < len(made) and made[index + 1].speaker != cue.speaker:
            end_ms = max(cue.end_ms, min(end_ms, made[index + 1].start_ms))
        if own_ms is not None:
            end_ms = min(end_ms, own_ms)
        end_ms = max(end_ms, start_ms + _LEAST_MS)
        spread.append(replace(cue, start_ms=start_ms, end_ms=end_ms))
        free_ms[cue.speaker] = end_ms
    return sorted(spread, key=lambda cue: cue.start_ms)


def _next_of_speaker(made: Sequence[Cue]) -> list[int | None]:
    """Where the speaker of each cue has the next one."""
    following: dict[str | None, int] = {}
    starts: list[int | None] = []
    for cue in reversed(made):
        starts.append(following.get(cue.speaker))
        following[cue.speaker] = cue.start_ms
    return starts[::-1]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
