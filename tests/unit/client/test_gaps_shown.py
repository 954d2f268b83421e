"""A gap is in every file and on every line a client writes, with its cause."""

import io
from pathlib import Path

import pytest

from greffier.messages import Messages
from greffier.palette import Palette
from greffier.plain_view import PlainView
from greffier.protocol import Caption, CaptionWord, Finished, Gap, ServerMessage
from greffier.saving import save, transcript_markdown
from greffier.subtitles import cues, to_srt, to_text, to_vtt
from greffier.transcript import Transcript

pytestmark = pytest.mark.unit

CAUSES = ["client_lost_audio", "audio_damaged", "engine_failed", "something_new"]


def said(seq: int, start_ms: int, text: str) -> Caption:
    word = CaptionWord(f" {text}", start_ms, start_ms + 500, 0.9)
    return Caption(
        seq, seq, start_ms, start_ms + 500, f" {text}", "", (word,), language="fr", closed=True
    )


def messages(cause: str, speaker: str | None = None) -> list[ServerMessage]:
    return [
        said(1, 1_000, "avant"),
        said(2, 70_000, "après"),
        Gap(3, 5_000, 68_200, cause, speaker),
        Finished(4, "finish"),
    ]


@pytest.mark.parametrize("cause", CAUSES)
def test_every_file_shows_a_gap_in_its_place(cause: str, tmp_path: Path) -> None:
    recording = Transcript(messages(cause)).to_object()
    shown = f"[gap 63.2 s: {cause}]"
    assert recording.get("gaps") == [{"start": 5.0, "end": 68.2, "cause": cause, "speaker": None}]
    assert to_text(recording) == f"avant\n{shown}\naprès\n"
    assert to_text(recording, language="en") == f"{shown}\n"
    for text in (to_srt(cues(recording)), to_vtt(cues(recording))):
        flat = " ".join(text.split())
        assert flat.index("avant") < flat.index(shown) < flat.index("après")
    assert "00:00:05,000 --> 00:00:12,000" in to_srt(cues(recording))
    markdown = transcript_markdown(recording, say=Messages("en")).replace("\\", "")
    assert markdown.index("avant") < markdown.index(shown) < markdown.index("après")
    save(recording, tmp_path, say=Messages("en"))
    for name in ("captions.srt", "captions.vtt", "transcript.md"):
        written = " ".join((tmp_path / name).read_text(encoding="utf-8").split())
        assert shown in written.replace("\\", "")


def test_a_gap_of_one_speaker_names_it() -> None:
    recording = Transcript(messages("engine_failed", "Nour")).to_object()
    assert "Nour: [gap 63.2 s: engine_failed]\n" in to_text(recording)
    assert "<v Nour>[gap 63.2 s: engine_failed]" in to_vtt(cues(recording))
    assert "Nour: [gap 63.2 s: engine_failed]" in " ".join(
        to_srt(cues(recording, named=True)).split()
    )


@pytest.mark.parametrize("cause", CAUSES)
def test_the_command_line_prints_a_gap_when_it_comes(cause: str) -> None:
    stream = io.StringIO()
    view = PlainView(stream, palette=Palette(enabled=False), say=Messages("en"))
    for message in messages(cause):
        view.show(message)
    assert f"[0:05–1:08] (no audio: {cause})" in stream.getvalue()


def test_short_gaps_are_told_as_one_stretch() -> None:
    lost = [Gap(2 + n, 1_000 + 500 * n, 1_020 + 500 * n, "packet_loss") for n in range(10)]
    transcript = Transcript([said(1, 0, "avant"), *lost, Finished(20, "finish")])
    recording = transcript.to_object()
    assert recording.get("gaps") == [
        {"start": 1.0, "end": 5.52, "cause": "packet_loss", "speaker": None, "lost": 0.2}
    ]
    assert "[gap 0.2 s in 4.5 s: packet_loss]" in to_text(recording)
    assert to_srt(cues(recording)).count("gap") == 1
    assert len(transcript.gaps) == 10


def test_where_there_is_no_gap_nothing_is_said_of_one() -> None:
    recording = Transcript([said(1, 0, "oui")]).to_object()
    assert recording.get("gaps") == []
    assert to_text(recording) == "oui\n"
