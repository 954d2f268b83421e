"""HTTP ``POST /v1/listen``: a whole recording of a Deepgram client."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from greffier.protocol import AudioFormat, Caption, Started
from greffier_models.errors import EngineError
from greffier_models.types import Word
from greffier_server.errors import MalformedMessage, ServerError
from greffier_server.transport.address_options import with_options
from greffier_server.transport.deepgram.asked import EgressRefused, Listen
from greffier_server.transport.deepgram.described import model_info, refusal
from greffier_server.transport.deepgram.results import seconds, word_of
from greffier_server.transport.frames import closing
from greffier_server.transport.guest import Doorway
from greffier_server.transport.sealed_file import SealedFile
from greffier_server.transport.spoken import spoken
from greffier_server.transport.uploads import Uploads

__all__ = ["RecordedEndpoint", "Transcript"]

_CONTAINERS: Final = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3")
"""Beginnings of files that say themselves how they are encoded, whatever the query says."""
_GONE_STATUS: Final = 499
"""Nobody reads it: the client has left."""


class RecordedEndpoint:
    """Answers ``POST /v1/listen``.

    Args:
        doorway: of the server.
        uploads: take the recordings.
    """

    def __init__(self, doorway: Doorway, uploads: Uploads) -> None:
        self._doorway = doorway
        self._uploads = uploads

    async def answer(self, request: Request) -> Response:
        """Transcribe the body of the request, which is the recording."""
        request_id = str(uuid.uuid4())
        try:
            body = await self._transcribe(request, request_id)
        except ClientDisconnect:
            return Response(status_code=_GONE_STATUS)
        except (ServerError, EngineError) as error:
            return refusal(error, request_id)
        return JSONResponse(body, headers={"dg-request-id": request_id})

    async def _transcribe(self, request: Request, request_id: str) -> dict[str, Any]:
        self._doorway.gate.check_origin(request)
        tenant = self._doorway.gate.tenant(request)
        asked = Listen.read(request.query_params)
        if request.headers.get("content-type", "").startswith("application/json"):
            raise EgressRefused("this server fetches nothing: send the recording as the body")
        created, digest = datetime.now(UTC), hashlib.sha256()
        with self._uploads.place():
            async with self._uploads.stored(_hashed(request.stream(), digest.update)) as recording:
                transcript = await self._read(tenant, asked, recording, request.query_params)
        row = await self._doorway.services.store.get(tenant, transcript.session)
        model = model_info(self._doorway.services)
        return {
            "metadata": {
                "transaction_key": "deprecated",
                "request_id": request_id,
                "session": transcript.session,
                "sha256": digest.hexdigest(),
                "created": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "duration": seconds(row.duration_ms if row is not None else 0),
                "channels": transcript.channels,
                "models": [model["uuid"]],
                "model_info": {model["uuid"]: model["info"]},
            },
            "results": transcript.results(),
        }

    async def _read(
        self, tenant: str, asked: Listen, recording: SealedFile, query: QueryParams
    ) -> "Transcript":
        head = await asyncio.to_thread(_head, recording)
        if not head:
            raise MalformedMessage("the body is empty: send the recording")
        raw = asked.format is not None and not head.startswith(_CONTAINERS)
        start = asked.start(asked.format if raw and asked.format else AudioFormat(channels=2))
        start = with_options(start, query)
        if "minutes" not in query:  # the answer would wait for them
            start = replace(start, minutes=False)
        transcript = Transcript(asked)
        messages = self._uploads.transcribe(tenant, recording, start, protocol="deepgram", raw=raw)
        async with closing(messages) as coming:
            async for message in coming:
                match message:
                    case Started():
                        transcript.session = message.session
                    case Caption():
                        transcript.add(message)
                    case _:
                        pass
        return transcript


@dataclass(slots=True)
class _Utterance:
    channel: int
    language: str
    words: list[Word] = field(default_factory=list[Word])


class Transcript:
    """Collects the captions of a recording.

    Args:
        asked: by the client.
    """

    def __init__(self, asked: Listen) -> None:
        self._asked = asked
        self._utterances: dict[int, _Utterance] = {}
        self.session = ""

    @property
    def channels(self) -> int:
        """Those in which something was said, and those before them; at least one."""
        return max((each.channel for each in self._utterances.values()), default=0) + 1

    def add(self, caption: Caption) -> None:
        """Take a caption's words."""
        if not caption.words:
            return
        channel = 0
        if self._asked.separate and caption.speaker is not None and caption.speaker.isdecimal():
            channel = int(caption.speaker) - 1
        known = self._utterances.setdefault(caption.segment, _Utterance(channel, caption.language))
        known.words += [
            Word(word.text, word.start_ms, word.end_ms, word.probability) for word in caption.words
        ]

    def results(self) -> dict[str, Any]:
        """Return the part of the answer with words in it."""
        channels = [self._channel(index) for index in range(self.channels)]
        found: dict[str, Any] = {"channels": channels}
        if self._asked.utterances:
            found["utterances"] = [self._utterance(each) for each in self._utterances.values()]
        return found

    def _channel(self, index: int) -> dict[str, Any]:
        said = [each for each in self._utterances.values() if each.channel == index]
        words = [word for each in said for word in each.words]
        channel: dict[str, Any] = {"alternatives": [_alternative(words)]}
        if said and self._asked.language == "auto":
            channel["detected_language"] = said[0].language
        return channel

    def _utterance(self, said: _Utterance) -> dict[str, Any]:
        start_ms, end_ms = said.words[0].start_ms, said.words[-1].end_ms
        return {
            "start": seconds(start_ms),
            "end": seconds(end_ms),
            "channel": said.channel,
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.session} {start_ms} {said.channel}")),
            **_alternative(said.words),
        }


def _alternative(words: Sequence[Word]) -> dict[str, Any]:
    found = [word_of(word, seconds) for word in spoken(words)]
    sure = [word["confidence"] for word in found]
    return {
        "transcript": "".join(word.text for word in words).strip(),
        "confidence": round(sum(sure) / len(sure), 4) if sure else 0.0,
        "words": found,
    }


def _head(recording: SealedFile) -> bytes:
    recording.seek(0)
    return recording.read(4)


async def _hashed(
    stream: AsyncIterator[bytes], update: Callable[[bytes], object]
) -> AsyncIterator[bytes]:
    async for piece in stream:
        update(piece)
        yield piece
