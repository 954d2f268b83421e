"""Decisions of the policy, one at a time."""

from collections.abc import Sequence

import pytest

from greffier_models.types import Hypothesis, Word
from greffier_server.core.alignatt import AlignAttPolicy, AlignAttSettings
from greffier_server.core.policy import DecodeRequest, IdentifyRequest

pytestmark = pytest.mark.unit

FRAME_MS = 32


def _hear(policy: AlignAttPolicy, *, speech: bool, ms: int) -> None:
    frames = ms // FRAME_MS
    policy.hear(policy.heard_ms + frames * FRAME_MS, [float(speech)] * frames)


def _decode(policy: AlignAttPolicy) -> DecodeRequest:
    request = policy.request()
    assert isinstance(request, DecodeRequest)
    return request


def _said(*words: tuple[str, int, int], probability: float = 0.5) -> Hypothesis:
    return Hypothesis(tuple(Word(t, a, b, probability) for t, a, b in words), "fr")


def test_silence_asks_for_nothing() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=False, ms=9_600)
    assert policy.request() is None
    assert policy.paused
    policy.end(9_600)
    assert policy.request() is None
    assert policy.done


def test_running_speech_is_decoded_a_hop_at_a_time() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=960)
    assert policy.request() is None
    _hear(policy, speech=True, ms=96)
    request = _decode(policy)
    assert (request.from_ms, request.to_ms, request.closing) == (0, 1_056, False)
    policy.accept(request, _said())
    assert policy.request() is None
    policy.quicken("longer-hops")
    _hear(policy, speech=True, ms=2_400)
    assert policy.request() is None
    _hear(policy, speech=True, ms=128)
    assert _decode(policy).to_ms == 3_584


@pytest.mark.parametrize(
    ("probability", "seen_before", "hop_ms", "guard_ms"),
    [
        (0.5, False, 800, 1_500),
        (0.95, False, 800, 1_000),
        (0.5, True, 800, 500),
        (0.5, False, 100, 1_995),
        (0.95, False, 100, 1_330),
        (0.5, True, 100, 665),
    ],
)
def test_guards(probability: float, seen_before: bool, hop_ms: int, guard_ms: int) -> None:
    for distance_ms, committed in ((guard_ms - 1, 0), (guard_ms, 1)):
        policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
        policy.pace(hop_ms)
        _hear(policy, speech=True, ms=4_000)
        end_ms = policy.heard_ms - distance_ms
        if seen_before:
            policy.accept(_decode(policy), _said(("oui", 3_500, policy.heard_ms)))
            policy.quicken("full")
            _hear(policy, speech=True, ms=1_024)
            end_ms = policy.heard_ms - distance_ms
        start_ms = 3_500 if seen_before else end_ms - 300
        said = _said((" Oui,", start_ms, end_ms), probability=probability)
        assert len(policy.accept(_decode(policy), said).committed) == committed


@pytest.mark.parametrize(
    ("paces_ms", "beam"),
    [([], 5), ([600], 5), ([601], 1), ([601, 600], 5)],
)
def test_a_wide_search_is_for_a_device_with_room(paces_ms: list[int], beam: int) -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    for hop_ms in paces_ms:
        policy.pace(hop_ms)
    _hear(policy, speech=True, ms=1_024)
    assert _decode(policy).beam_size == beam


def test_below_full_service_the_search_is_narrow() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    policy.quicken("longer-hops")
    _hear(policy, speech=True, ms=3_008)
    assert _decode(policy).beam_size == 1
    policy.quicken("full")
    assert _decode(policy).beam_size == 5


def test_a_pause_commits_all_and_the_next_window_knows_what_was_said() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    request = _decode(policy)
    assert request.closing
    outcome = policy.accept(request, _said((" Le", 0, 400), (" vote", 400, 1_000)))
    assert outcome.paused
    assert "".join(word.text for word in outcome.committed) == " Le vote"
    assert policy.paused
    _hear(policy, speech=True, ms=1_024)
    following = _decode(policy)
    assert (following.from_ms, following.prefix, following.prompt) == (0, " Le vote", "")


def test_after_a_long_silence_the_context_is_dropped() -> None:
    settings = AlignAttSettings(prompt_chars=200)
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr", settings=settings)
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    policy.accept(_decode(policy), _said((" Le", 0, 400), (" vote", 400, 1_000)))
    _hear(policy, speech=False, ms=9_600)
    onset_ms = policy.heard_ms
    _hear(policy, speech=True, ms=1_024)
    request = _decode(policy)
    assert (request.prefix, request.from_ms) == ("", onset_ms - 300)
    assert request.prompt == "Le vote"


