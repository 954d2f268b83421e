"""What a session listens for: its own terms, and those of the documents that are attached to it."""

from collections.abc import Sequence

from greffier.protocol import GlossaryTerm
from greffier_server.core.document_terms import session_glossary
from greffier_server.core.events import (
    DocumentAttached,
    DocumentDetached,
    Event,
    RecognitionFinished,
    Recorded,
    SessionStarted,
)
from greffier_server.core.hotwords import choose_hotwords
from greffier_server.pipeline.log import EventLog

__all__ = ["Vocabulary", "VocabularyStage"]


class Vocabulary:
    """The terms of a session as they become more, each change known by the event that made it.

    Args:
        glossary: the session's own terms and its tenant's.
    """

    def __init__(self, glossary: Sequence[GlossaryTerm]) -> None:
        self._glossary = tuple(glossary)
        self._documents: dict[int, DocumentAttached] = {}
        self._known = {0: choose_hotwords(self._glossary)}
        self._seq = 0

    @classmethod
    def of(cls, started: SessionStarted, records: Sequence[Recorded]) -> "Vocabulary":
        """Return what a whole log says of it."""
        vocabulary = cls(started.glossary)
        for record in records:
            vocabulary.take(record)
        return vocabulary

    @property
    def seq(self) -> int:
        """Number of the last event that changed the terms; 0 = none has."""
        return self._seq

    @property
    def hotwords(self) -> tuple[str, ...]:
        """All that is listened for now."""
        return self._known[self._seq]

    def as_of(self, seq: int) -> tuple[str, ...]:
        """Return what was listened for since the event `seq`; an unknown one is as none."""
        return self._known.get(seq, self._known[0])

    def take(self, record: Recorded) -> None:
        """Take what an event says of the terms; most say nothing."""
        event = record.event
        if record.seq <= self._seq:
            return
        if isinstance(event, DocumentAttached):
            self._documents[event.number] = event
        elif isinstance(event, DocumentDetached):
            self._documents.pop(event.number, None)
        else:
            return
        terms = session_glossary(self._glossary, [*self._documents.values()])
        self._known[record.seq] = choose_hotwords(terms)
        self._seq = record.seq


class VocabularyStage:
    """Follows a session's log for documents, until there is nothing left to listen to.

    Args:
        vocabulary: shared with the recognition of every channel.
    """

    name = "vocabulary"
    reads: frozenset[type[Event]] = frozenset(
        {DocumentAttached, DocumentDetached, RecognitionFinished}
    )
    writes: frozenset[type[Event]] = frozenset()

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    async def run(self, log: EventLog) -> None:
        """Keep the terms as the log says; return when recognition has finished."""
        async for record in log.follow():
            if isinstance(record.event, RecognitionFinished):
                return
            self._vocabulary.take(record)
