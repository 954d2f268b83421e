"""How a session is put together: its audio, its policy, its stages, at once or after a restart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from greffier_models.load import DeviceLoad
from greffier_models.protocols import (
    SpeechRecognizer,
    TextGenerator,
    VoiceActivityDetector,
    VoiceEmbedder,
)
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.channels import channel_numbers, speaker_names
from greffier_server.core.events import SessionStarted, SpeakersSettled
from greffier_server.core.hotwords import choose_hotwords
from greffier_server.core.policies import PolicySettings, build_policy
from greffier_server.core.policy import StreamingPolicy
from greffier_server.core.resumption import ChannelStart
from greffier_server.core.segments import Segmenter
from greffier_server.core.speech import PROFILES, SpeechSettings
from greffier_server.core.state import SessionState
from greffier_server.pipeline.channels import Channels
from greffier_server.pipeline.diarize import DiarizeStage
from greffier_server.pipeline.feed import AudioFeed, ChannelDecoder, ChannelFeeds
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.pace import Pace
from greffier_server.pipeline.ports import Hearing, Stage
from greffier_server.pipeline.recognise import Recognition
from greffier_server.pipeline.recording import RecordingRecognition
from greffier_server.pipeline.session import Session, SessionLimits
from greffier_server.pipeline.stages import downstream_stages
from greffier_server.pipeline.transcribe import RecordingTranscriber, TranscribeSettings
from greffier_server.storage.journal import AudioJournal, SessionJournal

__all__ = ["Engines", "SessionBuilder", "SessionSettings"]

_LEAD_IN_MS = 2_000
"""Heard before the context of a recovered session, for voice activity to settle."""


@dataclass(frozen=True, slots=True)
class Engines:
    """What sessions share."""

    recognizer: SpeechRecognizer
    vad: VoiceActivityDetector
    generator: TextGenerator | None = None
    load: Callable[[], DeviceLoad] | None = None
    """What the recogniser's device bears; None = not known (the ladder sees its own lag only)."""
    voices: VoiceEmbedder | None = None
    """Tells speakers apart; None = segments have no speaker."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What every session of this process is built with."""

    limits: SessionLimits = field(default_factory=SessionLimits)
    expected_languages: tuple[str, ...] = ()
    """Spoken here; where the language is detected, others need far more evidence."""
    policy: PolicySettings = field(default_factory=AlignAttSettings)
    """Its type says which policy; see `core/policies.py`."""
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    """Where a session does not name its profile."""
    recordings: TranscribeSettings | None = None
    """Set where each session's audio is a whole recording, which nobody watches word by word."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the recognition of one channel reads and where it writes."""

    stream: tuple[str, str]
    """Tenant and session, for a fair share of the engine."""
    log: EventLog
    feed: AudioFeed
    from_ms: int
    on_progress: Callable[[], None]


