"""Laws of recognition whatever the engine says: an orderly log, an end, no text taken back."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.fakes import FakeRecognizer
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions, Word
from greffier_server.core.events import (
    RecognitionFinished,
)
from greffier_server.core.policies import POLICY_NAMES, PolicyName, default_dials
from greffier_server.core.state import SessionState, fold
from tests.support.laws import check_segments, long_speech, paced
from tests.support.recordings import (
    Recording,
    recognise,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.property


every_policy = pytest.mark.parametrize("name", POLICY_NAMES)


class _Nonsense:
    """An engine whose words and times are arbitrary; only its windows are honest."""

    def __init__(self, answers: Sequence[Sequence[Word]]) -> None:
        self._answers = answers
        self._asked = 0
        self.identity = FakeRecognizer().identity
        self.languages = FakeRecognizer().languages

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        del options, deadline_ms, priority, stream
        words = self._answers[self._asked % len(self._answers)]
        self._asked += 1
        shifted = (
            Word(word.text, word.start_ms + window.start_ms, word.end_ms + window.start_ms, 1.0)
            for word in words
        )
        return Hypothesis(tuple(shifted), "fr", no_speech_probability=0.7, mean_logprob=-0.9)

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        del window, candidates, deadline_ms, priority, stream
        self._asked += 1
        return [{"fr": 1.0}, {"en": 0.9, "fr": 0.1}, {"de": 0.5, "fr": 0.4, "ar": 0.1}][
            self._asked % 3
        ]


arbitrary_words = st.lists(
    st.builds(
        Word,
        st.sampled_from([" la", " la", " oui.", " Merci d'avoir regardé", "…", "", " 日本"]),
        st.integers(-500, 40_000),
        st.integers(-500, 40_000),
        st.floats(0.0, 1.0),
    ),
    max_size=12,
)


@every_policy
@given(
    recording=recordings(max_words=80),
    answers=st.lists(arbitrary_words, min_size=1, max_size=6),
    language=st.sampled_from(["fr", None]),
    real_time=st.booleans(),
)
def test_nonsense_ends_in_an_orderly_log(
    name: PolicyName,
    recording: Recording,
    answers: Sequence[Sequence[Word]],
    language: str | None,
    real_time: bool,
) -> None:
    """`WatchedPolicy` checks windows, order and times; the run itself must come to an end."""
    result = run(
        recognise(
            paced(recording.pcm, 480),
            recognizer=_Nonsense(answers),
            dials=default_dials(name),
            language=language,
            real_time=real_time,
        )
    )
    assert isinstance(result.events[-1], RecognitionFinished)
    check_segments(result)


@every_policy
def test_a_voice_without_words_is_passed_over(name: PolicyName) -> None:
    recording = long_speech(400)
    result = run(recognise([recording.pcm], recognizer=_Nonsense([[]]), dials=default_dials(name)))
    assert result.texts == []
    assert isinstance(result.events[-1], RecognitionFinished)


@every_policy
@given(
    recording=recordings(max_words=80),
    answers=st.lists(arbitrary_words, min_size=1, max_size=6),
    language=st.sampled_from(["fr", None]),
)
def test_committed_text_is_never_taken_back(
    name: PolicyName,
    recording: Recording,
    answers: Sequence[Sequence[Word]],
    language: str | None,
) -> None:
    """Erasure is 0 whatever the engine says: text on the record only ever gets longer."""
    result = run(
        recognise(
            paced(recording.pcm, 480),
            recognizer=_Nonsense(answers),
            dials=default_dials(name),
            language=language,
            real_time=True,
        )
    )
    before: dict[int, str] = {}
    state = SessionState()
    for record in result.records:
        state = fold([record], state)
        now = {segment.id: segment.text for segment in state.segments.values()}
        assert all(now[segment].startswith(text) for segment, text in before.items())
        assert list(now)[: len(before)] == list(before)
        before = now
    assert "".join(before.values()).replace(" ", "") == "".join(result.texts).replace(" ", "")
