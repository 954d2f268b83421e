"""What every law of recognition looks at."""

from greffier_models.types import Pcm
from greffier_server.core.events import SegmentClosed, SegmentOpened, WordsCommitted
from tests.support.recordings import Recognised, Recording, recording_of

__all__ = ["check_segments", "long_speech", "paced"]


def check_segments(result: Recognised) -> None:
    """Segments are opened, filled and closed one after the other, and hold every word."""
    now, last_end = 0, 0
    for event in result.events:
        match event:
            case SegmentOpened(segment=segment, start_ms=start_ms):
                assert segment == now + 1
                assert start_ms >= last_end
                now = segment
            case WordsCommitted(segment=segment, words=words):
                assert segment == now
                assert words
            case SegmentClosed(segment=segment, start_ms=start_ms, end_ms=end_ms):
                assert segment == now
                assert last_end <= start_ms <= end_ms
                last_end = end_ms
            case _:
                pass
    assert all(segment.closed and segment.words for segment in result.state.segments.values())


def long_speech(words: int, *, pause_ms: int = 30, length_ms: int = 300) -> Recording:
    """So many words of one length with pauses of one length between."""
    return recording_of([(pause_ms, length_ms)] * words)


def paced(pcm: Pcm, chunk_ms: int) -> list[Pcm]:
    """The audio in chunks of one length."""
    step = chunk_ms * 16
    return [pcm[at : at + step] for at in range(0, len(pcm), step)]
