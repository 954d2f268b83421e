"""A log is cut where recognition began anew."""

import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.epochs import Unreplayable, epochs_of, read_start, without_time
from greffier_server.core.events import (
    ClientAttached,
    DecisionsTimed,
    LanguageDetected,
    RecognitionBegun,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    WordsCommitted,
)
from tests.support.sessions import chain

pytestmark = pytest.mark.unit

STARTED = SessionStarted(AudioFormat(channels=2), "en", channels="separate")
WORD = (Word(" a", 0, 100, 0.9),)


def begun(digest: str = "d1") -> RecognitionBegun:
    return RecognitionBegun("e", "m", digest, "", "alignatt", {}, {}, (), 0, {})


def test_each_start_is_an_epoch() -> None:
    records = chain(
        STARTED,
        ClientAttached(),
        begun("d1"),
        SegmentOpened(1, 0, "en", channel=2),
        WordsCommitted(1, WORD, paced=((96, 1_200, 0),)),
        SegmentOpened(2, 0, "en", channel=1),
        begun("d2"),
        DecisionsTimed(2, ((400, 900, 1),), ((400, 0),)),
        WordsCommitted(1, WORD, paced=((800, 0, 0),)),
        SegmentClosed(1, 0, 100),
        RecognitionFinished(),
    )
    first, second = epochs_of(records)
    assert (first.seq, first.before, first.whole) == (3, 2, False)
    assert {channel: len(heard) for channel, heard in first.heard.items()} == {2: 2, 1: 1}
    assert first.paced == {2: ((96, 1_200, 0),)}
    assert (first.numbers(1), first.numbers(2), first.numbers(3)) == ((2,), (1,), ())
    assert (second.begun.digest, second.before, second.whole) == ("d2", 6, True)
    assert {channel: len(heard) for channel, heard in second.heard.items()} == {2: 2}
    assert second.paced[2] == ((400, 900, 1), (800, 0, 0))
    assert second.given_up[2] == {(400, 0)}


def test_an_older_log_is_refused() -> None:
    with pytest.raises(Unreplayable, match="older version"):
        epochs_of(chain(STARTED, LanguageDetected("en", 1.0, 0)))
    assert epochs_of(chain(STARTED, ClientAttached())) == []


@pytest.mark.parametrize("records", [[], chain(ClientAttached())])
def test_a_log_begins_with_its_start(records: list[object]) -> None:
    with pytest.raises(Unreplayable, match="start"):
        read_start(records)  # type: ignore[arg-type]
    assert read_start(chain(STARTED)) == STARTED


def test_time_is_left_out() -> None:
    timed = WordsCommitted(1, WORD, lag_ms=900, paced=((1, 2, 0),))
    assert without_time(timed) == WordsCommitted(1, WORD)
    assert without_time(STARTED) == STARTED
