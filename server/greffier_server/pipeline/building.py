"""How a session is put together: its audio, its policy, its stages, at once or after a restart."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from greffier_models.load import DeviceLoad
from greffier_models.protocols import (
    SpeechRecognizer,
    TextGenerator,
    VoiceActivityDetector,
    VoiceEmbedder,
)
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.channels import channel_numbers
from greffier_server.core.events import SessionStarted, SpeakersSettled
from greffier_server.core.hotwords import choose_hotwords
from greffier_server.core.policies import PolicySettings
from greffier_server.core.resumption import ChannelStart
from greffier_server.core.segments import Segmenter
from greffier_server.core.speech import PROFILES, SpeechSettings
from greffier_server.core.state import SessionState
from greffier_server.pipeline.anchor import AnchorStage, TappedJournal
from greffier_server.pipeline.channels import Channels
from greffier_server.pipeline.diarize import DiarizeStage
from greffier_server.pipeline.feed import AudioFeed, ChannelDecoder, ChannelFeeds
from greffier_server.pipeline.listening import (
    Ears,
    Listening,
    channel_starts,
    open_segmenter,
    taking_part,
)
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.pace import Pace
from greffier_server.pipeline.ports import Hearing, Stage
from greffier_server.pipeline.recording import RecordingRecognition
from greffier_server.pipeline.session import Session, SessionLimits
from greffier_server.pipeline.stages import Translating, downstream_stages
from greffier_server.pipeline.timing import Opening, Timing
from greffier_server.pipeline.transcribe import RecordingTranscriber, TranscribeSettings
from greffier_server.storage.journal import AudioJournal, SessionJournal

__all__ = ["Engines", "SessionBuilder", "SessionSettings"]


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
    reading: TranscribeSettings = field(default_factory=lambda: TranscribeSettings(in_flight=8))
    """How a session is read that says its audio is a whole recording; live ones come first."""
    anchor_ms: int = 0
    """Audio between two anchors of the hash chain; 0 = the audio is not anchored."""
    translating: Translating = field(default_factory=Translating)
    """Policy of live translation, and the languages that the model knows."""


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
        self._versions: dict[str, str] | None = None

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
        journal: SessionJournal = await self._journal.open(tenant, session_id)
        if self._settings.anchor_ms:
            journal = TappedJournal(journal)
        form = started.format
        reading = self._reading(started)
        if reading is not None:
            starts = [ChannelStart.of(state, channel, 0) for channel in channel_numbers(started)]
        else:
            starts = channel_starts(started, state, self._settings.policy)
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
        opening = await self._opening(started, from_byte)
        feeds: list[AudioFeed] = []
        recognitions: list[Hearing] = []
        for start in starts:
            begin_ms = max(start_ms, min(start.from_ms, durable_ms))
            feeds.append(AudioFeed(begin_ms))
            heard = _Heard((tenant, session_id), log, feeds[-1], begin_ms, progressed)
            if reading is not None:
                segmenter = open_segmenter(started, start, numbers)
                recognitions.append(self._recording(started, start, heard, segmenter, reading))
            else:
                recognitions.append(self._live(started, start, heard, numbers, pace, opening))
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

    async def _opening(self, started: SessionStarted, from_byte: int) -> Opening:
        if self._reading(started) is not None:
            return Opening()
        if self._versions is None:
            self._versions = await asyncio.to_thread(taking_part)
        identity = self._engines.recognizer.identity
        listening = self._listening(started)
        return Opening(listening.recorded(identity, from_byte=from_byte, versions=self._versions))

    def _reading(self, started: SessionStarted) -> TranscribeSettings | None:
        """How the session is read as a whole recording; None = it is live."""
        if self._settings.recordings is not None:
            return self._settings.recordings
        return self._settings.reading if started.recorded else None

    def _listening(self, started: SessionStarted) -> Listening:
        settings = self._settings
        return Listening(settings.policy, self._speech(started), settings.expected_languages)

    def _live(
        self,
        started: SessionStarted,
        start: ChannelStart,
        heard: _Heard,
        numbers: Iterator[int],
        pace: Pace,
        opening: Opening,
    ) -> Hearing:
        return self._listening(started).open(
            started,
            start,
            Ears(self._engines.recognizer, self._engines.vad),
            log=heard.log,
            feed=heard.feed,
            begin_ms=heard.from_ms,
            numbers=numbers,
            pace=pace,
            timing=partial(Timing, opening=opening),
            stream=heard.stream,
            on_progress=heard.on_progress,
            on_commit=self._on_commit,
        )

    def _stages(self, started: SessionStarted, journal: SessionJournal) -> list[Stage]:
        stages = self._text_stages(started, journal)
        if isinstance(journal, TappedJournal):
            step_ms = self._settings.anchor_ms
            stages.append(AnchorStage(journal=journal, form=started.format, step_ms=step_ms))
        return stages

    def _text_stages(self, started: SessionStarted, journal: SessionJournal) -> list[Stage]:
        voices = self._engines.voices
        if voices is None or started.channels == "separate":  # then a channel is a speaker
            return [
                *downstream_stages(
                    started, self._engines.generator, translating=self._settings.translating
                )
            ]
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
            *downstream_stages(
                started,
                self._engines.generator,
                minutes_after=minutes_after,
                translating=self._settings.translating,
            ),
        ]

    def _recording(
        self,
        started: SessionStarted,
        start: ChannelStart,
        heard: _Heard,
        segmenter: Segmenter,
        reading: TranscribeSettings,
    ) -> Hearing:
        return RecordingRecognition(
            log=heard.log,
            feed=heard.feed,
            segmenter=segmenter,
            transcriber=RecordingTranscriber(
                recognizer=self._engines.recognizer,
                detector=self._engines.vad,
                speech=self._speech(started),
                settings=reading,
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
