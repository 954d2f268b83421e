"""What editors set right, as a pure fold over the log: the record stays, the reader sees the fix.

A correction names its place in what was recognised, so that neither the words committed nor the
order of corrections can be confused by one another. Words that a person has set right are not
overruled by a later second pass: their segment keeps the reading that the person saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from greffier.patches import Patch, Piece, patched, pieces, shown_text
from greffier.protocol import CorrectionTarget, Minutes, MinutesItem
from greffier_models.types import Word
from greffier_server.core.events import Corrected
from greffier_server.core.revisions import revised
from greffier_server.core.state import Segment, SessionState

__all__ = [
    "SECTIONS",
    "VERDICTS",
    "Edited",
    "edited",
    "placed",
    "present",
    "shown",
]

SECTIONS = tuple(
    field.name
    for field in fields(Minutes)
    if field.name not in ("seq", "language", "title", "chapters", "agenda")
)
"""Lists of sentences in minutes."""
VERDICTS = ("", "accepted", "rejected")


@dataclass(frozen=True, slots=True)
class Edited:
    """All corrections of a session, by what they set right."""

    patches: dict[int, tuple[Patch, ...]]
    """Of words, by segment."""
    readings: dict[int, int]
    """Which reading the patches of a segment count words in."""
    names: dict[str, str]
    """Of speakers, by what recognition called them."""
    own_names: dict[int, str]
    """Of the speaker of one segment."""
    translations: dict[tuple[int, str], str]
    """By segment and language."""
    sentences: dict[tuple[str, int], str]
    """Of the newest minutes, by section and place."""
    verdicts: dict[tuple[str, int], str]
    actions: dict[int, str]
    """Taken upon a segment."""
    alerts: dict[int, str]
    """What became of a segment's alert."""

    def pieces(self, segment: Segment) -> list[Piece]:
        """What is shown of a segment whose words are those the corrections were made in."""
        return list(pieces(segment.words, self.patches.get(segment.id, ())))

    def speaker(self, segment: Segment) -> str | None:
        """Who speaks, by the name that was given last."""
        own = self.own_names.get(segment.id)
        if own is not None:
            return own or None
        return self.names.get(segment.speaker or "", segment.speaker or "") or None


def edited(state: SessionState) -> Edited:
    """Sum up the corrections, later over earlier."""
    sums = Edited({}, {}, {}, {}, {}, {}, {}, {}, {})
    for event in state.corrections:
        _take(sums, event, state)
    return sums


def _take(sums: Edited, event: Corrected, state: SessionState) -> None:
    target, new = event.target, event.new
    match target.kind:
        case "words":
            same = sums.readings.get(target.segment) == target.reading
            before = sums.patches.get(target.segment, ()) if same else ()
            sums.readings[target.segment] = target.reading
            patch = Patch(target.first, target.end, new)
            sums.patches[target.segment] = patched(before, patch)
        case "speaker" if target.segment:
            sums.own_names[target.segment] = new
        case "speaker":
            sums.names[target.speaker] = new
        case "translation":
            sums.translations[(target.segment, target.language)] = new
        case "minutes" | "verdict":
            if target.minutes == state.minutes_count:  # else of minutes that were written anew
                where = sums.sentences if target.kind == "minutes" else sums.verdicts
                where[(target.section, target.item)] = new
        case "action":
            sums.actions[target.segment] = new
        case "alert":
            sums.alerts[target.segment] = new


def shown(state: SessionState, *, second: bool = True) -> SessionState:
    """Return the session as readers see it: the best reading, with all corrections applied.

    Args:
        state: of the log.
        second: False: the live text, with only those corrections of words that were made in it.
    """
    base = _base(state, second=second)
    if not state.corrections:
        return base
    sums = edited(state)
    segments = {
        segment.id: _corrected(segment, sums, applied=_holds(state, sums, segment.id, second))
        for segment in base.segments.values()
    }
    minutes = None if base.minutes is None else _minutes(base.minutes, sums)
    return replace(base, segments=segments, minutes=minutes)


def placed(state: SessionState) -> SessionState:
    """Return the reading that corrections are made in, without any of them applied."""
    return _base(state, second=True)


