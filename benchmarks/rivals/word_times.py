"""When each word of a reference was said: one clock for all servers compared.

faster-whisper transcribes the whole recording once with word times (beam 5, the weights under
test), and each reference word that it heard takes the end that it gives. Reference words it did
not hear have no time, so no lag is counted on them, for any server. Its ends are good to about a
tenth of a second and err alike for all.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from benchmarks.corpora import Recording
from benchmarks.rivals.screens import TimedWord, spoken_times

__all__ = ["reference_times"]


class _Word(Protocol):
    word: str
    end: float


class _Segment(Protocol):
    words: Sequence[_Word] | None


class _Whisper(Protocol):
    """The part of faster-whisper's model, whose types are incomplete, that is used here."""

    def transcribe(self, audio: str, **options: Any) -> tuple[Iterable[_Segment], object]: ...


def reference_times(recordings: Sequence[Recording], *, weights: str) -> dict[str, dict[int, int]]:
    """Ends (ms) of reference words, by recording id and index of the word."""
    from faster_whisper import WhisperModel  # heavy: only where something is measured

    whisper = cast("_Whisper", WhisperModel(weights, device="cpu", compute_type="int8"))
    times: dict[str, dict[int, int]] = {}
    for recording in recordings:
        segments, _ = whisper.transcribe(
            str(recording.path),
            beam_size=5,
            word_timestamps=True,
            language=None if recording.language == "auto" else recording.language,
            multilingual=recording.language == "auto",
            condition_on_previous_text=False,
        )
        heard = [
            TimedWord(word.word, round(word.end * 1000))
            for segment in segments
            for word in segment.words or ()
        ]
        times[recording.id] = spoken_times(recording.text, heard)
    return times