class SessionBuilder:
    """Builds sessions over one journal and one set of engines.

    Args:
        journal: audio.
        engines: shared models.
        settings: bounds, policy, voice activity.
        on_commit: told the lag of each committed batch of words.
    """

    def __init__(
        self,
        *,
        journal: AudioJournal,
        engines: Engines,
        settings: SessionSettings,
        on_commit: Callable[[int], None],
    ) -> None:
        self._journal = journal
        self._engines = engines
        self._settings = settings
        self._on_commit = on_commit

    async def build(
        self,
        tenant: str,
        session_id: str,
        started: SessionStarted,
        log: EventLog,
        state: SessionState | None = None,
    ) -> Session:
        """Build a session, or one of before a restart whose events fold to `state`."""
        state = state or SessionState()
        journal = await self._journal.open(tenant, session_id)
        form = started.format
        context_ms = self._settings.policy.context_ms + _LEAD_IN_MS
        if self._settings.recordings is not None:
            context_ms = 0
        starts = [
            ChannelStart.of(state, channel, context_ms) for channel in channel_numbers(started)
        ]
        from_ms = min(start.from_ms for start in starts)
        from_byte = min(from_ms * form.rate // 1000, journal.durable_bytes // form.frame_bytes)
        from_byte *= form.frame_bytes
        start_ms = from_byte // form.frame_bytes * 1000 // form.rate
        durable_ms = journal.durable_bytes // form.frame_bytes * 1000 // form.rate
        session: Session | None = None

        def progressed() -> None:
            if session is not None:
                session.notify()

        pace, numbers = Pace(self._engines.load), count(max(state.segments, default=0) + 1)
        feeds: list[AudioFeed] = []
        recognitions: list[Hearing] = []
        for start in starts:
            begin_ms = max(start_ms, min(start.from_ms, durable_ms))
            feeds.append(AudioFeed(begin_ms))
            heard = _Heard((tenant, session_id), log, feeds[-1], begin_ms, progressed)
            segmenter = _segmenter(started, start, numbers)
            if self._settings.recordings is not None:
                recognitions.append(self._recording(started, start, heard, segmenter))
            else:
                recognitions.append(self._live(started, start, heard, segmenter, pace))
        session = Session(
            tenant=tenant,
            session=session_id,
            form=form,
            log=log,
            journal=journal,
            decoder=ChannelDecoder(form, separate=started.channels == "separate"),
            feed=ChannelFeeds(feeds, start_ms=start_ms),
            recognition=Channels(recognitions, pace=pace, finished=state.recognised),
            stages=self._stages(started, journal),
            limits=self._settings.limits,
            resume_from_byte=from_byte,
            input_ended=state.ended.reason if state.ended else None,
            spooled=started.spooled,
        )
        return session

    def _live(
        self,
        started: SessionStarted,
        start: ChannelStart,
        heard: _Heard,
        segmenter: Segmenter,
        pace: Pace,
    ) -> Hearing:
        return Recognition(
            log=heard.log,
            feed=heard.feed,
            policy=self._policy(started, start, start_ms=heard.from_ms),
            segmenter=segmenter,
            recognizer=self._engines.recognizer,
            vad=self._engines.vad.open(),
            frame_ms=self._engines.vad.frame_ms,
            start_ms=heard.from_ms,
            hotwords=choose_hotwords(started.glossary),
            channel=start.channel,
            pace=pace,
            stream=heard.stream,
            on_progress=heard.on_progress,
            on_commit=self._on_commit,
        )

    def _stages(self, started: SessionStarted, journal: SessionJournal) -> list[Stage]:
        voices = self._engines.voices
        if voices is None or started.channels == "separate":  # then a channel is a speaker
            return [*downstream_stages(started, self._engines.generator)]
        diarize = DiarizeStage(
            journal=journal,
            form=started.format,
            vad=self._engines.vad,
            embedder=voices,
            speech=self._speech(started),
        )
        minutes_after = SpeakersSettled
        return [
            diarize,
            *downstream_stages(started, self._engines.generator, minutes_after=minutes_after),
        ]

    def _recording(
        self, started: SessionStarted, start: ChannelStart, heard: _Heard, segmenter: Segmenter
    ) -> Hearing:
        return RecordingRecognition(
            log=heard.log,
            feed=heard.feed,
            segmenter=segmenter,
            transcriber=RecordingTranscriber(
                recognizer=self._engines.recognizer,
                detector=self._engines.vad,
                speech=self._speech(started),
                settings=self._settings.recordings,
                stream=heard.stream,
            ),
            engine=str(self._engines.recognizer.identity),
            language=None if started.language == "auto" else started.language,
            expected=self._settings.expected_languages,
            hotwords=choose_hotwords(started.glossary),
            channel=start.channel,
            start_ms=heard.from_ms,
            on_progress=heard.on_progress,
        )

    def _speech(self, started: SessionStarted) -> SpeechSettings:
        return self._settings.speech if started.profile is None else PROFILES[started.profile]

    def _policy(
        self, started: SessionStarted, start: ChannelStart, *, start_ms: int
    ) -> StreamingPolicy:
        return build_policy(
            self._settings.policy,
            frame_ms=self._engines.vad.frame_ms,
            language=None if started.language == "auto" else started.language,
            expected=self._settings.expected_languages,
            speech=self._speech(started),
            start_ms=start_ms,
            decided_ms=start.decided_ms,
            committed=[word for segment in start.segments for word in segment.words],
        )


def _segmenter(started: SessionStarted, start: ChannelStart, numbers: Iterator[int]) -> Segmenter:
    unclosed = next((segment for segment in start.segments if not segment.closed), None)
    names = speaker_names(started)
    return Segmenter(
        next_segment=unclosed.id if unclosed else 1,
        open_segment=unclosed.words if unclosed else (),
        language=unclosed.language if unclosed else "",
        numbers=numbers,
        channel=start.channel,
        speaker=names[start.channel - 1] if names else None,
    )
