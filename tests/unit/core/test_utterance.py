"""Whole utterances: a pause or a full window commits, nothing else does."""

import pytest

from greffier_models.types import Hypothesis, Word
from greffier_server.core.policy import DecodeRequest, IdentifyRequest
from greffier_server.core.utterance import UtterancePolicy, UtteranceSettings

pytestmark = pytest.mark.unit

FRAME_MS = 32


def _hear(policy: UtterancePolicy, *, speech: bool, ms: int) -> None:
    frames = ms // FRAME_MS
    policy.hear(policy.heard_ms + frames * FRAME_MS, [float(speech)] * frames)


def _decode(policy: UtterancePolicy) -> DecodeRequest:
    request = policy.request()
    assert isinstance(request, DecodeRequest)
    return request


def _said(*words: tuple[str, int, int], probability: float = 0.9) -> Hypothesis:
    return Hypothesis(tuple(Word(t, a, b, probability) for t, a, b in words), "fr")


def test_nothing_is_committed_before_the_pause() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    for _ in range(10):
        _hear(policy, speech=True, ms=1_024)
        outcome = policy.accept(_decode(policy), _said((" Oui", 100, 400), (" oui", 400, 800)))
        assert outcome.committed == ()
        assert len(outcome.tail) == 2
    _hear(policy, speech=False, ms=640)
    request = _decode(policy)
    assert (request.from_ms, request.closing) == (0, True)
    outcome = policy.accept(request, _said((" Oui", 100, 400), (" oui", 400, 10_200)))
    assert len(outcome.committed) == 2
    assert outcome.tail == ()
    assert outcome.paused


def test_the_end_of_the_audio_is_a_pause() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=480)
    policy.end(490)
    request = _decode(policy)
    assert (request.to_ms, request.closing) == (490, True)
    assert not policy.done
    policy.accept(request, _said((" Oui", 100, 400)))
    assert policy.done


def test_a_full_window_is_decided_up_to_a_guard() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=40_000)
    request = _decode(policy)
    assert (request.from_ms, request.to_ms, request.full) == (0, 28_000, True)
    outcome = policy.accept(
        request, _said((" Le", 100, 400), (" vote", 25_600, 26_500), (" a", 26_500, 28_000))
    )
    assert [word.text for word in outcome.committed] == [" Le", " vote"]
    assert [word.text for word in outcome.tail] == [" a"]
    following = _decode(policy)
    assert following.prefix == " vote"
    assert following.to_ms == policy.heard_ms


def test_a_full_window_with_one_endless_word_moves_on() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=40_000)
    outcome = policy.accept(_decode(policy), _said((" oooh", 0, 28_000)))
    assert [word.text for word in outcome.committed] == [" oooh"]
    assert _decode(policy).from_ms > 0


def test_speech_that_gave_no_words_is_asked_for_again_then_told() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=2_016)
    _hear(policy, speech=False, ms=640)
    first = policy.accept(_decode(policy), _said())
    assert not first.paused
    second = policy.accept(_decode(policy), _said())
    assert second.paused
    assert [doubt.reason for doubt in second.withheld] == ["no_text"]


def test_invented_words_are_withheld_at_the_pause() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    invented = Hypothesis(
        (Word(" Sous-titrage", 100, 900, 0.9),),
        "fr",
        no_speech_probability=0.9,
        mean_logprob=-0.5,
    )
    outcome = policy.accept(_decode(policy), invented)
    assert outcome.committed == ()
    assert [doubt.reason for doubt in outcome.withheld] == ["stock_phrase"]


def test_the_language_is_asked_for_first_where_it_is_followed() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, expected=["fr", "en"])
    _hear(policy, speech=True, ms=2_016)
    identify = policy.request()
    assert isinstance(identify, IdentifyRequest)
    assert identify.candidates == ("en", "fr")
    assert policy.identified(identify, {"en": 0.99, "fr": 0.01}).language == "en"
    assert _decode(policy).language == "en"


def test_a_doubtful_decode_asks_for_the_language_anew() -> None:
    policy = UtterancePolicy(frame_ms=FRAME_MS, expected=["fr", "en"])
    _hear(policy, speech=True, ms=2_016)
    identify = policy.request()
    assert isinstance(identify, IdentifyRequest)
    policy.identified(identify, {"en": 0.99, "fr": 0.01})
    policy.accept(_decode(policy), _said((" zut", 0, 900), probability=0.1))
    _hear(policy, speech=True, ms=1_024)
    assert isinstance(policy.request(), IdentifyRequest)


def test_a_restart_goes_on_behind_what_was_decided() -> None:
    before = [Word(" Le", 8_000, 8_400, 1.0), Word(" vote", 8_400, 9_000, 1.0)]
    policy = UtterancePolicy(
        frame_ms=FRAME_MS, language="fr", start_ms=2_000, decided_ms=9_000, committed=before
    )
    _hear(policy, speech=True, ms=6_976)
    assert policy.request() is None, "what is decided is not decoded again"
    _hear(policy, speech=True, ms=1_056)
    request = _decode(policy)
    assert (request.prefix, request.from_ms) == (" Le vote", 7_940)
    outcome = policy.accept(request, _said((" a", 8_500, 9_200)))
    assert outcome.tail[0].start_ms == 9_000


def test_without_context_each_utterance_stands_alone() -> None:
    settings = UtteranceSettings(context_ms=0)
    policy = UtterancePolicy(frame_ms=FRAME_MS, language="fr", settings=settings)
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    policy.accept(_decode(policy), _said((" Le", 0, 400), (" vote", 400, 990)))
    _hear(policy, speech=True, ms=1_024)
    assert _decode(policy).prefix == ""
