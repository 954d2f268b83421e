"""What the desk and the second pass are given of the settings."""

from greffier_server.core.admission import Room
from greffier_server.core.policies import default_dials
from greffier_server.core.speech import PROFILES
from greffier_server.pipeline.building import SessionSettings
from greffier_server.pipeline.desk import DeskSettings
from greffier_server.pipeline.second_pass import SecondPassOptions
from greffier_server.pipeline.session import SessionLimits
from greffier_server.pipeline.stages import Translating
from greffier_server.pipeline.transcribe import TranscribeSettings
from greffier_server.settings import Settings
from greffier_server.translation_settings import known_languages

__all__ = ["desk_settings", "second_pass_options"]

_DAY_MS = 86_400_000


def desk_settings(settings: Settings, room: Room) -> DeskSettings:
    """What the desk is told, with `room` for live streams."""
    limits = settings.limits
    retention = settings.retention_days
    return DeskSettings(
        sessions=SessionSettings(
            limits=SessionLimits(
                buffer_ms=limits.buffer_ms,
                grace_s=limits.grace_s,
                idle_s=limits.idle_timeout_s + limits.grace_s,
                max_hours=limits.max_session_hours,
                spool_grace_s=limits.spool_grace_s,
            ),
            policy=default_dials(
                settings.recognition.policy, fast=settings.recognition.latency == "fast"
            ),
            speech=PROFILES[settings.recognition.profile],
            expected_languages=settings.recognition.expected_languages,
            anchor_ms=round(settings.integrity.anchor_s * 1000),
            translating=Translating(
                settings.translation.policy,
                known_languages(settings.translation, settings.language_model.model)
                if settings.language_model.engine in ("llama", "openai")
                else frozenset(),
            ),
        ),
        max_sessions=room.streams,
        retention_ms=None if retention is None else round(retention * _DAY_MS),
    )


def second_pass_options(settings: Settings) -> SecondPassOptions:
    """What the second pass is told."""
    wanted = settings.second_pass
    return SecondPassOptions(
        automatic=wanted.enabled,
        minutes=wanted.minutes,
        expected_languages=settings.recognition.expected_languages,
        speech=PROFILES[settings.recognition.profile],
        reading=TranscribeSettings(beam_size=wanted.beam_size, in_flight=4),
    )
