"""How a session is put together: its audio, its policy, its stages, at once or after a restart."""

from collections.abc import Callable
from dataclasses import dataclass, field

from greffier_models.protocols import SpeechRecognizer, TextGenerator, VoiceActivityDetector
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.events import SessionStarted
from greffier_server.core.policies import PolicySettings, build_policy
from greffier_server.core.segments import Segmenter
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.state import SessionState
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.recognise import Recognition
from greffier_server.pipeline.session import Session, SessionLimits
from greffier_server.pipeline.stages import downstream_stages
from greffier_server.storage.journal import AudioJournal

__all__ = ["Engines", "SessionBuilder", "SessionSettings"]

_LEAD_IN_MS = 2_000
"""Heard before the context of a recovered session, for voice activity to settle."""


@dataclass(frozen=True, slots=True)
class Engines:
    """What sessions share."""

    recognizer: SpeechRecognizer
    vad: VoiceActivityDetector
    generator: TextGenerator | None = None


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What every session of this process is built with."""

    limits: SessionLimits = field(default_factory=SessionLimits)
    expected_languages: tuple[str, ...] = ()
    """Spoken here; where the language is detected, others need far more evidence."""
    policy: PolicySettings = field(default_factory=AlignAttSettings)
    """Its type says which policy; see `core/policies.py`."""
    speech: SpeechSettings = field(default_factory=SpeechSettings)


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
        decided_ms = _decided_ms(state)
        # What is decided is heard again for its sound alone: words need what was said before them.
        from_ms = max(0, decided_ms - self._settings.policy.context_ms - _LEAD_IN_MS)
        if state.recognised:
            from_ms = decided_ms
        from_byte = min(from_ms * form.rate // 1000, journal.durable_bytes // form.frame_bytes)
        from_byte *= form.frame_bytes
        start_ms = from_byte // form.frame_bytes * 1000 // form.rate
        feed = AudioFeed(start_ms)
        policy = build_policy(
            self._settings.policy,
            frame_ms=self._engines.vad.frame_ms,
            language=None if started.language == "auto" else started.language,
            expected=self._settings.expected_languages,
            speech=self._settings.speech,
            start_ms=start_ms,
            decided_ms=decided_ms,
            committed=[word for s in state.segments.values() for word in s.words],
        )
        last = max(state.segments, default=0)
        unclosed = state.segments[last] if last and not state.segments[last].closed else None
        segmenter = Segmenter(
            next_segment=last if unclosed else last + 1,
            open_segment=unclosed.words if unclosed else (),
            language=unclosed.language if unclosed else "",
        )
        session: Session | None = None

        def progressed() -> None:
            if session is not None:
                session.notify()

        recognition = Recognition(
            log=log,
            feed=feed,
            policy=policy,
            segmenter=segmenter,
            recognizer=self._engines.recognizer,
            vad=self._engines.vad.open(),
            frame_ms=self._engines.vad.frame_ms,
            start_ms=start_ms,
            hotwords=tuple(term.term for term in started.glossary)[:50],
            finished=state.recognised,
            on_progress=progressed,
            on_commit=self._on_commit,
        )
        session = Session(
            tenant=tenant,
            session=session_id,
            form=form,
            log=log,
            journal=journal,
            feed=feed,
            recognition=recognition,
            stages=downstream_stages(started, self._engines.generator),
            limits=self._settings.limits,
            resume_from_byte=from_byte,
            input_ended=state.ended.reason if state.ended else None,
        )
        return session


def _decided_ms(state: SessionState) -> int:
    """Audio before this needs no decoding: its words are committed, or withheld."""
    if state.recognised and state.ended is not None:
        return state.ended.duration_ms
    ends = [segment.end_ms for segment in state.segments.values()]
    return max([0, *ends, *(doubt.end_ms for doubt in state.withheld)])
