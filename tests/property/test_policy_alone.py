"""Laws of a policy by itself: through the ladder, failing engines, restarts and silence."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier.protocol import QualityLevel
from greffier_models.fakes import FakeRecognizer, FakeVad, RecognitionDials
from greffier_models.types import AudioWindow, RecognitionOptions, Word
from greffier_server.core.policies import POLICY_NAMES, PolicyName, build_policy, default_dials
from greffier_server.core.policy import DecodeRequest
from tests.support.recordings import (
    Listener,
    Recording,
    WatchedPolicy,
    recording_of,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.property


every_policy = pytest.mark.parametrize("name", POLICY_NAMES)


@every_policy
def test_an_hour_of_silence_is_not_kept(name: PolicyName) -> None:
    policy = build_policy(default_dials(name), frame_ms=32, language="fr")
    for to_ms in range(96, 3_600_000, 96):
        policy.hear(to_ms, [0.0] * 3)
    assert policy.keep_from_ms > 3_500_000


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
@example(
    recording=recording_of(
        [(0, 120), (250, 743), (0, 120), (119, 160), (3_281, 1_200), (873, 1_200)]
    ),
    broken=3,
)
def test_an_engine_that_fails_holds_nothing_up(
    name: PolicyName, recording: Recording, broken: int
) -> None:
    """Every `broken`th decode is abandoned: what it held is lost, the rest stands where it was.

    `Listener` refuses a forced prefix that is not what the window begins with, `WatchedPolicy`
    checks order and times.
    """
    policy = WatchedPolicy(build_policy(default_dials(name), frame_ms=32, language="fr"))
    committed: list[Word] = []
    _drive(policy, recording, broken=broken, committed=committed)
    said = {word.text: word.start_ms for word in recording.words}
    assert all(said[word.text] == word.start_ms for word in committed)
    assert broken > 1 or not committed


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
            prefix = request.prefix
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
