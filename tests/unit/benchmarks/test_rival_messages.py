"""What each protocol's messages show, by messages of the shape their servers send."""

import pytest

from benchmarks.lag import Arrival
from benchmarks.rivals.install import RELEASES, main
from benchmarks.rivals.our_server import screens_of
from benchmarks.rivals.screens import Screen
from benchmarks.rivals.whisper_live import Transcript
from benchmarks.rivals.whisperlivekit import screen_of
from greffier.protocol import Caption, CaptionWord

pytestmark = pytest.mark.unit


def segment(start: float, text: str, *, completed: bool) -> dict[str, object]:
    return {
        "start": f"{start:.3f}",
        "end": f"{start + 2:.3f}",
        "text": f" {text}",
        "completed": completed,
    }


def test_whisper_live_keeps_completed_segments_that_have_left_the_list() -> None:
    transcript = Transcript()
    transcript.take([segment(0, "a", completed=True), segment(2, "b", completed=False)])
    assert (transcript.final, transcript.tail) == ("a", "b")
    transcript.take([segment(2, "b c", completed=True)])
    assert (transcript.final, transcript.tail) == ("a b c", "")


def test_whisper_live_orders_by_time_and_not_by_digits() -> None:
    transcript = Transcript()
    transcript.take([segment(10, "ten", completed=True), segment(9, "nine", completed=True)])
    assert transcript.final == "nine ten"


def test_whisper_live_recut_segment_replaces_its_text() -> None:
    transcript = Transcript()
    transcript.take([segment(0, "one two", completed=True)])
    transcript.take([segment(0, "one", completed=True)])
    assert transcript.final == "one"


def test_whisperlivekit_lines_are_final_and_silences_are_not_text() -> None:
    message = {
        "status": "active_transcription",
        "lines": [
            {"speaker": 1, "text": " Bonjour", "start": "0:00:00.00"},
            {"speaker": -2, "text": None, "start": "0:00:02.00"},
            {"speaker": 1, "text": "à tous", "start": "0:00:05.00"},
        ],
        "buffer_transcription": " nous",
    }
    assert screen_of(message, at_ms=7.0) == Screen(7.0, "Bonjour à tous", "nous")


def test_whisperlivekit_message_without_a_buffer_has_no_tail() -> None:
    assert screen_of({"lines": []}, at_ms=1.0) == Screen(1.0, "", "")


def test_our_captions_add_up_in_the_order_of_their_audio() -> None:
    def caption(number: int, start_ms: int, committed: str, tail: str) -> Caption:
        return Caption(
            seq=number,
            segment=number,
            start_ms=start_ms,
            end_ms=start_ms + 500,
            committed=committed,
            tail=tail,
            words=(CaptionWord(committed, start_ms, start_ms + 500, 0.9),),
        )

    arrivals = [
        Arrival(1.0, caption(2, 900, " after", " that")),
        Arrival(2.0, caption(1, 100, " before", "")),
    ]
    assert screens_of(arrivals) == [
        Screen(1.0, "after", "that"),
        Screen(2.0, "before after", "that"),
    ]


def test_no_rival_is_installed_with_cuda_or_unpinned() -> None:
    for release in RELEASES:
        assert release.requirement.count("==") == 1
        assert not [need for need in release.needs if need.startswith(("nvidia", "torch"))]


def test_an_unknown_rival_is_refused(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path_factory.mktemp("rivals")
    with pytest.raises(SystemExit):
        main(["--into", str(folder), "--rival", "nobody"])
    assert "unknown rival" in capsys.readouterr().err
    assert not list(folder.iterdir())
