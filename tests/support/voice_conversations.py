"""A meeting as it is recorded, step by step, and what clients of each protocol are told of it.

``python -m tests.support.voice_conversations`` writes ``tests/data/conversations/voices`` anew; the
difference is a change of what users of other products see, and is reviewed as such.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.datastructures import QueryParams

from greffier_server.core.events import (
    LanguageDetected,
    Recorded,
    SegmentTranslated,
    StageFailed,
    TextWithheld,
)
from greffier_server.transport.deepgram.asked import Listen
from greffier_server.transport.deepgram.results import ResultsMapping
from greffier_server.transport.vosk.asked import Configuration
from greffier_server.transport.vosk.utterances import Utterances
from greffier_server.transport.whisperlive.asked import Greeting
from greffier_server.transport.whisperlive.segments import SegmentsMapping
from tests.support.spoken_log import batch, closed, opened, said, tail

__all__ = ["FOLDER", "KINDS", "MEETING", "conversation"]

FOLDER = Path(__file__).parents[1] / "data" / "conversations" / "voices"

MEETING: list[list[Recorded]] = [
    batch(LanguageDetected("fr", 0.98, 0)),
    batch(tail(1, "bonjour à", 300, 900)),
    batch(opened(1, 300), said(1, "Bonjour à tous.", 300), closed(1, 300, 900),
          tail(2, "nous commen", 1_000, 1_900)),
    batch(SegmentTranslated(1, "en", "Hello everyone.")),
    batch(opened(2, 1_000), said(2, "Nous commençons ?", 1_000), closed(2, 1_000, 1_600),
          tail(2, "", 1_600, 1_600)),
    batch(SegmentTranslated(2, "en", "Shall we", closed=False)),
    batch(SegmentTranslated(2, "en", " start?")),
    batch(StageFailed("translate-en", "translation_rejected", "segment 3: no translation into en")),
    batch(tail(3, "euh", 4_000, 4_200)),
    batch(TextWithheld(4_000, 4_200, "no_voice"), tail(3, "", 4_200, 4_200)),
    batch(opened(3, 6_000, language="en"), said(3, "It’s o'clock", 6_000)),
    batch(closed(3, 6_000, 6_400)),
]  # fmt: skip


def _deepgram(query: str) -> list[Any]:
    asked = Listen.read(QueryParams(query))
    mapping = ResultsMapping(asked, channels=1, metadata={"request_id": "r"})
    told: list[Any] = []
    for step, records in enumerate(MEETING):
        told += mapping.messages(records)
        told += mapping.heard(step * 1_000)
    return [*told, *mapping.finalized(9_000)]


def _whisperlive(**asked: Any) -> list[Any]:
    mapping = SegmentsMapping(Greeting.read({"uid": "u", **asked}))
    return [message for records in MEETING for message in mapping.messages(records)]


def _vosk(asked: Configuration) -> list[Any]:
    utterances = Utterances()
    told: list[Any] = []
    for records in MEETING:
        utterances.take(records)
        told.append(utterances.answer(asked))
    return [*told, utterances.last(asked)]


KINDS: dict[str, Callable[[], list[Any]]] = {
    "deepgram": lambda: _deepgram(
        "encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true"
        "&utterance_end_ms=1000&language=multi"
    ),
    "deepgram-plain": lambda: _deepgram("encoding=linear16&sample_rate=16000&endpointing=false"),
    "whisperlive": lambda: _whisperlive(word_timestamps=True, send_last_n_segments=2),
    "whisperlive-translate": lambda: _whisperlive(task="translate", language="fr"),
    "whisperlive-beside": lambda: _whisperlive(
        language="fr", enable_translation=True, target_language="en"
    ),
    "vosk": lambda: _vosk(Configuration()),
    "vosk-punctuated": lambda: _vosk(Configuration(punctuated=True, words=False)),
    "vosk-alternatives": lambda: _vosk(Configuration(alternatives=True)),
}


def conversation(kind: str) -> str:
    """Everything a client is told, one message a line."""
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in KINDS[kind]())


if __name__ == "__main__":
    for name in KINDS:
        (FOLDER / f"{name}.jsonl").write_text(conversation(name), encoding="utf-8")
