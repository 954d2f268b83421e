"""Laws of corrections: the log stays, the fold is one, the original comes back, places hold."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier.patches import Patch, patched, pieces, shown_text
from greffier.protocol import AudioFormat, CorrectionTarget
from greffier_models.types import Word
from greffier_server.core.captions import to_txt
from greffier_server.core.corrections import placed, present, shown
from greffier_server.core.events import (
    Corrected,
    PassageRevised,
    Recorded,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.records import decode_record, encode_record
from greffier_server.core.search import fold_text, highlights, parse_query
from greffier_server.core.state import SessionState, apply, fold
from tests.support.sessions import chain

pytestmark = pytest.mark.property

_WORDS = st.lists(
    st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6), min_size=1, max_size=8
)
_EDITS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["", "un", "deux mots"])),
    max_size=8,
)


def _meeting(said: list[str]) -> list[Recorded]:
    words = tuple(Word(f" {w}", 300 * i, 300 * i + 200, 0.9) for i, w in enumerate(said))
    return chain(
        SessionStarted(AudioFormat(), "fr"),
        SegmentOpened(1, 0, "fr", "1"),
        WordsCommitted(1, words),
        SegmentClosed(1, 0, words[-1].end_ms),
    )


def _correct(state: SessionState, first: int, end: int, new: str) -> Corrected | None:
    """As the editor does: only what has a place, and what stands there is noted."""
    there = present(state, CorrectionTarget("words", segment=1, first=first, end=end))
    return None if there is None or there[1] == new else Corrected("a", there[0], there[1], new)


def _corrected(said: list[str], edits: list[tuple[int, int, str]]) -> list[Recorded]:
    records = _meeting(said)
    for first, end, new in edits:
        event = _correct(fold(records), first, end, new)
        if event is not None:
            records += chain(event, after=records)
    return records


@given(_WORDS, _EDITS)
def test_what_was_committed_stays_and_comes_back(
    said: list[str], edits: list[tuple[int, int, str]]
) -> None:
    plain, records = _meeting(said), _corrected(said, edits)
    assert [encode_record(r) for r in records[: len(plain)]] == [encode_record(r) for r in plain]
    assert fold(records).segments == fold(plain).segments  # the state, too: a view is a view
    assert placed(fold(records)).segments[1].words == fold(plain).segments[1].words


@given(_WORDS, _EDITS, st.integers(0, 12))
def test_the_fold_is_the_same_however_it_is_cut(
    said: list[str], edits: list[tuple[int, int, str]], cut: int
) -> None:
    records = [decode_record(encode_record(record)) for record in _corrected(said, edits)]
    whole = shown(fold(records))
    assert shown(fold(records[cut:], fold(records[:cut]))) == whole
    state = SessionState()
    for record in records:
        state = apply(state, record.event)
    assert shown(state).segments == whole.segments


@given(_WORDS, _EDITS)
def test_each_correction_reads_as_it_says(
    said: list[str], edits: list[tuple[int, int, str]]
) -> None:
    """What a correction calls old stood there just before, and its new text stands there after."""
    records = _corrected(said, edits)
    for at, record in enumerate(records):
        if isinstance(record.event, Corrected):
            target = record.event.target
            before = present(fold(records[:at]), target)
            after = present(fold(records[: at + 1]), target)
            assert before == (target, record.event.old)
            assert after == (target, record.event.new)


@given(_WORDS, _EDITS)
def test_words_outside_a_correction_keep_time_and_certainty(
    said: list[str], edits: list[tuple[int, int, str]]
) -> None:
    records = _corrected(said, edits)
    live = fold(records).segments[1].words
    seen = shown(fold(records)).segments[1].words
    kept = [word for word in seen if word.probability != 1.0]
    assert kept == [word for word in live if word in kept]
    assert [word.start_ms for word in seen] == sorted(word.start_ms for word in seen)


@given(_WORDS, _EDITS)
def test_a_later_second_pass_overrules_nobody(
    said: list[str], edits: list[tuple[int, int, str]]
) -> None:
    records = _corrected(said, edits)
    before = shown(fold(records))
    other = (Word(" autre", 0, 200, 0.5),)
    read = chain(
        SecondPassStarted("fr", 5),
        PassageRevised(1, 0, 200, "fr", other),
        SecondPassFinished(1, 1, 0, 0),
        after=records,
    )
    after = fold([*records, *read])
    touched = any(isinstance(record.event, Corrected) for record in records)
    expected = before.segments[1].words if touched else other
    assert shown(after).segments[1].words == expected
    assert shown(after, second=False).segments[1].words == before.segments[1].words
    assert to_txt(shown(after, second=False)) == to_txt(before)
    # And who corrects now, corrects what is shown.
    event = _correct(after, 0, 1, "encore")
    if event is not None:
        assert event.target.reading == (0 if touched else 1)
        now = shown(apply(after, event)).segments[1]
        assert now.text.startswith("encore")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.text(max_size=4)), max_size=8),
    st.integers(0, 10),
)
def test_patches_never_overlap(edits: list[tuple[int, int, str]], count: int) -> None:
    words = [Word(f" w{i}", i, i + 1, 0.5) for i in range(count)]
    patches: tuple[Patch, ...] = ()
    for first, length, text in edits:
        if shown_text(words, patches, first, first + length) is not None:
            patches = patched(patches, Patch(first, first + length, text))
    shown_pieces = list(pieces(words, patches))
    ends = [0, *(piece.end for piece in shown_pieces)]
    assert [piece.first for piece in shown_pieces] == ends[:-1]  # no hole, no overlap
    assert ends[-1] == count


@given(st.text(max_size=60))
@example("𝑨0㊀㏠")  # what they are shows only once they are decomposed
def test_every_word_of_a_text_finds_it(text: str) -> None:
    folded = fold_text(text)
    assert fold_text(folded) == folded
    for word in folded.split():
        query = parse_query(f'"{word}"')
        assert query.clauses == ((word,),)
        found = highlights(text, query)
        assert found
        assert all(0 <= start < end <= len(text) for start, end in found)
