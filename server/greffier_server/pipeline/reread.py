"""One recording read again from its journal, whenever no live session needs the device."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

from greffier.protocol import AudioFormat
from greffier_models.protocols import SpeechRecognizer, VoiceActivityDetector
from greffier_models.types import Pcm
from greffier_server.core.revisions import Heard
from greffier_server.core.speech import SpeechSettings
from greffier_server.pipeline.feed import FrameDecoder
from greffier_server.pipeline.read_back import read_stretch
from greffier_server.pipeline.transcribe import (
    ENGINE_FAILED,
    Passage,
    RecordingTranscriber,
    TranscribeSettings,
)
from greffier_server.storage.journal import SessionJournal

__all__ = ["OpenEngine", "Reread"]

OpenEngine = Callable[[], AbstractAsyncContextManager[SpeechRecognizer]]
"""Loads the recogniser of the second pass; leaving it gives its memory back."""

_READ_MS = 30_000
"""Audio taken from the journal at once: a segment file is scanned for each."""


class Reread:
    """Reads a journal in windows; gives way to live sessions, and goes on where it was.

    Giving way means: what is in flight is dropped, the model is closed, and what is already read is
    kept. So a live session never shares the device, nor its memory, with a second pass for longer
    than one batch.

    Args:
        journal: the audio.
        form: of the audio.
        engine: opens the recogniser.
        detector: voice activity.
        speech: its thresholds.
        settings: dials of the transcription.
        busy: whether live sessions need the device.
        poll_s: how often that is asked.
        language: ISO 639-1; None = followed.
        expected: languages likely to be spoken, where the language is followed.
        hotwords: names and terms the recogniser should expect.
    """

    def __init__(
        self,
        journal: SessionJournal,
        form: AudioFormat,
        *,
        engine: OpenEngine,
        detector: VoiceActivityDetector,
        speech: SpeechSettings,
        settings: TranscribeSettings,
        busy: Callable[[], bool],
        poll_s: float = 0.5,
        language: str | None = None,
        expected: Sequence[str] = (),
        hotwords: tuple[str, ...] = (),
    ) -> None:
        self._journal = journal
        self._format = form
        self._engine = engine
        self._detector = detector
        self._speech = speech
        self._settings = settings
        self._busy = busy
        self._poll_s = poll_s
        self._language = language
        self._expected = expected
        self._hotwords = hotwords
        self._at_ms = 0
        self._damaged: set[tuple[int, int]] = set()
        self._passages: list[Passage] = []
        self.engine = ""
        """Identity of the model, once it was opened."""

    @property
    def heard(self) -> list[Heard]:
        """What was read so far."""
        return [Heard(passage.language, passage.words) for passage in self._passages]

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Stretches (from, to) in milliseconds that the disk or the engine did not give."""
        failed = {
            (doubt.start_ms, doubt.end_ms)
            for passage in self._passages
            for doubt in passage.withheld
            if doubt.reason == ENGINE_FAILED
        }
        return sorted(failed | self._damaged)

    async def run(self) -> None:
        """Read to the end of the journal.

        Raises:
            EngineError: the model cannot be loaded.
            StorageFailed: the disk cannot be read.
        """
        while True:
            while self._busy():  # noqa: ASYNC110 - a desk tells nobody that it is empty
                await asyncio.sleep(self._poll_s)
            reading = asyncio.create_task(self._read(), name="second-pass-reading")
            try:
                while not reading.done() and not self._busy():
                    await asyncio.wait({reading}, timeout=self._poll_s)
            finally:
                reading.cancel()  # nothing happens to one that is done
                await asyncio.gather(reading, return_exceptions=True)
            if not reading.cancelled():
                return reading.result()

    async def _read(self) -> None:
        async with self._engine() as recognizer:
            self.engine = str(recognizer.identity)
            transcriber = RecordingTranscriber(
                recognizer=recognizer,
                detector=self._detector,
                speech=self._speech,
                settings=self._settings,
            )
            passages = transcriber.transcribe(
                self._blocks(),
                language=self._language,
                expected=self._expected,
                hotwords=self._hotwords,
                start_ms=self._at_ms,
            )
            async with aclosing(passages):
                async for passage in passages:
                    self._passages.append(passage)
                    self._at_ms = passage.end_ms

    async def _blocks(self) -> AsyncGenerator[Pcm, None]:
        form, end = self._format, self._journal.durable_bytes
        decoder = FrameDecoder(form)
        at = min(self._at_ms * form.rate // 1000 * form.frame_bytes, end)
        step = _READ_MS * form.rate // 1000 * form.frame_bytes
        per_second = form.rate * form.frame_bytes
        while end - at >= form.frame_bytes:
            upto = min(end, at + step)
            stretch = await read_stretch(self._journal, form, at, upto)
            if stretch.lost is not None:
                from_ms, to_ms = (byte * 1000 // per_second for byte in stretch.lost)
                self._damaged.add((from_ms, to_ms))
            yield await asyncio.to_thread(decoder.decode, stretch.audio)
            at = upto
        yield await asyncio.to_thread(decoder.decode, b"", last=True)
