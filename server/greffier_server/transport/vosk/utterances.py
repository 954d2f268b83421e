"""From recorded events to Vosk's partial and final results; pure, with a little state."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from greffier_models.types import Word
from greffier_server.core.events import Recorded, SegmentClosed, TailRevised, WordsCommitted
from greffier_server.transport.spoken import SpokenWord, bare, spoken
from greffier_server.transport.vosk.asked import Configuration

__all__ = ["Utterances"]

Message = dict[str, Any]


class Utterances:
    """Collects words until an utterance ends: at a pause or the end of a sentence.

    Args:
        clock: session's milliseconds to the client's.
    """

    def __init__(self, clock: Callable[[int], int] = lambda ms: ms) -> None:
        self._clock = clock
        self._ended: deque[tuple[Word, ...]] = deque()
        self._words: list[Word] = []
        self._tail = ""

    def take(self, batch: Sequence[Recorded]) -> None:
        """Take records that came at once."""
        heard = False
        for record in batch:
            match record.event:
                case WordsCommitted() as event:
                    self._words += event.words
                    self._tail, heard = event.tail, True
                case TailRevised() as event:
                    self._tail, heard = event.tail, True
                case SegmentClosed():
                    self._end()
                case _:
                    pass
        if heard and not self._tail.strip():  # nothing is undecided: a pause
            self._end()

    def answer(self, asked: Configuration) -> Message:
        """Return the reply to one frame: the oldest utterance that ended, or what is heard now."""
        if self._ended:
            return self._result(self._ended.popleft(), asked)
        text = "".join(word.text for word in self._words) + self._tail
        if asked.punctuated:
            return {"partial": text.strip()}
        return {"partial": " ".join(name for name in map(bare, text.split()) if name)}

    def last(self, asked: Configuration) -> Message:
        """Return everything that was not returned yet, as one result."""
        self._end()
        words = [word for utterance in self._ended for word in utterance]
        self._ended.clear()
        return self._result(words, asked)

    def _end(self) -> None:
        if self._words:
            self._ended.append(tuple(self._words))
        self._words, self._tail = [], ""

    def _result(self, words: Sequence[Word], asked: Configuration) -> Message:
        found = spoken(words)
        if asked.punctuated:
            text = "".join(word.text for word in words).strip()
        else:
            text = " ".join(word.bare for word in found)
        listed = [self._word(word, asked) for word in found] if asked.words else []
        if asked.alternatives:
            sure = sum(word.probability for word in found)
            first: Message = {"confidence": round(sure, 3), "text": text}
            return {"alternatives": [{**first, "result": listed} if listed else first]}
        return {"result": listed, "text": text} if listed else {"text": text}

    def _word(self, word: SpokenWord, asked: Configuration) -> Message:
        return {
            "conf": round(word.probability, 6),
            "end": self._clock(word.end_ms) / 1_000,
            "start": self._clock(word.start_ms) / 1_000,
            "word": word.written if asked.punctuated else word.bare,
        }
