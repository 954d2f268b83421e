"""What the same weights write when they have the whole recording: the bar live accuracy is held to.

faster-whisper, greedy, as its users run it (its own windows of 30 s, previous text not fed back).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from benchmarks.corpora import Recording

__all__ = ["transcribe_offline"]


class _Segment(Protocol):
    text: str


class _Whisper(Protocol):
    """The part of faster-whisper's model, whose types are incomplete, that is used here."""

    def transcribe(self, audio: str, **options: Any) -> tuple[Iterable[_Segment], object]: ...


def transcribe_offline(recordings: Sequence[Recording], *, model: str) -> dict[str, str]:
    """Text by recording id; `model` is a folder in CTranslate2's form."""
    from faster_whisper import WhisperModel  # heavy: only where the comparison is wanted

    whisper = cast("_Whisper", WhisperModel(model, device="auto", compute_type="int8"))
    texts: dict[str, str] = {}
    for recording in recordings:
        segments, _ = whisper.transcribe(
            str(recording.path),
            beam_size=1,
            language=None if recording.language == "auto" else recording.language,
            multilingual=recording.language == "auto",
            condition_on_previous_text=False,
        )
        texts[recording.id] = " ".join(segment.text.strip() for segment in segments)
        print(f"  {recording.id}", flush=True)
    return texts
