"""From recorded events to the messages that one reader sees; pure, with a little state.

The state is what a caption repeats of its segment (start, language, speaker). It is learnt from the
events before the reader's cursor too, so feed every record from the first one.
"""

from dataclasses import dataclass, replace

from greffier.protocol import (
    Caption,
    CaptionWord,
    Correction,
    Error,
    Finished,
    Gap,
    Quality,
    ServerMessage,
    Speaker,
    Translation,
    Withheld,
)
from greffier_models.types import Word
from greffier_server.core.channels import speaker_names
from greffier_server.core.events import (
    Corrected,
    GapFound,
    LanguageDetected,
    MinutesWritten,
    QualityChanged,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SpeakerRevised,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WordsCommitted,
)

__all__ = ["WireMapping", "untranslated"]


@dataclass(frozen=True, slots=True)
class _OpenSegment:
    start_ms: int
    end_ms: int
    language: str
    speaker: str | None = None


class WireMapping:
    """Maps one reader's records in order.

    Args:
        after_seq: the last event the reader has seen; nothing up to it is said again.
        languages: only translations into these; None = every one.
        minutes: say them too.
    """

    def __init__(
        self,
        *,
        after_seq: int = 0,
        languages: tuple[str, ...] | None = None,
        minutes: bool = True,
    ) -> None:
        self._after_seq = after_seq
        self._languages = None if languages is None else frozenset(languages)
        self._minutes = minutes
        self._open: dict[int, _OpenSegment] = {}
        self._language = ""
        self._speakers: dict[int, str] = {}

    def messages(self, record: Recorded) -> tuple[ServerMessage, ...]:
        """Return what the reader is sent for `record`: no message, or one.

        ``finished`` is sent to those who have seen it too: it is how a connection ends well.
        """
        message = self._map(record)
        if message is None or (record.seq <= self._after_seq and not self._repeats(record)):
            return ()
        return (message,)

    def _repeats(self, record: Recorded) -> bool:
        """Said again although seen: the tail of the moment, and the last word of all."""
        if isinstance(record.event, SessionFinished):
            return True
        return not record.event.durable and record.seq == self._after_seq

    def _map(self, record: Recorded) -> ServerMessage | None:
        seq = record.seq
        match record.event:
            case SessionStarted(language=language) as event:
                self._language = "" if language == "auto" else language
                self._speakers = dict(enumerate(speaker_names(event), start=1))
                return untranslated(event, self._languages)
            case LanguageDetected(language=language):
                self._language = language
            case SegmentOpened() as event:
                self._open[event.segment] = _OpenSegment(
                    event.start_ms, event.start_ms, event.language, event.speaker
                )
            case WordsCommitted() as event:
                return self._committed(seq, event)
            case TailRevised() as event:
                return self._tail(seq, event)
            case SegmentClosed() as event:
                return self._closed(seq, event)
            case SpeakerRevised() as event:
                return self._speaker(seq, event)
            case SegmentTranslated() as event if self._wants(event.language):
                return Translation(
                    seq,
                    event.segment,
                    event.language,
                    event.text,
                    closed=event.closed,
                    doubts=event.doubts,
                    failure=event.failure,
                )
            case TranslationRevised() as event if self._wants(event.language):
                return Translation(seq, event.segment, event.language, "", tail=event.tail)
            case GapFound() as event:
                speaker = self._speakers.get(event.channel)
                return Gap(seq, event.from_ms, event.to_ms, event.cause, speaker)
            case TextWithheld() as event:
                speaker = self._speakers.get(event.channel)
                return Withheld(seq, event.start_ms, event.end_ms, event.reason, speaker)
            case QualityChanged(level=level):
                return Quality(seq, level)
            case MinutesWritten(minutes=minutes) if self._minutes:
                return replace(minutes, seq=seq)
            case Corrected() as event if self._concerns(event):
                # Who watches by a link is not told who works here.
                who = event.who if self._minutes else ""
                return Correction(seq, record.at_ms, who, event.target, event.old, event.new)
            case StageFailed() as event:
                return Error(event.code, event.message, event.retryable)
            case SessionFinished(reason=reason):
                return Finished(seq, reason)
            case _:
                pass
        return None

    def _concerns(self, event: Corrected) -> bool:
        """Whether the reader sees what was corrected."""
        if event.target.kind == "translation":
            return self._wants(event.target.language)
        return self._minutes or event.target.kind in ("words", "speaker")

    def _wants(self, language: str) -> bool:
        return self._languages is None or language in self._languages

    def _committed(self, seq: int, event: WordsCommitted) -> Caption:
        first_ms = event.words[0].start_ms if event.words else 0
        last_ms = event.words[-1].end_ms if event.words else 0
        known = self._open.get(event.segment) or self._unopened(first_ms)
        known = replace(known, end_ms=max(known.end_ms, last_ms))
        self._open[event.segment] = known
        return Caption(
            seq,
            event.segment,
            known.start_ms,
            known.end_ms,
            "".join(word.text for word in event.words),
            event.tail,
            words=tuple(_word(word) for word in event.words),
            language=known.language,
            speaker=known.speaker,
            lag_ms=event.lag_ms,
        )

    def _tail(self, seq: int, event: TailRevised) -> Caption:
        known = self._open.get(event.segment)
        if known is None:
            known = replace(self._unopened(event.start_ms), speaker=event.speaker)
            if event.language:  # another channel may speak another
                known = replace(known, language=event.language)
        return Caption(
            seq,
            event.segment,
            known.start_ms,
            max(known.end_ms, event.end_ms),
            "",
            event.tail,
            language=known.language,
            speaker=known.speaker,
            lag_ms=event.lag_ms,
        )

    def _closed(self, seq: int, event: SegmentClosed) -> Caption:
        known = self._open.pop(event.segment, None) or self._unopened(event.start_ms)
        return Caption(
            seq,
            event.segment,
            known.start_ms,
            max(known.end_ms, event.end_ms),
            "",
            "",
            language=known.language,
            speaker=known.speaker,
            closed=True,
        )

    def _speaker(self, seq: int, event: SpeakerRevised) -> Speaker:
        known = self._open.get(event.segment)
        if known is not None:  # later captions of the segment say it, too
            self._open[event.segment] = replace(known, speaker=event.speaker)
        return Speaker(seq, event.segment, event.speaker)

    def _unopened(self, start_ms: int) -> _OpenSegment:
        return _OpenSegment(start_ms, start_ms, self._language)


def untranslated(started: SessionStarted, languages: frozenset[str] | None) -> Error | None:
    """Say so to a reader who waits for a language that will never come."""
    there = {*started.translate_to, started.language}
    missing = sorted((languages or frozenset()) - there)
    if not missing:
        return None
    into = ", ".join(started.translate_to) or "no language"
    message = f"this session is not translated into {', '.join(missing)}, but into {into}"
    return Error("not_translated", message)


def _word(word: Word) -> CaptionWord:
    return CaptionWord(word.text, word.start_ms, word.end_ms, word.probability)
