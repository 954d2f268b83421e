"""Laws of recognition over encoded speech: nothing lost, nothing twice, nothing changed."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier.protocol import QualityLevel
from greffier_models.fakes import FakeRecognizer, FakeVad, RecognitionDials
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions, Word
from greffier_server.core.events import (
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.policies import POLICY_NAMES, PolicyName, build_policy, default_dials
from greffier_server.core.policy import DecodeRequest
from greffier_server.core.state import SessionState, fold
from tests.support.recordings import (
    Listener,
    Recognised,
    Recording,
    WatchedPolicy,
    chunkings,
    recognise,
    recording_of,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

Cut = Literal["garbled", "dropped"]

every_policy = pytest.mark.parametrize("name", POLICY_NAMES)


def _paced(pcm: Pcm, chunk_ms: int) -> list[Pcm]:
    step = chunk_ms * 16
    return [pcm[at : at + step] for at in range(0, len(pcm), step)]


def _check(recording: Recording, result: Recognised) -> None:
    assert result.texts == recording.texts
    for heard, said in zip(result.words, recording.words, strict=True):
        assert heard.start_ms == said.start_ms
        assert said.end_ms - 32 <= heard.end_ms <= said.end_ms  # clipped to whole frames of speech
    assert isinstance(result.events[-1], RecognitionFinished)
    assert not [event for event in result.events if isinstance(event, TextWithheld)]
    _check_segments(result)


def _check_segments(result: Recognised) -> None:
    """Segments are opened, filled and closed one after the other, and hold every word."""
    now, last_end = 0, 0
    for event in result.events:
        match event:
            case SegmentOpened(segment=segment, start_ms=start_ms):
                assert segment == now + 1
                assert start_ms >= last_end
                now = segment
            case WordsCommitted(segment=segment, words=words):
                assert segment == now
                assert words
            case SegmentClosed(segment=segment, start_ms=start_ms, end_ms=end_ms):
                assert segment == now
                assert last_end <= start_ms <= end_ms
                last_end = end_ms
            case _:
                pass
    assert all(segment.closed and segment.words for segment in result.state.segments.values())


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
    chunks = _paced(recording.pcm, 100)
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
    chunks = _paced(recording.pcm, 100)
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


def _long_speech(words: int, *, pause_ms: int = 30, length_ms: int = 300) -> Recording:
    return recording_of([(pause_ms, length_ms)] * words)


@every_policy
@pytest.mark.parametrize("pause_ms", [0, 30, 200])
@pytest.mark.parametrize("language", ["fr", None])
def test_speech_longer_than_any_window(
    name: PolicyName, pause_ms: int, language: str | None
) -> None:
    recording = _long_speech(300, pause_ms=pause_ms)
    assert recording.duration_ms > 60_000
    _check(recording, run(recognise([recording.pcm], dials=default_dials(name), language=language)))
    chunks = _paced(recording.pcm, 480)
    _check(
        recording,
        run(recognise(chunks, dials=default_dials(name), language=language, real_time=True)),
    )


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
            _paced(recording.pcm, 480),
            recognizer=_Nonsense(answers),
            dials=default_dials(name),
            language=language,
            real_time=real_time,
        )
    )
    assert isinstance(result.events[-1], RecognitionFinished)
    _check_segments(result)


@every_policy
def test_a_voice_without_words_is_passed_over(name: PolicyName) -> None:
    recording = _long_speech(400)
    result = run(recognise([recording.pcm], recognizer=_Nonsense([[]]), dials=default_dials(name)))
    assert result.texts == []
    assert isinstance(result.events[-1], RecognitionFinished)


@every_policy
def test_an_hour_of_silence_is_not_kept(name: PolicyName) -> None:
    policy = build_policy(default_dials(name), frame_ms=32, language="fr")
    for to_ms in range(96, 3_600_000, 96):
        policy.hear(to_ms, [0.0] * 3)
    assert policy.keep_from_ms > 3_500_000


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
            _paced(recording.pcm, 480),
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


@every_policy
@given(
    recording=recordings(),
    levels=st.lists(
        st.tuples(st.integers(0, 60_000), st.sampled_from(["full", "longer-hops", "finals-only"])),
        max_size=6,
    ),
)
def test_no_step_of_the_ladder_loses_a_word(
    name: PolicyName, recording: Recording, levels: Sequence[tuple[int, QualityLevel]]
) -> None:
    policy = WatchedPolicy(build_policy(default_dials(name), frame_ms=32, language="fr"))
    assert _drive(policy, recording, levels=levels) == recording.texts


@every_policy
@given(recording=recordings(), broken=st.sampled_from([1, 2, 3, 7]))
def test_an_engine_that_fails_holds_nothing_up(
    name: PolicyName, recording: Recording, broken: int
) -> None:
    """Every `broken`th decode is abandoned; order and times are checked by `WatchedPolicy`."""
    policy = WatchedPolicy(build_policy(default_dials(name), frame_ms=32, language="fr"))
    words = _drive(policy, recording, broken=broken)
    assert set(words) <= set(recording.texts)
    assert broken > 1 or not words


@every_policy
@given(recording=recordings(least_end_ms=1_000), stop_ms=st.integers(0, 60_000))
def test_a_restart_at_any_moment_loses_no_word(
    name: PolicyName, recording: Recording, stop_ms: int
) -> None:
    """The process stops and begins anew with what was committed."""
    dials = default_dials(name)
    heard_ms = min(stop_ms, recording.duration_ms)
    committed: list[Word] = []
    first = WatchedPolicy(build_policy(dials, frame_ms=32, language="fr"))
    _drive(first, recording, until_ms=heard_ms, committed=committed)
    decided_ms = committed[-1].end_ms if committed else 0
    start_ms = max(0, decided_ms - dials.context_ms - 2_000)
    second = build_policy(
        dials,
        frame_ms=32,
        language="fr",
        start_ms=start_ms,
        decided_ms=decided_ms,
        committed=committed,
    )
    _drive(WatchedPolicy(second), recording, start_ms=start_ms, committed=committed)
    assert [word.text for word in committed] == recording.texts


def _drive(
    policy: WatchedPolicy,
    recording: Recording,
    *,
    start_ms: int = 0,
    until_ms: int | None = None,
    levels: Sequence[tuple[int, QualityLevel]] = (),
    broken: int = 0,
    committed: list[Word] | None = None,
) -> list[str]:
    """Run a policy by itself over a recording, or a part of it; return the committed texts."""
    pcm = recording.pcm
    listener = Listener(FakeRecognizer(RecognitionDials(cut_words="dropped")))
    vad = FakeVad().open()
    words = committed if committed is not None else []
    end_ms = len(pcm) // 16
    decodes = 0

    def answer() -> None:
        nonlocal decodes
        while (request := policy.request()) is not None:
            assert isinstance(request, DecodeRequest)
            decodes += 1
            if broken and decodes % broken == 0:
                words.extend(policy.abandon(request).committed)
                continue
            window = AudioWindow(pcm[request.from_ms * 16 : request.to_ms * 16], request.from_ms)
            # What failed left holes: the prefix is then not all that the window holds.
            prefix = "" if broken else request.prefix
            options = RecognitionOptions(language=request.language, prefix=prefix)
            heard = run(listener.transcribe(window, options))
            words.extend(policy.accept(request, heard).committed)

    at_ms = start_ms
    while at_ms + 96 <= min(end_ms, until_ms if until_ms is not None else end_ms):
        policy.hear(at_ms + 96, vad.push(pcm[at_ms * 16 : (at_ms + 96) * 16]))
        at_ms += 96
        for change_ms, level in levels:
            if at_ms - 96 < change_ms <= at_ms:
                policy.quicken(level)
        answer()
    if until_ms is None:
        policy.hear(end_ms, vad.push(pcm[at_ms * 16 :]))
        policy.end(end_ms)
        answer()
        assert policy.done
    return [word.text for word in words]
