"""From recorded events to Deepgram's messages; pure, with a little state for each channel.

Each ``Results`` covers a stretch of its channel: an interim one replaces the one before it, a final
one is for good, and the next begins where it ends. ``speech_final`` says that nothing is left
undecided: a pause.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from greffier_models.types import Word
from greffier_server.core.events import (
    LanguageDetected,
    Recorded,
    SegmentOpened,
    TailRevised,
    WordsCommitted,
)
from greffier_server.transport.deepgram.asked import Listen
from greffier_server.transport.spoken import SpokenWord, spoken, spread

__all__ = ["UNDECIDED", "ResultsMapping", "seconds", "word_of"]

UNDECIDED: Final = 0.5
"""Confidence of words that may still change: the recogniser gives them none."""

_UNSEEN_MS: Final = 1_200
"""Speech is first decoded a hop (`WindowSettings.hop_ms`) after it began: until then, what looks
like the end of an utterance may be a pause in it."""

Message = dict[str, Any]


@dataclass(slots=True)
class _Channel:
    index: int
    cursor_ms: int = 0
    open: bool = False
    spoke: bool = False
    """Words were said since the last ``UtteranceEnd``."""
    last_word_ms: int = 0
    tail: str = ""
    tail_from_ms: int = 0
    tail_to_ms: int = 0
    language: str = ""
    finals: list[Message] = field(default_factory=list[Message])
    interim_shown: bool = False


class ResultsMapping:
    """Maps one session's records in order.

    Args:
        asked: by the client.
        channels: of the audio as they are recognised: 1 when mixed.
        metadata: put into each ``Results``.
        clock: session's milliseconds to the client's.
    """

    def __init__(
        self,
        asked: Listen,
        *,
        channels: int,
        metadata: Message,
        clock: Callable[[int], int] = lambda ms: ms,
    ) -> None:
        self._asked = asked
        self._channels = [_Channel(index) for index in range(channels)]
        self._metadata = metadata
        self._clock = clock
        self._segments: dict[int, tuple[_Channel, str, str | None]] = {}

    def messages(self, batch: Sequence[Recorded]) -> list[Message]:
        """Return what the client is sent for records that came at once."""
        touched: dict[int, _Channel] = {}
        said: list[Message] = []
        for record in batch:
            channel = self._take(record, said)
            if channel is not None:
                touched[channel.index] = channel
        for channel in touched.values():
            self._settle(channel, said)
        return said

    def heard(self, heard_ms: int) -> list[Message]:
        """Return the ends of utterances that silence up to `heard_ms` makes certain."""
        wanted = self._asked.utterance_end_ms
        if wanted is None:
            return []
        said: list[Message] = []
        for channel in self._channels:
            silent = not channel.open and channel.spoke
            since_ms = self._clock(heard_ms) - self._clock(channel.last_word_ms)
            if silent and since_ms >= wanted + _UNSEEN_MS:
                channel.spoke = False
                end = {"last_word_end": self._at(channel.last_word_ms)}
                said.append({"type": "UtteranceEnd", "channel": self._number(channel), **end})
        return said

    def finalized(self, at_ms: int) -> list[Message]:
        """Return the answer to ``Finalize`` when all words up to `at_ms` have been sent."""
        said: list[Message] = []
        for channel in self._channels:
            to_ms = max(at_ms, channel.cursor_ms)
            result = self._results(channel, [], to_ms, final=True)
            result["speech_final"] = result["from_finalize"] = True
            channel.cursor_ms = to_ms
            said.append(result)
        return said

    def _take(self, record: Recorded, said: list[Message]) -> _Channel | None:
        match record.event:
            case LanguageDetected() as event:
                self._channel(event.channel).language = event.language
            case SegmentOpened() as event:
                channel = self._channel(event.channel)
                channel.language = event.language or channel.language
                self._segments[event.segment] = (channel, channel.language, event.speaker)
            case WordsCommitted(words=words) as event if words:
                channel, language, speaker = self._segments.get(
                    event.segment, (self._channels[0], "", None)
                )
                self._begin(channel, words[0].start_ms, said)
                found = self._words(words, language, speaker)
                channel.finals.append(
                    self._results(channel, found, words[-1].end_ms, final=True, words=words)
                )
                channel.cursor_ms = max(channel.cursor_ms, words[-1].end_ms)
                channel.last_word_ms = channel.cursor_ms
                channel.spoke = True
                channel.tail = event.tail
                channel.tail_from_ms = channel.tail_to_ms = channel.cursor_ms
                return channel
            case TailRevised() as event:
                channel = self._channel(event.channel)
                channel.tail = event.tail.strip()
                channel.tail_from_ms, channel.tail_to_ms = event.start_ms, event.end_ms
                if channel.tail:
                    self._begin(channel, event.start_ms, said)
                return channel
            case _:
                pass
        return None

    def _settle(self, channel: _Channel, said: list[Message]) -> None:
        """Say what a step of the recogniser led to on one channel."""
        paused = channel.open and not channel.tail
        if paused:
            channel.open = False
            if not channel.finals and channel.interim_shown:
                to_ms = max(channel.cursor_ms, channel.tail_to_ms)
                channel.finals.append(self._results(channel, [], to_ms, final=True))
                channel.cursor_ms = to_ms
            if channel.finals and self._asked.endpointing:
                channel.finals[-1]["speech_final"] = True
        said += channel.finals
        channel.interim_shown = channel.interim_shown and not channel.finals
        channel.finals = []
        if channel.tail and self._asked.interim:
            to_ms = max(channel.tail_to_ms, channel.cursor_ms)
            from_ms = max(channel.cursor_ms, channel.tail_from_ms)
            found = spread(channel.tail, from_ms, to_ms, probability=UNDECIDED)
            words = [word_of(word, self._at) for word in found]
            result = self._results(channel, words, to_ms, final=False)
            result["channel"]["alternatives"][0]["transcript"] = channel.tail
            said.append(result)
            channel.interim_shown = True

    def _begin(self, channel: _Channel, at_ms: int, said: list[Message]) -> None:
        if channel.open:
            return
        channel.open = True
        if self._asked.vad_events:
            at = {"timestamp": self._at(at_ms)}
            said.append({"type": "SpeechStarted", "channel": self._number(channel), **at})

    def _words(
        self, words: Sequence[Word], language: str, speaker: str | None
    ) -> list[dict[str, Any]]:
        found = [word_of(word, self._at) for word in spoken(words)]
        for word in found:
            if self._asked.multilingual and language:
                word["language"] = language
            if self._asked.diarize and speaker is not None and speaker.isdecimal():
                word["speaker"] = int(speaker) - 1
        return found

    def _results(
        self,
        channel: _Channel,
        found: list[dict[str, Any]],
        to_ms: int,
        *,
        final: bool,
        words: Sequence[Word] = (),
    ) -> Message:
        start, end = self._at(channel.cursor_ms), self._at(to_ms)
        sure = [word["confidence"] for word in found]
        alternative: dict[str, Any] = {
            "transcript": "".join(word.text for word in words).strip(),
            "confidence": round(sum(sure) / len(sure), 4) if sure else 0.0,
            "words": found,
        }
        if self._asked.multilingual:
            alternative["languages"] = [channel.language] if channel.language else []
        return {
            "type": "Results",
            "channel_index": self._number(channel),
            "duration": round(max(0.0, end - start), 3),
            "start": start,
            "is_final": final,
            "speech_final": False,
            "channel": {"alternatives": [alternative]},
            "metadata": self._metadata,
            "from_finalize": False,
        }

    def _number(self, channel: _Channel) -> list[int]:
        return [channel.index, len(self._channels)]

    def _channel(self, number: int) -> _Channel:
        """Of an event: channels count from 1, and 0 is all of them."""
        return self._channels[min(max(0, number - 1), len(self._channels) - 1)]

    def _at(self, ms: int) -> float:
        return seconds(self._clock(ms))


def seconds(ms: int) -> float:
    """Return a time as Deepgram writes it."""
    return round(ms / 1_000, 3)


def word_of(word: SpokenWord, at: Callable[[int], float]) -> dict[str, Any]:
    """Return a word as Deepgram writes it."""
    return {
        "word": word.bare,
        "start": at(word.start_ms),
        "end": at(word.end_ms),
        "confidence": round(word.probability, 4),
        "punctuated_word": word.written,
    }
