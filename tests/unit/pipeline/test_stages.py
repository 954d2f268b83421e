"""Which stages a session has, and that nothing upstream reads what is written downstream."""

from collections.abc import Iterable, Mapping
from typing import get_args

import pytest

from greffier.protocol import AudioFormat
from greffier_models.fakes import FakeGenerator
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    DecisionsTimed,
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    PassageRevised,
    QualityChanged,
    RecognitionBegun,
    RecognitionFinished,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SilencePassed,
    StageFailed,
    TailRevised,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.pipeline.anchor import AnchorStage
from greffier_server.pipeline.diarize import DiarizeStage
from greffier_server.pipeline.editing import WRITES as EDITOR_WRITES
from greffier_server.pipeline.ports import Stage
from greffier_server.pipeline.stages import AbsentModel, Translating, downstream_stages
from tests.support.meetings import new_log, spoken

pytestmark = pytest.mark.unit

RECOGNITION_WRITES: frozenset[type[Event]] = frozenset(
    {
        LanguageDetected,
        SegmentOpened,
        WordsCommitted,
        TailRevised,
        SegmentClosed,
        TextWithheld,
        SilencePassed,
        GapFound,
        QualityChanged,
        StageFailed,
        RecognitionFinished,
        RecognitionBegun,
        DecisionsTimed,
    }
)
SESSION_WRITES: frozenset[type[Event]] = frozenset(
    {SessionStarted, ClientAttached, ClientDetached, GapFound, InputEnded, SessionFinished}
)

SECOND_PASS_WRITES: frozenset[type[Event]] = frozenset(
    {SecondPassStarted, PassageRevised, SecondPassFinished, StageFailed}
)


def _stages(*translate_to: str, minutes: bool = True) -> list[Stage]:
    started = SessionStarted(AudioFormat(), "fr", translate_to, minutes=minutes)
    return list(downstream_stages(started, FakeGenerator()))


def test_one_stage_a_language_and_one_for_the_minutes() -> None:
    names = [stage.name for stage in _stages("en", "de")]
    assert len(names) == len(set(names)) == 3
    assert len(_stages("en", minutes=False)) == 1
    assert _stages(minutes=False) == []


async def test_stages_translate_by_the_servers_policy_and_languages() -> None:
    log = new_log()
    await log.append(*spoken([("A", "sv", "Tack så mycket.")]))
    how = Translating("clause", frozenset({"fr", "en"}))
    asked = SessionStarted(AudioFormat(), "auto", ("en",), minutes=False)
    (stage,) = downstream_stages(asked, FakeGenerator(), translating=how)
    await stage.run(log)
    (told,) = [r.event for r in log.records if isinstance(r.event, SegmentTranslated)]
    assert told.failure == "translation_unsupported"


def test_without_a_model_only_a_wish_for_translation_is_answered() -> None:
    started = SessionStarted(AudioFormat(), "fr")
    assert list(downstream_stages(started, None)) == []
    (only,) = downstream_stages(SessionStarted(AudioFormat(), "fr", ("en",)), None)
    assert isinstance(only, AbsentModel)


def test_data_runs_one_way() -> None:
    """Failures are read by people, and by a stage only as its own."""
    writers: dict[str, frozenset[type[Event]]] = {"recognise": RECOGNITION_WRITES}
    readers: dict[str, frozenset[type[Event]]] = {"recognise": frozenset()}
    for stage in [*_stages("en", "de"), AbsentModel(), DiarizeStage, AnchorStage]:
        writers[stage.name], readers[stage.name] = stage.writes, stage.reads
        assert StageFailed not in stage.reads
    follows = {
        name: {other for other, writes in writers.items() if writes & reads}
        for name, reads in readers.items()
    }
    assert _is_acyclic(follows)
    assert follows["minutes"] >= {"recognise", "speakers"}


def _is_acyclic(follows: Mapping[str, Iterable[str]]) -> bool:
    left = {name: set(before) for name, before in follows.items()}
    while ready := {name for name, before in left.items() if not before}:
        left = {name: before - ready for name, before in left.items() if name not in ready}
    return not left


def test_the_check_itself_can_fail() -> None:
    assert _is_acyclic({"a": {"b"}, "b": set()})
    assert not _is_acyclic({"a": {"b"}, "b": {"a"}})
    assert not _is_acyclic({"a": {"a"}})


def test_every_event_has_a_writer() -> None:
    writes = (
        SESSION_WRITES
        | RECOGNITION_WRITES
        | DiarizeStage.writes
        | SECOND_PASS_WRITES
        | EDITOR_WRITES
    )
    for stage in [*_stages("en"), AnchorStage]:
        writes |= stage.writes
    assert writes == frozenset(get_args(Event))