def test_a_window_without_context_never_reaches_into_committed_words() -> None:
    """Another language: the words before mislead, and half of one would be said again."""
    policy = AlignAttPolicy(frame_ms=FRAME_MS, expected=["fr", "en"])
    _hear(policy, speech=True, ms=1_984)
    identify = policy.request()
    assert isinstance(identify, IdentifyRequest)
    assert policy.identified(identify, {"fr": 0.99, "en": 0.01}).language == "fr"
    _hear(policy, speech=False, ms=320)
    request = _decode(policy)
    assert request.closing
    policy.accept(request, _said((" Le", 0, 400), (" vote", 400, 1_990)))
    _hear(policy, speech=True, ms=2_048)
    identify = policy.request()
    assert isinstance(identify, IdentifyRequest)
    assert policy.identified(identify, {"en": 0.99, "fr": 0.01}).language == "en"
    following = _decode(policy)
    assert following.language == "en"
    assert following.prefix == ""
    assert following.from_ms >= 1_984


def test_a_word_that_stirs_is_not_cut() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=576)
    policy.accept(_decode(policy), _said())
    _hear(policy, speech=True, ms=32)
    assert policy.request() is None
    _hear(policy, speech=False, ms=32)
    request = _decode(policy)
    assert request.closing
    assert request.to_ms == policy.heard_ms - FRAME_MS


def test_clicks_do_not_hold_up_the_end_for_ever() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=576)
    for _ in range(3):
        _hear(policy, speech=False, ms=64)
        _hear(policy, speech=True, ms=32)
    assert _decode(policy).closing


def test_a_window_that_is_full_is_decided() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=40_000)
    request = _decode(policy)
    assert (request.from_ms, request.to_ms, request.full) == (0, 28_000, True)
    outcome = policy.accept(
        request, _said((" Le", 100, 400), (" vote", 25_600, 27_000), (" a", 27_000, 28_000))
    )
    assert [word.text for word in outcome.committed] == [" Le"]
    following = _decode(policy)
    assert (following.from_ms, following.full) == (25_540, False) or following.from_ms == 25_600
    assert not following.closing


def test_a_full_window_without_words_is_left_behind() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=40_000)
    policy.accept(_decode(policy), _said())
    following = _decode(policy)
    assert following.from_ms == 26_500
    assert following.to_ms == policy.heard_ms


def test_a_policy_goes_on_with_what_was_committed_before_a_restart() -> None:
    before = [Word(" Le", 8_000, 8_400, 1.0), Word(" vote", 8_400, 9_000, 1.0)]
    policy = AlignAttPolicy(
        frame_ms=FRAME_MS, language="fr", start_ms=2_000, decided_ms=9_000, committed=before
    )
    _hear(policy, speech=True, ms=6_976)
    assert policy.request() is None, "what is decided is not decoded again"
    assert not policy.paused
    _hear(policy, speech=True, ms=1_056)
    request = _decode(policy)
    assert (request.prefix, request.from_ms) == (" Le vote", 7_700)
    outcome = policy.accept(request, _said((" a", 8_500, 9_200), (" lieu", 9_200, 9_400)))
    assert outcome.committed == ()
    assert outcome.tail[0].start_ms == 9_000


def test_withheld_words_are_told_when_speech_ends() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    _hear(policy, speech=True, ms=992)
    _hear(policy, speech=False, ms=608)
    words: Sequence[Word] = [Word(" Sous-titrage", 100, 900, 0.9)]
    doubtful = Hypothesis(tuple(words), "fr", no_speech_probability=0.9, mean_logprob=-0.5)
    outcome = policy.accept(_decode(policy), doubtful)
    assert outcome.committed == ()
    assert [doubt.reason for doubt in outcome.withheld] == ["stock_phrase"]
    assert outcome.paused


def _talk(policy: AlignAttPolicy, *, sentences: int, pace_ms: int) -> DecodeRequest:
    """Sentences of two seconds, each committed; the request for the speech behind them."""
    policy.pace(pace_ms)
    for number in range(sentences):
        start_ms = policy.heard_ms
        _hear(policy, speech=True, ms=1_280)
        _hear(policy, speech=False, ms=704)
        said = _said((" Un", start_ms, start_ms + 600), (" mot.", start_ms + 600, start_ms + 1_280))
        policy.accept(_decode(policy), said)
        assert policy.paused, number
    _hear(policy, speech=True, ms=1_056)
    return _decode(policy)


def test_context_begins_with_a_sentence() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    request = _talk(policy, sentences=12, pace_ms=100)
    assert request.prefix.startswith(" Un mot.")
    assert request.prefix.count("mot.") * 2 == len(request.prefix.split())
    reach_ms = policy.settings.context_ms + policy.settings.context_more_ms
    assert policy.settings.context_ms <= policy.heard_ms - request.from_ms <= reach_ms + 2_500
    assert policy.keep_from_ms < request.from_ms


def test_context_is_short_while_there_is_no_room() -> None:
    policy = AlignAttPolicy(frame_ms=FRAME_MS, language="fr")
    request = _talk(policy, sentences=12, pace_ms=1_000)
    assert not request.patient
    assert policy.heard_ms - request.from_ms < policy.settings.tight_context_ms + 2_500
