"""What the clock decides is kept with what rests on it, and nothing else is."""

from collections.abc import Sequence

import pytest

from greffier.protocol import QualityLevel
from greffier_models.types import Hypothesis, Word
from greffier_server.core.events import (
    DecisionsTimed,
    RecognitionBegun,
    SegmentClosed,
    TailRevised,
    WordsCommitted,
)
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome
from greffier_server.pipeline.pace import Tempo
from greffier_server.pipeline.timing import POISONED, UNANSWERED, Opening, Timing

pytestmark = pytest.mark.unit

WORDS = WordsCommitted(1, (Word(" a", 0, 100, 0.9),))
TAIL = TailRevised(1, " b", 100, 200)
CLOSED = SegmentClosed(1, 0, 100)
SLOW = Tempo("longer-hops", 1_700)


class _Policy:
    """Asks where enough new audio has gathered."""

    def __init__(self) -> None:
        self.new_ms = 0
        self.hop_ms = 0
        self.level: QualityLevel = "full"
        self.language: str | None = "en"
        self.done = self.paused = False
        self.keep_from_ms = 0

    def hear(self, to_ms: int, probabilities: Sequence[float]) -> None: ...

    def end(self, to_ms: int) -> None: ...

    def request(self) -> DecodeRequest | None:
        return DecodeRequest(0, 1, "en") if self.new_ms >= max(1_000, self.hop_ms) else None

    def accept(self, request: DecodeRequest, hypothesis: Hypothesis) -> Outcome:
        return Outcome()

    def abandon(self, request: DecodeRequest) -> Outcome:
        return Outcome()

    def identified(self, request: IdentifyRequest, scores: dict[str, float]) -> Outcome:
        return Outcome()

    def quicken(self, level: QualityLevel) -> None:
        self.level = level

    def pace(self, hop_ms: int) -> None:
        self.hop_ms = hop_ms


def begun() -> RecognitionBegun:
    return RecognitionBegun("e", "m", "", "", "alignatt", {}, {}, (), 0, {})


def test_a_tempo_that_changes_nothing_is_not_taken_over() -> None:
    policy = _Policy()
    timing = Timing(policy)
    policy.new_ms = 500
    assert timing.request(500, SLOW) is None
    policy.new_ms = 2_000
    assert timing.request(2_000, SLOW) is not None
    assert timing.with_decisions([WORDS]) == [WORDS]
    assert (policy.hop_ms, policy.level) == (0, "full")


def test_one_that_holds_a_decode_back_is_recorded_with_the_next_words() -> None:
    policy = _Policy()
    timing = Timing(policy, 2)
    policy.new_ms = 1_200
    assert timing.request(1_200, SLOW) is None
    assert timing.request(1_296, SLOW) is None
    policy.new_ms = 1_800
    assert timing.request(1_800, SLOW) is not None
    closed, words = timing.with_decisions([CLOSED, WORDS])
    assert closed == CLOSED
    assert isinstance(words, WordsCommitted)
    assert words.paced == ((1_200, 1_700, 1),)
    assert timing.with_decisions([WORDS]) == [WORDS]


def test_one_that_lets_a_decode_go_sooner_is_recorded() -> None:
    policy = _Policy()
    timing = Timing(policy)
    policy.new_ms = 1_200
    timing.request(1_200, SLOW)
    assert timing.request(1_300, Tempo()) is not None
    assert timing.with_decisions([CLOSED])[0] == DecisionsTimed(
        0, ((1_200, 1_700, 1), (1_300, 0, 0))
    )


def test_tails_rest_on_nothing_durable() -> None:
    opening = Opening(begun())
    policy = _Policy()
    timing = Timing(policy, opening=opening)
    policy.new_ms = 1_200
    timing.request(1_200, SLOW)
    assert timing.with_decisions([TAIL]) == [TAIL]
    first, timed, closed = timing.with_decisions([CLOSED])
    assert isinstance(first, RecognitionBegun)
    assert isinstance(timed, DecisionsTimed)
    assert closed == CLOSED


def test_the_opening_is_recorded_once_for_all_channels() -> None:
    opening = Opening(begun())
    channels = [Timing(_Policy(), number, opening=opening) for number in (1, 2)]
    recorded = [channel.with_decisions([CLOSED]) for channel in channels]
    assert [len(events) for events in recorded] == [2, 1]


def test_what_was_given_up_is_counted_within_a_step() -> None:
    policy = _Policy()
    timing = Timing(policy)
    policy.new_ms = 1_000
    timing.request(1_000, Tempo())
    assert timing.loss() is None
    assert timing.loss() is None
    timing.give_up(POISONED)
    timing.request(1_000, Tempo())  # the end of the audio, at the same time
    assert timing.loss() is None
    timing.give_up(UNANSWERED)
    timed = timing.with_decisions([WORDS])[0]
    assert timed == DecisionsTimed(0, (), ((1_000, 1, POISONED), (1_000, 2, UNANSWERED)))
    assert isinstance(timed, DecisionsTimed)

    again = Timing(_Policy(), given_up=frozenset(timed.given_up))
    again.request(1_000, Tempo())
    assert [again.loss(), again.loss(), again.loss()] == [None, POISONED, UNANSWERED]
    again.request(2_000, Tempo())
    assert again.loss() is None
