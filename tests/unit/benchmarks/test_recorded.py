"""Recorded hypotheses: files, exact answers, the nearest ones."""

import gzip
from pathlib import Path

import pytest

from benchmarks.recorded import Asked, Recorded, RecordedAnswers, load_recorded, save_recorded
from greffier_models.types import Hypothesis, Word
from greffier_server.core.policy import DecodeRequest, IdentifyRequest

pytestmark = pytest.mark.unit


def _asked(
    to_ms: int, *words: str, from_ms: int = 0, prefix: str = "", by: str = "a", language: str = "fr"
) -> Asked:
    """Words of 500 ms each, behind those of the prefix."""
    first = from_ms + 500 * len(prefix.split())
    heard = tuple(
        Word(word, first + place * 500, first + place * 500 + 400, 0.9)
        for place, word in enumerate(words)
    )
    request = DecodeRequest(from_ms, to_ms, language, prefix)
    return Asked(request, Hypothesis(heard, language, mean_logprob=-0.25), frozenset({by}))


def _recorded(*asked: Asked) -> Recorded:
    identified = ((IdentifyRequest(0, 2_000), {"fr": 0.9, "en": 0.1}),)
    return Recorded("r", "whisper-base", 32, (0.0, 0.125, 1.0), asked, identified)


def _texts(answer: Hypothesis) -> list[str]:
    return [word.text for word in answer.words]


def test_a_file_holds_what_was_recorded(tmp_path: Path) -> None:
    recorded = _recorded(
        _asked(2_000, " Le", " vote", by="a"), _asked(3_000, " a", prefix=" Le vote", by="b")
    )
    path = tmp_path / "r.json.gz"
    save_recorded(recorded, path)
    assert load_recorded(path) == recorded
    before = path.read_bytes()
    save_recorded(load_recorded(path), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", gzip.compress(b"{}"), gzip.compress(b"[1")],
    ids=["empty", "not-packed", "no-list", "cut"],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.json.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no recorded hypotheses"):
        load_recorded(path)


def test_a_known_request_is_answered_exactly() -> None:
    asked = _asked(2_000, " Le", " vote")
    answers = RecordedAnswers(_recorded(asked, _asked(1_900, " Leu")))
    assert answers.decode(asked.request) == asked.hypothesis
    assert (answers.exact, answers.near, answers.unknown) == (1, 0, 0)


def test_another_request_is_answered_from_the_nearest_behind_its_prefix() -> None:
    answers = RecordedAnswers(
        _recorded(
            _asked(2_000, " Le", " vote"),
            _asked(2_500, " Le", " vote,", " a", " lieu"),
            _asked(2_800, " jamais", " entendu"),
        )
    )
    answer = answers.decode(DecodeRequest(0, 2_600, "fr", " le vote"))
    assert _texts(answer) == [" a", " lieu"]
    assert answer.words[0].start_ms == 1_000
    assert answer.mean_logprob == -0.25
    assert (answers.exact, answers.near, answers.unknown) == (0, 1, 0)


def test_a_hypothesis_whose_own_prefix_goes_further_does_not_serve() -> None:
    answers = RecordedAnswers(_recorded(_asked(2_500, " lieu", prefix=" Le vote a")))
    assert _texts(answers.decode(DecodeRequest(0, 2_600, "fr", " Le"))) == []
    assert answers.unknown == 1


def test_a_prefix_heard_differently_is_still_found() -> None:
    answers = RecordedAnswers(_recorded(_asked(2_500, " Le", " veau", " a", " lieu")))
    assert _texts(answers.decode(DecodeRequest(0, 2_600, "fr", " Le vote a"))) == [" lieu"]


def test_without_a_prefix_time_tells() -> None:
    answers = RecordedAnswers(_recorded(_asked(2_500, " Le", " vote", " a")))
    assert _texts(answers.decode(DecodeRequest(500, 2_600, "fr"))) == [" vote", " a"]


@pytest.mark.parametrize(
    "request_",
    [
        DecodeRequest(0, 1_999, "fr"),  # it would be told the future
        DecodeRequest(0, 9_000, "fr"),  # nothing was heard of the last seconds
        DecodeRequest(0, 2_000, "en"),
        DecodeRequest(0, 2_000, "fr", " rien de tout cela"),
    ],
)
def test_what_nobody_asked_is_unknown(request_: DecodeRequest) -> None:
    answers = RecordedAnswers(_recorded(_asked(2_000, " Le", " vote")))
    answer = answers.decode(request_)
    assert answer.words == ()
    assert answers.unknown == 1


def test_one_policy_can_be_left_out() -> None:
    shared = Asked(*_asked_parts(), frozenset({"a", "b"}))
    recorded = _recorded(shared, _asked(3_000, " seul", by="a"))
    assert recorded.without("a").asked == (shared,)
    assert recorded.without("b").asked == recorded.asked


def _asked_parts() -> tuple[DecodeRequest, Hypothesis]:
    asked = _asked(2_000, " Le")
    return asked.request, asked.hypothesis


def test_the_language_is_that_of_the_stretch_that_fits_best() -> None:
    answers = RecordedAnswers(_recorded())
    assert answers.identify(IdentifyRequest(100, 2_100)) == {"fr": 0.9, "en": 0.1}
    nothing = Recorded("r", "m", 32, (), (), ())
    assert RecordedAnswers(nothing).identify(IdentifyRequest(0, 1_000)) == {}
