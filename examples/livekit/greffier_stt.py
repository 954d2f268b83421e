"""Greffier as the speech to text of LiveKit agents, and so of rooms such as La Suite's Visio.

::

    from livekit.agents import AgentSession
    from greffier_stt import GreffierSTT

    session = AgentSession(stt=GreffierSTT("wss://captions.example.org", language="fr"), ...)

Each stream is a session of the server, with its record and its minutes. Words that are committed
are told as final transcripts at once, not at the end of a sentence: agents hear them seconds
earlier. ``pip install greffier livekit-agents``.
"""

import asyncio
import os
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIStatusError
from livekit.agents.stt import (
    STT,
    RecognizeStream,
    SpeechData,
    SpeechEvent,
    SpeechEventType,
    STTCapabilities,
)
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer, is_given

import greffier
from greffier.protocol import AudioFormat, Caption

__all__ = ["GreffierSTT"]

_RATE = 16_000


class GreffierSTT(STT[Any]):
    """Opens a session for each stream.

    Args:
        server: address of Greffier; GREFFIER_SERVER when absent.
        token: its API token; GREFFIER_TOKEN when absent.
        language: of the speech, or ``auto``.
        title: of the sessions.
        minutes: have minutes written at the end.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        token: str | None = None,
        language: str = "auto",
        title: str = "",
        minutes: bool = True,
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(
                streaming=True, interim_results=True, offline_recognize=False
            )
        )
        self.server = server or os.environ.get("GREFFIER_SERVER", "ws://127.0.0.1:8765")
        self.token = token or os.environ.get("GREFFIER_TOKEN")
        self.language = language
        self.title = title
        self.minutes = minutes

    @property
    def provider(self) -> str:
        """Who recognises."""
        return "greffier"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> "GreffierStream":
        """Open a session to speak into."""
        spoken = language if is_given(language) else self.language
        return GreffierStream(self, language=spoken, conn_options=conn_options)

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> SpeechEvent:
        raise NotImplementedError("this recognises streams; see capabilities.offline_recognize")


class GreffierStream(RecognizeStream):
    """One session; made by `GreffierSTT.stream`."""

    def __init__(self, stt: GreffierSTT, *, language: str, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=_RATE)
        self._greffier = stt
        self._language = language

    async def _run(self) -> None:
        stt = self._greffier
        try:
            async with greffier.connect(
                stt.server,
                token=stt.token,
                language=self._language,
                format=AudioFormat("pcm_s16le", _RATE, 1),
                title=stt.title,
                minutes=stt.minutes,
            ) as session:
                sending = asyncio.create_task(self._send(session))
                try:
                    speaking = False
                    async for message in session:
                        if isinstance(message, Caption):
                            speaking = self._tell(message, session.id, speaking=speaking)
                    await sending
                finally:
                    sending.cancel()
        except greffier.ServerRefused as error:
            raise APIStatusError(str(error), retryable=error.retryable) from error
        except greffier.GreffierError as error:
            raise APIConnectionError(str(error)) from error

    async def _send(self, session: greffier.LiveSession | greffier.SpooledSession) -> None:
        async for frame in self._input_ch:
            if isinstance(frame, rtc.AudioFrame):
                await session.send(mono(frame))
        await session.finish()

    def _tell(self, caption: Caption, session: str, *, speaking: bool) -> bool:
        """Turn a caption into the field's events; return whether somebody speaks."""
        events: list[tuple[SpeechEventType, str]] = []
        if not speaking and (caption.committed or caption.tail):
            events.append((SpeechEventType.START_OF_SPEECH, ""))
        if caption.committed:
            events.append((SpeechEventType.FINAL_TRANSCRIPT, caption.committed.strip()))
        if caption.tail:
            events.append((SpeechEventType.INTERIM_TRANSCRIPT, caption.tail.strip()))
        if caption.closed and speaking:
            events.append((SpeechEventType.END_OF_SPEECH, ""))
        for kind, text in events:
            said = self._said(caption, text) if text else []
            self._event_ch.send_nowait(SpeechEvent(kind, request_id=session, alternatives=said))
        return not caption.closed and (speaking or bool(events))

    def _said(self, caption: Caption, text: str) -> list[SpeechData]:
        start_ms = caption.words[0].start_ms if caption.words else caption.start_ms
        end_ms = caption.words[-1].end_ms if caption.words else caption.end_ms
        sure = min((word.probability for word in caption.words), default=0.0)
        return [
            SpeechData(
                language=caption.language,  # pyright: ignore[reportArgumentType] - it converts
                text=text,
                start_time=start_ms / 1_000 + self.start_time_offset,
                end_time=end_ms / 1_000 + self.start_time_offset,
                confidence=sure,
                speaker_id=caption.speaker,
            )
        ]


def mono(frame: rtc.AudioFrame) -> bytes:
    """The first channel's samples."""
    samples = memoryview(frame.data).cast("B").cast("h")
    return samples[:: frame.num_channels].tobytes()
