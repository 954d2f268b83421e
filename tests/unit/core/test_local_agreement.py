"""LocalAgreement-2: what two decodes agree on, and where the buffer is trimmed."""

import pytest

from greffier_models.types import Hypothesis, Word
from greffier_server.core.local_agreement import LocalAgreementPolicy, LocalAgreementSettings
from greffier_server.core.policy import DecodeRequest

pytestmark = pytest.mark.unit

FRAME_MS = 32


def _hear(policy: LocalAgreementPolicy, *, speech: bool, ms: int) -> None:
    frames = ms // FRAME_MS
    policy.hear(policy.heard_ms + frames * FRAME_MS, [float(speech)] * frames)


def _decode(policy: LocalAgreementPolicy) -> DecodeRequest:
    request = policy.request()
    assert isinstance(request, DecodeRequest)
    return request


def _said(*words: tuple[str, int, int]) -> Hypothesis:
    return Hypothesis(tuple(Word(text, start, end, 0.9) for text, start, end in words), "fr")


def _texts(words: tuple[Word, ...]) -> list[str]:
    return [word.text for word in words]


def test_the_common_prefix_of_two_decodes_is_committed() -> None:
    policy = LocalAgreementPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=1_024)
    first = policy.accept(_decode(policy), _said((" Le", 0, 300), (" veau", 300, 1_000)))
    assert first.committed == ()
    assert _texts(first.tail) == [" Le", " veau"]
    _hear(policy, speech=True, ms=1_024)
    second = policy.accept(
        _decode(policy), _said((" le", 0, 300), (" vote", 300, 1_000), (" a", 1_000, 2_000))
    )
    assert _texts(second.committed) == [" le"]
    assert _texts(second.tail) == [" vote", " a"]
    _hear(policy, speech=True, ms=1_024)
    request = _decode(policy)
    assert (request.from_ms, request.prefix) == (0, " le")
    third = policy.accept(
        request, _said((" vote,", 300, 1_000), (" a", 1_000, 1_600), (" lieu", 1_600, 3_000))
    )
    assert _texts(third.committed) == [" vote,", " a"]


def test_the_same_word_somewhere_else_is_no_agreement() -> None:
    policy = LocalAgreementPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=1_024)
    policy.accept(_decode(policy), _said((" oui", 0, 300)))
    _hear(policy, speech=True, ms=1_024)
    outcome = policy.accept(_decode(policy), _said((" oui", 1_200, 1_500)))
    assert outcome.committed == ()


def test_a_pause_commits_without_a_second_decode() -> None:
    policy = LocalAgreementPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    outcome = policy.accept(_decode(policy), _said((" Oui.", 0, 900)))
    assert _texts(outcome.committed) == [" Oui."]
    assert outcome.paused
    assert policy.paused


def test_a_long_buffer_begins_behind_the_last_whole_sentence() -> None:
    settings = LocalAgreementSettings(buffer_ms=5_000)
    policy = LocalAgreementPolicy(
        frame_ms=FRAME_MS,
        language="fr",
        settings=settings,
        decided_ms=6_000,
        committed=[
            Word(" Bonjour.", 1_000, 2_000, 0.9),
            Word(" Merci.", 2_000, 3_000, 0.9),
            Word(" Le", 3_000, 4_000, 0.9),
            Word(" vote", 4_000, 6_000, 0.9),
        ],
    )
    _hear(policy, speech=True, ms=8_000)
    request = _decode(policy)
    assert request.prefix == " Le vote"
    assert request.from_ms == 2_940


def test_a_short_buffer_keeps_all_that_was_said() -> None:
    before = [Word(" Bonjour.", 1_000, 2_000, 0.9), Word(" Merci.", 2_000, 3_000, 0.9)]
    policy = LocalAgreementPolicy(
        frame_ms=FRAME_MS, language="fr", decided_ms=3_000, committed=before
    )
    _hear(policy, speech=True, ms=8_000)
    assert _decode(policy).prefix == " Bonjour. Merci."


def test_running_speech_without_a_full_stop_stays_within_the_window() -> None:
    policy = LocalAgreementPolicy(frame_ms=FRAME_MS, language="fr")
    longest_ms, committed = 0, 0
    for second in range(60):
        _hear(policy, speech=True, ms=1_024)
        request = policy.request()
        if not isinstance(request, DecodeRequest):
            continue
        longest_ms = max(longest_ms, request.to_ms - request.from_ms)
        words = [(f" w{at // 500}", at, at + 500) for at in range(0, request.to_ms - 499, 500)][
            committed:
        ]
        committed += len(policy.accept(request, _said(*words)).committed)
        assert policy.keep_from_ms <= request.from_ms
        assert second < 3 or committed > 2 * (second - 3), "it goes on committing"
    assert longest_ms <= 18_500  # 15 s of committed audio, the hops behind it


def test_the_ladder_never_makes_a_slow_policy_quicker() -> None:
    policy = LocalAgreementPolicy(
        frame_ms=FRAME_MS, language="fr", settings=LocalAgreementSettings(hop_ms=4_000)
    )
    policy.quicken("longer-hops")
    _hear(policy, speech=True, ms=3_008)
    assert policy.request() is None


def test_an_engine_that_cannot_answer_loses_the_closing_window_only() -> None:
    policy = LocalAgreementPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    outcome = policy.abandon(_decode(policy))
    assert (outcome.committed, outcome.withheld, outcome.paused) == ((), (), True)
    _hear(policy, speech=True, ms=1_024)
    assert _decode(policy).from_ms >= 992
