"""The stage that says who speaks: it listens to the journal and revises the speakers of segments.

It runs beside recognition, which knows nothing of it: audio is read from the journal, in steps that
depend on nothing but the audio, so a session that goes on after a restart is heard again from its
beginning and gets the same labels. Voices are kept in memory alone and never stored.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import numpy as np

from greffier.protocol import AudioFormat
from greffier_models.errors import EngineError
from greffier_models.protocols import VoiceActivityDetector, VoiceEmbedder
from greffier_models.types import SAMPLES_PER_MS
from greffier_server.core.audio import AudioBuffer
from greffier_server.core.events import (
    Event,
    InputEnded,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SpeakerRevised,
    SpeakersSettled,
    StageFailed,
    WordsCommitted,
)
from greffier_server.core.speaker_labels import SegmentLabels
from greffier_server.core.speakers import Speakers
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.voice_windows import WINDOW_MS, VoiceWindow, VoiceWindows
from greffier_server.errors import StorageFailed
from greffier_server.pipeline.feed import FrameDecoder
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.read_back import read_stretch
from greffier_server.storage.journal import SessionJournal

__all__ = ["DiarizeStage"]

_log = logging.getLogger(__name__)

_STEP_MS = 600
"""Audio heard at once."""
_POLL_S = 0.3
_STAGE = "speakers"


class DiarizeStage:
    """Tells the voices of one session apart.

    Args:
        journal: the session's audio.
        form: of that audio; several channels are mixed.
        vad: voice activity, shared between sessions.
        embedder: the model of voices, shared between sessions.
        speech: thresholds of voice activity.
        sleep: waits for more audio.
    """

    name = _STAGE
    reads: frozenset[type[Event]] = frozenset(
        {SegmentOpened, WordsCommitted, SegmentClosed, InputEnded, RecognitionFinished}
    )
    writes: frozenset[type[Event]] = frozenset({SpeakerRevised, SpeakersSettled, StageFailed})

    def __init__(
        self,
        *,
        journal: SessionJournal,
        form: AudioFormat,
        vad: VoiceActivityDetector,
        embedder: VoiceEmbedder,
        speech: SpeechSettings | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._journal = journal
        self._form = form
        self._embedder = embedder
        self._sleep = sleep
        self._engine = str(embedder.identity)
        self._decoder = FrameDecoder(form)
        self._vad = vad.open()
        self._windows = VoiceWindows(vad.frame_ms, speech)
        self._buffer = AudioBuffer()
        self._speakers = Speakers()
        self._labels = SegmentLabels()
        self._at_byte = 0
        self._changed_from_ms: int | None = None
        self._seen = 0
        self._ended = False
        self._recognised = False

    async def run(self, log: EventLog) -> None:
        """Follow the session to its end; the last event is `SpeakersSettled`, come what may."""
        async for record in log.past():
            if isinstance(record.event, SpeakersSettled):
                return
        try:
            await self._listen(log)
        except (EngineError, StorageFailed) as error:
            _log.warning("speakers of a session can no longer be told apart: %s", error.code)
            await log.append(StageFailed(_STAGE, error.code, error.message, error.retryable))
        except Exception:
            await log.append(SpeakersSettled())  # the minutes wait for it
            raise
        await log.append(SpeakersSettled())

    async def _listen(self, log: EventLog) -> None:
        heard_before = self._journal.durable_bytes
        while True:
            # Taken in this order: what ends the input is recorded after its audio is durable.
            await self._read_log(log)
            upto = self._journal.durable_bytes
            upto -= upto % self._form.frame_bytes
            self._changed(await self._hear(upto))
            done = self._ended and self._recognised and self._at_byte == upto
            if done:
                self._changed(await asyncio.to_thread(self._finish))
            # Until all is heard again that was heard before a restart, what was said then stands.
            if done or self._at_byte + self._step_bytes > heard_before:
                await self._revise(log)
            if done:
                return
            if upto - self._at_byte < self._step_bytes:
                await self._sleep(_POLL_S)

    @property
    def _step_bytes(self) -> int:
        return _STEP_MS * self._form.rate // 1000 * self._form.frame_bytes

    async def _read_log(self, log: EventLog) -> None:
        records = log.records  # after a restart there are hours of them to unpack
        for record in await asyncio.to_thread(list, records[self._seen :]):
            self._labels.add(record.event)
            self._ended = self._ended or isinstance(record.event, InputEnded)
            self._recognised = self._recognised or isinstance(record.event, RecognitionFinished)
        self._seen = len(records)

    async def _hear(self, upto: int) -> int | None:
        """Hear the next step, when it is whole; return from where on labels are new."""
        until = min(self._at_byte + self._step_bytes, upto)
        whole = until - self._at_byte == self._step_bytes
        if until == self._at_byte or not (whole or self._ended):
            return None
        stretch = await read_stretch(self._journal, self._form, self._at_byte, until)
        self._at_byte = until
        return await asyncio.to_thread(self._take, stretch.audio)

    def _take(self, audio: bytes, *, last: bool = False) -> int | None:
        pcm = self._decoder.decode(audio, last=last)
        self._buffer.append(pcm)
        windows = self._windows.push(self._vad.push(pcm))
        changed_from_ms = self._place(windows)
        self._buffer.drop_before(self._windows.keep_from_ms)
        return changed_from_ms

    def _finish(self) -> int | None:
        changed_from_ms = self._take(b"", last=True)
        changed_from_ms = _earlier(changed_from_ms, self._place(self._windows.finish()))
        return 0 if self._speakers.settle() else changed_from_ms

    def _place(self, windows: list[VoiceWindow]) -> int | None:
        if not windows:
            return None
        length = WINDOW_MS * SAMPLES_PER_MS
        cuts = [self._buffer.cut(window.from_ms, window.to_ms) for window in windows]
        vectors = self._embedder.embed([np.resize(cut, length) for cut in cuts])
        changed_from_ms: int | None = None
        for window, vector in zip(windows, vectors, strict=True):
            changed = self._speakers.add(window.answers_from_ms, window.answers_to_ms, vector)
            from_ms = 0 if changed else window.answers_from_ms
            changed_from_ms = _earlier(changed_from_ms, from_ms)
        return changed_from_ms

    def _changed(self, from_ms: int | None) -> None:
        self._changed_from_ms = _earlier(self._changed_from_ms, from_ms)

    async def _revise(self, log: EventLog) -> None:
        changed_from_ms, self._changed_from_ms = self._changed_from_ms, None
        revisions = self._labels.revisions(self._speakers.pieces, changed_from_ms=changed_from_ms)
        if not revisions:
            return
        for revision in revisions:
            self._labels.add(revision)
        heard_ms = self._buffer.end_ms
        await log.append(*revisions, audio_to_ms=heard_ms, engine=self._engine)


def _earlier(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
