import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.types import Word
from greffier_server.core.captions import to_srt, to_vtt
from greffier_server.core.events import GapFound, SegmentOpened, SegmentTranslated, WordsCommitted
from greffier_server.core.state import SessionState, apply
from tests.support.subtitles import ReadCue, read_srt, read_vtt

pytestmark = pytest.mark.property

TEXTS = st.text(alphabet=st.sampled_from("abcé -->&<今日。\n\t' .,"), min_size=1, max_size=12)


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    state = SessionState()
    clock = 0
    for number in range(draw(st.integers(0, 5))):
        clock += draw(st.integers(0, 4000))
        state = apply(state, SegmentOpened(number, clock, "en", draw(st.none() | TEXTS)))
        words: list[Word] = []
        for text in draw(st.lists(TEXTS, max_size=12)):
            end = clock + draw(st.integers(0, 2500))
            words.append(Word(draw(st.sampled_from(["", " "])) + text, clock, end, 1.0))
            clock = end
        state = apply(state, WordsCommitted(number, tuple(words)))
        state = apply(state, SegmentTranslated(number, "fr", draw(TEXTS)))
    if draw(st.booleans()):
        start = draw(st.integers(0, 20_000))
        state = apply(state, GapFound(start, start + draw(st.integers(0, 90_000)), draw(TEXTS)))
    return state


@given(states(), st.sampled_from([None, "fr"]))
def test_any_session_gives_valid_files_with_the_same_cues(
    state: SessionState, language: str | None
):
    srt, vtt = read_srt(to_srt(state, language)), read_vtt(to_vtt(state, language))
    assert [(cue.start_ms, cue.end_ms) for cue in srt] == [(c.start_ms, c.end_ms) for c in vtt]
    hold_limits(srt)


@given(states())
def test_no_letter_of_the_speech_is_lost(state: SessionState):
    without_gaps = SessionState(segments=state.segments)
    shown = "".join(line for cue in read_vtt(to_vtt(without_gaps)) for line in cue.lines)
    assert letters(shown) == letters(state.text)


def letters(text: str) -> str:
    return "".join(text.split())


def hold_limits(cues: list[ReadCue]) -> None:
    clock = 0
    for cue in cues:
        assert cue.start_ms >= clock
        assert 1000 <= cue.end_ms - cue.start_ms <= 7000
        assert len(cue.lines) <= 2
        assert all(len(line) <= 42 for line in cue.lines)
        clock = cue.end_ms
