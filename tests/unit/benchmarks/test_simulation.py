"""The simulated clock: one stream, many streams, lag by the cost model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.corpora import Recording
from benchmarks.costs import TWO_CORES, CostModel, tokens_of
from benchmarks.scores import figures_of, tail_erasure
from benchmarks.simulation import Listening, Simulated, Stream, simulate
from greffier_models.types import Hypothesis, Word
from greffier_server.core.policies import PolicyName, build_policy, default_dials
from greffier_server.core.policy import DecodeRequest, IdentifyRequest

pytestmark = pytest.mark.unit

FRAME_MS = 32
FREE = replace(
    TWO_CORES, encode_s=((0, 0.0),), token_s=((1, 0.0),), align_s=0.0, alone=1.0, workers=1
)


class _Perfect:
    """Knows every word, and hears those that end within the window, behind the prefix."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self.asked: list[DecodeRequest] = []

    def decode(self, request: DecodeRequest) -> Hypothesis:
        self.asked.append(request)
        heard = [w for w in self._words if request.from_ms <= w.start_ms < request.to_ms]
        return Hypothesis(tuple(heard[len(request.prefix.split()) :]), request.language or "fr")

    def identify(self, request: IdentifyRequest) -> dict[str, float]:
        del request
        return {"fr": 0.99, "en": 0.01}


def _talk(seconds: int, *, language: str = "fr") -> Listening:
    """A word of 400 ms each half second, then two seconds of silence."""
    words = [Word(f" w{at}", at * 500, at * 500 + 400, 0.95) for at in range(seconds * 2)]
    duration_ms = seconds * 1000 + 2_000
    recording = Recording("r", Path("r"), language, duration_ms, "".join(w.text for w in words))
    frames = duration_ms // FRAME_MS
    speech = seconds * 1000 // FRAME_MS
    probabilities = [1.0] * speech + [0.0] * (frames - speech)
    return Listening(recording, probabilities, FRAME_MS, _Perfect(words))


def _stream(talk: Listening, name: PolicyName = "alignatt", *, starts_ms: int = 0) -> Stream:
    language = talk.recording.language
    policy = build_policy(
        default_dials(name),
        frame_ms=FRAME_MS,
        language=None if language == "auto" else language,
        expected=("fr", "en"),
    )
    return Stream(talk, policy, starts_ms)


@pytest.mark.parametrize("name", ["alignatt", "local-agreement", "utterance"])
@pytest.mark.parametrize("language", ["fr", "auto"])
def test_every_word_is_heard_once(name: PolicyName, language: str) -> None:
    (result,) = simulate([_stream(_talk(9, language=language), name)])
    assert result.text == result.recording.text.strip()
    figures = figures_of([result])
    assert figures.wer == 0
    assert figures.erased_words == 0
    assert figures.commit_lag_p50_ms > 0


def test_the_order_of_the_policies_is_as_expected() -> None:
    lags = {
        name: figures_of(simulate([_stream(_talk(9), name)])).commit_lag_p50_ms
        for name in ("alignatt", "local-agreement", "utterance")
    }
    assert lags["alignatt"] < lags["utterance"]
    assert lags["local-agreement"] < lags["utterance"]


def test_a_decode_takes_as_long_as_the_costs_say() -> None:
    free = figures_of(simulate([_stream(_talk(6))], costs=FREE))
    slow = figures_of(simulate([_stream(_talk(6))], costs=replace(FREE, align_s=0.5)))
    assert slow.commit_lag_p50_ms == pytest.approx(free.commit_lag_p50_ms + 500)
    assert free.machine_load == 0
    assert slow.machine_load == pytest.approx(slow.decodes * 0.5 / 8.0)


def test_streams_share_the_workers() -> None:
    costs = replace(FREE, align_s=0.3, batch=1)
    alone = figures_of(simulate([_stream(_talk(6))], costs=costs))
    crowd = simulate([_stream(_talk(6)) for _ in range(3)], costs=costs)
    assert figures_of(crowd).commit_lag_p95_ms >= alone.commit_lag_p95_ms + 300
    helped = simulate([_stream(_talk(6)) for _ in range(3)], costs=replace(costs, workers=3))
    # Three workers of a third of the speed each: no faster together, but no queue either.
    assert figures_of(helped).machine_load == figures_of(crowd).machine_load


def test_an_overloaded_machine_makes_streams_step_down_and_loses_nothing() -> None:
    costs = replace(FREE, align_s=0.9, batch=1)
    crowd = simulate([_stream(_talk(20)) for _ in range(3)], costs=costs)
    assert all(result.levels[0][1] == "longer-hops" for result in crowd)
    assert all(result.text == result.recording.text.strip() for result in crowd)


def test_a_stream_that_begins_later_is_timed_from_its_own_beginning() -> None:
    first, second = simulate([_stream(_talk(6)), _stream(_talk(6), starts_ms=60_000)], costs=FREE)
    assert [a.at_ms for a in first.arrivals] == [a.at_ms for a in second.arrivals]


def test_the_same_run_gives_the_same_figures() -> None:
    runs = [
        figures_of(simulate([_stream(_talk(8), starts_ms=at * 300) for at in range(4)]))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


def test_costs_lie_on_the_measured_points() -> None:
    request = DecodeRequest(0, 8_000, "fr", fill_ms=15_000)
    assert TWO_CORES.request_s(request, answer_tokens=19) == pytest.approx(0.059 + 0.044 + 0.012)
    four = TWO_CORES.request_s(request, answer_tokens=19, batch=4)
    assert four == pytest.approx(0.059 + 0.027 + 0.012)
    long = DecodeRequest(0, 17_500, "fr", fill_ms=15_000)
    assert TWO_CORES.request_s(long, answer_tokens=0) == pytest.approx((0.059 + 0.10) / 2 + 0.012)
    forced = replace(request, prefix="x" * 36)
    more_s = TWO_CORES.request_s(forced, answer_tokens=0) - TWO_CORES.request_s(
        request, answer_tokens=0
    )
    assert more_s == pytest.approx(tokens_of("x" * 36) * 0.044 / 19)


def test_a_worker_alone_is_quicker_than_one_of_two_but_slower_than_the_machine() -> None:
    costs: CostModel = TWO_CORES
    assert 1.0 < costs.elapsed_s(1.0, busy=1) < costs.elapsed_s(1.0, busy=2) == 2.0


def test_silence_costs_nothing() -> None:
    recording = Recording("r", Path("r"), "fr", 9_600, "")
    silence = Listening(recording, [0.0] * 300, FRAME_MS, _Perfect(()))
    (result,) = simulate([_stream(silence)])
    assert (result.decodes, result.machine_s, result.text) == (0, 0.0, "")


def test_erasure_counts_words_shown_and_taken_back() -> None:
    (result,) = simulate([_stream(_talk(6))], costs=FREE)
    assert tail_erasure(result.arrivals) == (0, 0)
    changed = Simulated(result.recording)
    for place, arrival in enumerate(result.arrivals):
        tail = f" x{place}" + arrival.caption.tail
        changed.arrivals.append(replace(arrival, caption=replace(arrival.caption, tail=tail)))
    erased, revised = tail_erasure(changed.arrivals)
    assert erased == 0
    assert revised > 0
