"""The law of replay: whatever the clock, the engine and the server did, it is heard again alike."""

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from greffier_server.core.events import DecisionsTimed, RecognitionBegun, WordsCommitted
from greffier_server.core.policies import POLICY_NAMES, PolicySettings, default_dials
from greffier_server.core.replayed import Replayed
from tests.support.channels import Conversation, conversation_of
from tests.support.recordings import recording_of, recordings
from tests.support.replays import Lived, Trouble, live_session, quiet_ears
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

FAST = default_dials("alignatt", fast=True)
TALK = recording_of([(90, 310)] * 60 + [(1_800, 300)] * 4, stops=[9, 24, 45], end_ms=900)
DIALOGUE = conversation_of(TALK, recording_of([(700, 400)] * 20, stops=[7], end_ms=0))

TROUBLES = st.builds(
    Trouble,
    seed=st.integers(0, 999),
    chunk_ms=st.sampled_from([37, 100, 1_000]),
    jitter_s=st.sampled_from([0.0, 2.0, 15.0]),
    decode_s=st.sampled_from([0.0, 0.8, 5.0]),
    load=st.booleans(),
    deaf=st.sampled_from([0.0, 0.15]),
    poison=st.sampled_from([0.0, 0.15]),
    stumbles=st.sampled_from([0.0, 0.2]),
    kills=st.lists(st.floats(0.05, 0.95), max_size=2, unique=True).map(tuple),
    stops=st.lists(st.floats(0.05, 0.95), max_size=1).map(tuple),
)


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    count = draw(st.integers(1, 2))
    return conversation_of(*(draw(recordings(max_words=25)) for _ in range(count)))


async def _live_and_replay(
    conversation: Conversation, trouble: Trouble, policy: PolicySettings, language: str = "en"
) -> tuple[Lived, Replayed | None]:
    lived = await live_session(
        conversation.audio,
        trouble,
        channels=len(conversation.channels),
        policy=policy,
        language=language,
    )
    if not any(isinstance(record.event, RecognitionBegun) for record in lived.records):
        return lived, None
    return lived, await (await lived.replay()).faithful(quiet_ears())


@given(
    conversation=conversations(),
    trouble=TROUBLES,
    policy=st.sampled_from([*map(default_dials, POLICY_NAMES), FAST]),
    language=st.sampled_from(["en", "auto"]),
)
@example(
    DIALOGUE,
    Trouble(
        1, jitter_s=15, decode_s=5, load=True, deaf=0.1, poison=0.1, stumbles=0.2, kills=(0.4, 0.7)
    ),
    FAST,
    "auto",
)
@settings(max_examples=settings().max_examples // 2)  # each is a session, and its replay
def test_a_replay_is_the_session(
    conversation: Conversation, trouble: Trouble, policy: PolicySettings, language: str
) -> None:
    _, replayed = run(_live_and_replay(conversation, trouble, policy, language))
    if replayed is None:
        return
    assert [epoch.difference for epoch in replayed.epochs] == [None] * len(replayed.epochs)
    assert replayed.same
    assert (replayed.edits, replayed.changes, replayed.withheld) == (0, (), ())
    assert replayed.lag == replayed.lag_replayed
    assert not replayed.settings


def test_the_law_is_not_empty() -> None:
    """The trouble is real: the log holds it, and without what is recorded a replay differs."""
    trouble = Trouble(
        3, jitter_s=10, decode_s=4, load=True, deaf=0.3, stumbles=0.1, kills=(0.3,), stops=(0.6,)
    )
    lived, replayed = run(_live_and_replay(DIALOGUE, trouble, default_dials("alignatt")))
    assert replayed is not None
    assert replayed.same
    assert len(replayed.epochs) == 3
    events = [record.event for record in lived.records]
    assert any(isinstance(event, WordsCommitted) and event.paced for event in events)
    assert any(isinstance(event, DecisionsTimed) and event.given_up for event in events)

    def forget(each: DecisionsTimed | WordsCommitted) -> DecisionsTimed | WordsCommitted:
        return replace(each, paced=())

    unpaced = [
        replace(record, event=forget(record.event))
        if isinstance(record.event, DecisionsTimed | WordsCommitted)
        else record
        for record in lived.records
    ]
    unfailed = [
        replace(record, event=replace(record.event, given_up=()))
        if isinstance(record.event, DecisionsTimed)
        else record
        for record in lived.records
    ]
    for records in (unpaced, unfailed):
        other = replace(lived, records=records)
        assert not run(_faithful(other)).same


async def _faithful(lived: Lived) -> Replayed:
    return await (await lived.replay()).faithful(quiet_ears())
