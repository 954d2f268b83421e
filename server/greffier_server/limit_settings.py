"""Settings of what one server takes at most."""

from pydantic import Field

from greffier_server.settings_section import SettingsSection

__all__ = ["LimitSettings"]


class LimitSettings(SettingsSection):
    """What one server takes at most."""

    max_sessions: int | None = Field(default=None, ge=1, le=100_000)
    """Live streams at once; more are refused with ``server_busy``. When absent, what ``greffier
    capacity`` measured here, or else an estimate made at the start."""
    max_session_hours: float = Field(default=12.0, gt=0, le=168)
    """A session that lasts longer is finished."""
    buffer_ms: int = Field(default=30_000, ge=1_000, le=600_000)
    """Audio waiting for the recogniser, per session; when full, the socket is not read."""
    max_frame_bytes: int = Field(default=1_048_576, ge=4_096, le=67_108_864)
    """Size of one WebSocket message."""
    idle_timeout_s: float = Field(default=300.0, gt=0)
    """A speaking client that sends nothing for so long is disconnected (it may resume)."""
    start_timeout_s: float = Field(default=10.0, gt=0)
    """Time for the first message of a WebSocket."""
    send_timeout_s: float = Field(default=60.0, gt=0)
    """A client that does not take one message for so long is disconnected."""
    grace_s: float = Field(default=60.0, ge=0)
    """A session whose client vanished waits so long for it before it is finished."""
    spool_grace_s: float = Field(default=86_400.0, ge=0)
    """The same where the client keeps the audio on its own disk (``greffier listen --spool``)."""
    drain_s: float = Field(default=10.0, ge=0)
    """On shutdown, time for connections to receive what is durable."""
    retry_after_s: float | None = Field(default=None, gt=0, le=3_600)
    """On shutdown, when clients are told to come back; when absent, after as long as this server
    took to start."""
    handover_s: float = Field(default=20.0, ge=0, le=600)
    """A server that finds its data directory in use waits so long, beyond `drain_s`, for the one
    before it to leave."""
    connections: int = Field(default=512, ge=1, le=100_000)
    """WebSockets at once, viewers included."""
