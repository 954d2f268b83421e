"""Whatever a recogniser does, clients of other protocols get every word once, and in order."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from greffier_models.types import Word
from greffier_server.core.events import Event, Recorded
from greffier_server.core.segments import Segmenter
from greffier_server.transport.deepgram.asked import Listen
from greffier_server.transport.deepgram.results import ResultsMapping
from greffier_server.transport.vosk.asked import Configuration
from greffier_server.transport.vosk.utterances import Utterances
from greffier_server.transport.whisperlive.asked import Greeting
from greffier_server.transport.whisperlive.segments import SegmentsMapping
from tests.support.spoken_log import batch

pytestmark = pytest.mark.property

STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # words that are decided
        st.integers(0, 2),  # words that are seen behind them
        st.integers(0, 2_500),  # silence before
        st.sampled_from(["", ".", ",", " ?"]),
    ),
    min_size=1,
    max_size=12,
)
CUTS = st.lists(st.integers(1, 5), min_size=1, max_size=40)


def _log(steps: Sequence[tuple[int, int, int, str]]) -> tuple[list[Recorded], list[str]]:
    """A log as the recogniser's own segmenter writes it, and the words that it commits."""
    segmenter = Segmenter()
    events: list[Event] = []
    said: list[str] = []
    at = 0
    for decided, seen, silence_ms, mark in steps:
        at += silence_ms
        words = [Word(f" m{len(said) + i}", at + i * 300, at + i * 300 + 250, 0.8)
                 for i in range(decided + seen)]  # fmt: skip
        kept = words[:decided]
        if kept and mark:
            last = kept[-1]
            kept[-1] = Word(last.text + mark, last.start_ms, last.end_ms, last.probability)
        events += segmenter.commit(kept, language="fr", lag_ms=0)
        events += segmenter.tail(words[decided:], language="fr", lag_ms=0)
        said += [word.text for word in kept]
        at += decided * 300
        if not seen:
            events += segmenter.silence(at + silence_ms)
    events += segmenter.finish()
    return batch(*events), said


def _cut(records: list[Recorded], lengths: Sequence[int]) -> list[list[Recorded]]:
    """Batches of any size: readers are slow or quick."""
    parts: list[list[Recorded]] = []
    at = 0
    while at < len(records):
        length = lengths[len(parts) % len(lengths)]
        parts.append(records[at : at + length])
        at += length
    return parts


@given(STEPS, CUTS)
def test_deepgram_gets_every_word_once(
    steps: list[tuple[int, int, int, str]], cuts: list[int]
) -> None:
    records, said = _log(steps)
    asked = Listen.read(QueryParams("interim_results=true&vad_events=true&utterance_end_ms=1000"))
    mapping = ResultsMapping(asked, channels=1, metadata={})
    told: list[dict[str, Any]] = []
    for part in _cut(records, cuts):
        told += mapping.messages(part)
    results = [one for one in told if one["type"] == "Results"]
    finals = [one for one in results if one["is_final"]]
    texts = [one["channel"]["alternatives"][0]["transcript"] for one in finals]
    assert " ".join(text for text in texts if text) == "".join(said).strip()
    for before, after in pairwise(finals):
        assert abs(before["start"] + before["duration"] - after["start"]) < 0.0015
    words = [word for one in finals for word in one["channel"]["alternatives"][0]["words"]]
    assert [word["word"] for word in words] == [f"m{i}" for i in range(len(said))]
    ended = 0.0
    for one in results:  # an interim never reaches back over what is final
        assert one["start"] >= ended - 0.0015
        if one["is_final"]:
            ended = one["start"] + one["duration"]


@given(STEPS, CUTS, st.booleans())
def test_vosk_gets_every_word_once(
    steps: list[tuple[int, int, int, str]], cuts: list[int], answered: bool
) -> None:
    records, said = _log(steps)
    asked = Configuration()
    utterances = Utterances()
    told: list[dict[str, Any]] = []
    for part in _cut(records, cuts):
        utterances.take(part)
        if answered:
            told.append(utterances.answer(asked))
    told.append(utterances.last(asked))
    words = [word["word"] for one in told for word in one.get("result", [])]
    assert words == [f"m{i}" for i in range(len(said))]


@given(STEPS, CUTS)
def test_whisperlives_client_keeps_every_word_once(
    steps: list[tuple[int, int, int, str]], cuts: list[int]
) -> None:
    records, said = _log(steps)
    mapping = SegmentsMapping(Greeting.read({"uid": "u", "send_last_n_segments": 1_000}))
    kept: list[dict[str, Any]] = []
    for part in _cut(records, cuts):
        for message in mapping.messages(part):
            assert message["segments"]
            for segment in message["segments"]:  # as `Client.process_segments` does
                begins = float(segment["start"])
                if segment["completed"] and (not kept or begins >= float(kept[-1]["end"])):
                    kept.append(segment)
    assert "".join(segment["text"] for segment in kept) == "".join(said)