def present(state: SessionState, target: CorrectionTarget) -> tuple[CorrectionTarget, str] | None:
    """Return the target as it is recorded, and what stands there now; None where nothing is.

    The server, not the editor, knows which reading and which minutes are shown.
    """
    sums = edited(state)
    if target.kind in ("minutes", "verdict"):
        return _present_minutes(state, sums, target)
    if target.kind == "speaker" and not target.segment:
        known = any((one.speaker or "") == target.speaker for one in state.segments.values())
        plain = CorrectionTarget("speaker", speaker=target.speaker)
        return (plain, sums.names.get(target.speaker, target.speaker)) if known else None
    segment = placed(state).segments.get(target.segment)
    if segment is None:
        return None
    plain = CorrectionTarget(target.kind, segment=segment.id)
    match target.kind:
        case "words":
            reading = _reading(state, sums, segment.id)
            patches = sums.patches.get(segment.id, ())
            if not _holds(state, sums, segment.id, second=True):
                patches = ()
            text = shown_text(segment.words, patches, target.first, target.end)
            place = replace(plain, first=target.first, end=target.end, reading=reading)
            return None if text is None else (place, text)
        case "speaker":
            return replace(plain, speaker=segment.speaker or ""), sums.speaker(segment) or ""
        case "translation":
            translated = segment.translations.get(target.language)
            if translated is None or not translated.closed:
                return None
            text = sums.translations.get((segment.id, target.language), translated.text.strip())
            return replace(plain, language=target.language), text
        case "action":
            return plain, sums.actions.get(segment.id, "")
        case _:
            return plain, sums.alerts.get(segment.id, "")


def _present_minutes(
    state: SessionState, sums: Edited, target: CorrectionTarget
) -> tuple[CorrectionTarget, str] | None:
    if state.minutes is None or target.section not in SECTIONS:
        return None
    items: Sequence[MinutesItem] = getattr(state.minutes, target.section)
    if not 0 <= target.item < len(items):
        return None
    place = CorrectionTarget(
        target.kind, minutes=state.minutes_count, section=target.section, item=target.item
    )
    key = (target.section, target.item)
    if target.kind == "verdict":
        return place, sums.verdicts.get(key, "")
    return place, sums.sentences.get(key, items[target.item].text)


def _base(state: SessionState, *, second: bool) -> SessionState:
    """The reading, with the passages that people have corrected kept as they saw them."""
    if not second or not state.passes:
        return state
    base = revised(state)
    held = {event.target.segment for event in state.corrections if event.target.kind == "words"}
    sums = edited(state) if held else None
    if sums is None:
        return base
    segments = dict(base.segments)
    for number in held & state.segments.keys():
        reading = sums.readings[number]
        if reading == state.passes:
            continue
        live, pin = state.segments[number], state.pinned.get(number)
        segments[number] = replace(
            live, translations=base.segments[number].translations, confirmed=True
        )
        if reading and pin is not None and pin.words:
            segments[number] = replace(
                segments[number],
                words=pin.words,
                start_ms=pin.start_ms,
                end_ms=pin.end_ms,
                language=pin.language,
            )
    return replace(base, segments=segments)


def _reading(state: SessionState, sums: Edited, segment: int) -> int:
    if segment in state.segments:
        return sums.readings.get(segment, state.passes)
    return state.passes


def _holds(state: SessionState, sums: Edited, segment: int, second: bool) -> bool:
    """Whether the corrections of a segment's words count in the words that are shown.

    A passage that only a second pass has may have another number after the next one.
    """
    reading = sums.readings.get(segment, 0)
    if not second:
        return reading == 0
    return segment in state.segments or reading == state.passes


def _corrected(segment: Segment, sums: Edited, *, applied: bool) -> Segment:
    words = segment.words
    if applied and sums.patches.get(segment.id):
        words = tuple(
            word
            for piece in sums.pieces(segment)
            for word in (_words(piece) if piece.corrected else [segment.words[piece.first]])
        )
    translations = dict(segment.translations)
    for language, translated in segment.translations.items():
        text = sums.translations.get((segment.id, language))
        if text is not None:
            translations[language] = replace(translated, text=text, tail="")
    return replace(segment, words=words, speaker=sums.speaker(segment), translations=translations)


def _words(piece: Piece) -> list[Word]:
    """A patch as words, its time shared out by their length."""
    texts = piece.text.split()
    letters = sum(map(len, texts))
    length_ms = piece.end_ms - piece.start_ms
    words: list[Word] = []
    before = 0
    for index, text in enumerate(texts):
        start = piece.start_ms + length_ms * before // letters
        before += len(text)
        end = piece.start_ms + length_ms * before // letters
        space = " " if index or piece.text[:1].isspace() else ""
        words.append(Word(space + text, start, end, 1.0))
    return words


def _minutes(minutes: Minutes, sums: Edited) -> Minutes:
    """Without what was rejected, and with the sentences that were edited.

    An edited sentence no longer has the mark of the check: the check was of the other one.
    """
    changed: dict[str, tuple[MinutesItem, ...]] = {}
    for section in SECTIONS:
        items: list[MinutesItem] = []
        before: Sequence[MinutesItem] = getattr(minutes, section)
        for index, item in enumerate(before):
            if sums.verdicts.get((section, index)) == "rejected":
                continue
            text = sums.sentences.get((section, index), item.text)
            items.append(item if text == item.text else replace(item, text=text, verified=False))
        changed[section] = tuple(items)
    return replace(minutes, **cast("dict[str, Any]", changed))
