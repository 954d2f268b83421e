"""Laws of recognition over encoded speech: nothing lost, nothing twice, nothing changed."""

from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_models.types import Pcm
from greffier_server.core.events import (
    RecognitionFinished,
    TextWithheld,
)
from greffier_server.core.policies import POLICY_NAMES, PolicyName, default_dials
from tests.support.laws import check_segments, long_speech, paced
from tests.support.recordings import (
    Listener,
    Recognised,
    Recording,
    chunkings,
    recognise,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

Cut = Literal["garbled", "dropped"]

every_policy = pytest.mark.parametrize("name", POLICY_NAMES)


def _check(recording: Recording, result: Recognised) -> None:
    assert result.texts == recording.texts
    for heard, said in zip(result.words, recording.words, strict=True):
        assert heard.start_ms == said.start_ms
        assert said.end_ms - 32 <= heard.end_ms <= said.end_ms  # clipped to whole frames of speech
    assert isinstance(result.events[-1], RecognitionFinished)
    assert not [event for event in result.events if isinstance(event, TextWithheld)]
    check_segments(result)


@every_policy
@given(
    recording=recordings(),
    cut=st.sampled_from(["garbled", "dropped"]),
    language=st.sampled_from(["fr", None]),
    real_time=st.booleans(),
)
@example(recording=Recording((), 0), cut="garbled", language=None, real_time=False)
@example(recording=Recording((), 7_013), cut="garbled", language="fr", real_time=True)
def test_every_word_is_committed_once_in_order(
    name: PolicyName, recording: Recording, cut: Cut, language: str | None, real_time: bool
) -> None:
    listener = Listener(FakeRecognizer(RecognitionDials(cut_words=cut)))
    chunks = paced(recording.pcm, 100)
    result = run(
        recognise(
            chunks,
            recognizer=listener,
            dials=default_dials(name),
            language=language,
            real_time=real_time,
        )
    )
    _check(recording, result)


@every_policy
@given(
    recording=recordings(least_end_ms=700),
    unstable_ms=st.integers(0, 240),
    instability=st.floats(0.1, 1.0),
    language=st.sampled_from(["fr", None]),
)
def test_misheard_last_words_are_never_committed(
    name: PolicyName,
    recording: Recording,
    unstable_ms: int,
    instability: float,
    language: str | None,
) -> None:
    dials = RecognitionDials(unstable_ms=unstable_ms, instability=instability)
    listener = Listener(FakeRecognizer(dials))
    chunks = paced(recording.pcm, 100)
    result = run(
        recognise(
            chunks,
            recognizer=listener,
            dials=default_dials(name),
            language=language,
            real_time=True,
        )
    )
    _check(recording, result)


@every_policy
@given(
    data=st.data(),
    recording=recordings(),
    ms_between=st.sampled_from([0, 1, 700]),
    delay_s=st.sampled_from([0.0, 0.1, 1.5]),
)
def test_any_arrival_of_the_same_audio_gives_the_same_segments(
    name: PolicyName, data: st.DataObject, recording: Recording, ms_between: int, delay_s: float
) -> None:
    pcm = recording.pcm
    chunks: list[Pcm] = data.draw(chunkings(pcm))
    whole = run(recognise([pcm], dials=default_dials(name)))
    slow = Listener(FakeRecognizer(RecognitionDials(delay_s=delay_s)))
    parts = run(
        recognise(
            chunks,
            recognizer=slow,
            dials=default_dials(name),
            ms_between=ms_between,
            real_time=True,
        )
    )
    _check(recording, parts)
    assert parts.segments == whole.segments
    assert parts.words == whole.words


@every_policy
@pytest.mark.parametrize("pause_ms", [0, 30, 200])
@pytest.mark.parametrize("language", ["fr", None])
def test_speech_longer_than_any_window(
    name: PolicyName, pause_ms: int, language: str | None
) -> None:
    recording = long_speech(300, pause_ms=pause_ms)
    assert recording.duration_ms > 60_000
    _check(recording, run(recognise([recording.pcm], dials=default_dials(name), language=language)))
    chunks = paced(recording.pcm, 480)
    _check(
        recording,
        run(recognise(chunks, dials=default_dials(name), language=language, real_time=True)),
    )
