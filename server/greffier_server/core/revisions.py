"""The text of a second pass set against the live text, segment by segment.

Segments keep their numbers, so that what cites them still does. Every word of the second reading
lands in exactly one of them, or in a new one where the live text has nothing, in its order.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from greffier_models.types import Word
from greffier_server.core.events import PassageRevised, SecondPassFinished
from greffier_server.core.state import Segment, SessionState

__all__ = ["Heard", "align", "count", "differences", "revised"]

_SAME_MS = 5_000
"""The same word in both readings begins within this: live, a first word may be placed before the
pause that precedes it."""
_NEAR_MS = 700
"""Words this near to a segment belong to it; farther ones are new speech."""
_PAUSE_MS = 1_500
_SHORT_MS = 1_000
_LONG_MS = 20_000
"""Bounds of new segments, as those of live ones."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Words of the second reading in one language, in their order."""

    language: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    word: Word
    language: str


def align(
    segments: Sequence[Segment],
    heard: Sequence[Heard],
    *,
    lost: Sequence[tuple[int, int]] = (),
) -> list[PassageRevised]:
    """Return one revision for each segment that has words, and one for each passage of new speech.

    Words that both readings have, at about the same time, pin the second to the first; what stands
    between two pins goes to the segment nearest in time. Revisions come in the order of time.

    Args:
        segments: of the live text.
        heard: the second reading, in its order.
        lost: stretches (from, to) in milliseconds that could not be read again: live words in
            them count as heard.
    """
    spoken = sorted((s for s in segments if s.words), key=lambda s: (s.start_ms, s.id))
    said = list(
        heapq.merge(_flat(heard), _unread(spoken, lost), key=lambda entry: entry.word.start_ms)
    )
    at: dict[int, list[_Said]] = defaultdict(list)
    for place, entry in zip(_places(spoken, said), said, strict=True):
        at[place].append(entry)
    _fill(spoken, at)
    number = max((segment.id for segment in segments), default=0)
    revisions: list[PassageRevised] = []
    for place in range(-1, 2 * len(spoken)):
        if place % 2 == 0:
            segment = spoken[place // 2]
            revisions.append(_revision(segment.id, at.get(place, []), segment))
            continue
        for passage in _passages(at.get(place, [])):
            number += 1
            revisions.append(_revision(number, passage))
    return revisions


def differences(
    segments: Sequence[Segment], revisions: Sequence[PassageRevised]
) -> list[PassageRevised]:
    """Return the revisions that say something else than the live text."""
    live = {segment.id: segment for segment in segments}
    return [
        revision
        for revision in revisions
        if (segment := live.get(revision.segment)) is None
        or revision.language != segment.language
        or _text(revision.words) != _text(segment.words)
    ]


def count(segments: Sequence[Segment], revisions: Sequence[PassageRevised]) -> SecondPassFinished:
    """Sum up all revisions that `align` gave."""
    live = {segment.id for segment in segments}
    told = differences(segments, revisions)
    return SecondPassFinished(
        words=sum(len(revision.words) for revision in revisions),
        changed=sum(1 for r in told if r.segment in live and r.words),
        added=sum(1 for r in told if r.segment not in live),
        unconfirmed=sum(1 for r in told if not r.words),
    )


def revised(state: SessionState) -> SessionState:
    """Return the session as its second pass reads it; as it is when there was none.

    Segments are in the order of time. One that was not heard again keeps its words and is not
    `confirmed`. Passages withheld live, where the second pass is sure of words, are no longer
    listed. Translations stay those of the live text.
    """
    reading = state.second_pass
    if reading is None or reading.finished is None:
        return state
    segments = [
        _rewritten(segment, reading.revisions.get(segment.id))
        for segment in state.segments.values()
    ]
    added = [
        Segment(r.segment, r.start_ms, r.end_ms, r.language, words=r.words, closed=True)
        for r in reading.revisions.values()
        if r.segment not in state.segments and r.words
    ]
    ordered = sorted([*segments, *added], key=lambda segment: (segment.start_ms, segment.id))
    withheld = tuple(
        doubt
        for doubt in state.withheld
        if not any(r.start_ms < doubt.end_ms and doubt.start_ms < r.end_ms for r in added)
    )
    return replace(state, segments={segment.id: segment for segment in ordered}, withheld=withheld)


# --- one segment ----------------------------------------------------------------------------------


def _rewritten(segment: Segment, revision: PassageRevised | None) -> Segment:
    if revision is None:
        return segment
    if not revision.words:
        return replace(segment, confirmed=False)
    return replace(
        segment,
        words=revision.words,
        start_ms=revision.start_ms,
        end_ms=revision.end_ms,
        language=revision.language,
    )


def _revision(number: int, said: Sequence[_Said], segment: Segment | None = None) -> PassageRevised:
    """Of `said`, or of nothing where the live text has `segment`."""
    words = tuple(entry.word for entry in said)
    if not words and segment is not None:
        return PassageRevised(number, segment.start_ms, segment.end_ms, segment.language, ())
    languages = Counter(entry.language for entry in said)
    most = max(languages.values())
    live = segment.language if segment is not None else ""
    language = live if languages[live] == most else languages.most_common(1)[0][0]
    return PassageRevised(
        segment=number,
        start_ms=min(word.start_ms for word in words),
        end_ms=max(word.end_ms for word in words),
        language=language,
        words=words,
    )


def _passages(said: Sequence[_Said]) -> Iterator[list[_Said]]:
    """Cut new speech at pauses, ends of sentences and changes of language."""
    passage: list[_Said] = []
    for entry in said:
        if passage:
            first, last = passage[0].word, passage[-1].word
            length_ms = last.end_ms - first.start_ms
            ended = last.text.rstrip().endswith((".", "?", "!", "…")) and length_ms >= _SHORT_MS
            if (
                ended
                or entry.language != passage[-1].language
                or entry.word.start_ms - last.end_ms > _PAUSE_MS
                or length_ms >= _LONG_MS
            ):
                yield passage
                passage = []
        passage.append(entry)
    if passage:
        yield passage


def _flat(heard: Sequence[Heard]) -> list[_Said]:
    return [_Said(word, part.language) for part in heard for word in part.words]


def _unread(spoken: Sequence[Segment], lost: Sequence[tuple[int, int]]) -> list[_Said]:
    """Live words whose audio could not be read again."""
    if not lost:
        return []
    kept = [
        _Said(word, segment.language)
        for segment in spoken
        for word in segment.words
        if any(from_ms <= (word.start_ms + word.end_ms) // 2 < to_ms for from_ms, to_ms in lost)
    ]
    return sorted(kept, key=lambda entry: entry.word.start_ms)


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()


# --- where words belong ---------------------------------------------------------------------------


def _places(spoken: Sequence[Segment], said: Sequence[_Said]) -> list[int]:
    """Where each word belongs, never falling: 2k = segment k, 2k + 1 = between it and the next."""
    anchors = _anchors(spoken, said)
    starts = [segment.start_ms for segment in spoken]
    upper, uppers = 2 * len(spoken) - 1, [0] * len(said)
    for index in range(len(said) - 1, -1, -1):
        upper = uppers[index] = 2 * anchors[index] if index in anchors else upper
    places: list[int] = []
    lower = -1
    for index, entry in enumerate(said):
        if index in anchors:
            lower = 2 * anchors[index]
        elif lower < uppers[index]:
            lower = _nearest(spoken, starts, entry.word, lower=lower, upper=uppers[index])
        places.append(lower)
    return places


def _nearest(
    spoken: Sequence[Segment], starts: Sequence[int], word: Word, *, lower: int, upper: int
) -> int:
    middle_ms = (word.start_ms + word.end_ms) // 2
    before = bisect_right(starts, middle_ms) - 1
    first, last = (lower + 1) // 2, upper // 2
    best, best_ms = None, _NEAR_MS + 1
    for candidate in (before, before + 1):
        place = min(max(candidate, first), last)
        if not first <= place <= last:  # no segment is left between the pins
            continue
        segment = spoken[place]
        away_ms = max(segment.start_ms - middle_ms, middle_ms - segment.end_ms, 0)
        if away_ms < best_ms:
            best, best_ms = 2 * place, away_ms
    if best is not None:
        return best
    return min(max(2 * before + 1, lower), upper)


def _fill(spoken: Sequence[Segment], at: dict[int, list[_Said]]) -> None:
    """Give segments that got nothing the words heard in their time, from their neighbours.

    Else a sentence that the second reading joins to the next one would stand there twice.
    """
    taken = sorted(at)
    for index, segment in enumerate(spoken):
        place = 2 * index
        where = bisect_left(taken, place)
        if taken[where : where + 1] == [place]:
            continue
        for near in (*taken[where : where + 1], *taken[max(0, where - 1) : where]):
            theirs = at[near]
            inside = [segment.start_ms <= _middle_ms(entry) <= segment.end_ms for entry in theirs]
            if not any(inside) or len(theirs) < 2:
                continue
            if near > place:
                cut = min(len(theirs) - inside[::-1].index(True), len(theirs) - 1)
                at[place], at[near] = theirs[:cut], theirs[cut:]
            else:
                cut = max(inside.index(True), 1)
                at[near], at[place] = theirs[:cut], theirs[cut:]
            taken.insert(where, place)
            break


def _middle_ms(entry: _Said) -> int:
    return (entry.word.start_ms + entry.word.end_ms) // 2


def _anchors(spoken: Sequence[Segment], said: Sequence[_Said]) -> dict[int, int]:
    """Words in both readings: index in `said` to place in `spoken`, the most that keep the order.

    The longest common subsequence among pairs near in time (Hunt and Szymanski, 1977,
    doi:10.1145/359581.359603).
    """
    known: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, entry in enumerate(said):
        if key := _key(entry.word):
            known[key].append((entry.word.start_ms, index))
    for entries in known.values():
        entries.sort()
    ends: list[int] = []
    links: list[tuple[int, int, int]] = []  # (index in `said`, place, link before)
    heads: list[int] = []
    for place, segment in enumerate(spoken):
        for word in segment.words:
            entries = known.get(_key(word), [])
            low = bisect_left(entries, (word.start_ms - _SAME_MS, -1))
            high = bisect_right(entries, (word.start_ms + _SAME_MS, len(said)))
            for index in sorted((index for _, index in entries[low:high]), reverse=True):
                length = bisect_left(ends, index)
                links.append((index, place, heads[length - 1] if length else -1))
                if length == len(ends):
                    ends.append(index)
                    heads.append(len(links) - 1)
                else:
                    ends[length] = index
                    heads[length] = len(links) - 1
    anchors: dict[int, int] = {}
    link = heads[-1] if heads else -1
    while link >= 0:
        index, place, link = links[link]
        anchors[index] = place
    return anchors


def _key(word: Word) -> str:
    return "".join(char for char in word.text.casefold() if char.isalnum())
