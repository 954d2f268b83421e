"""Settings of recordings that are sent whole over HTTP."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["UploadSettings"]

_MB = 1_000_000


class UploadSettings(BaseModel):
    """Recordings that clients of other services send whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_mb: int = Field(default=512, ge=1, le=100_000)
    """Size of one, in megabytes (10^6 bytes). How long it may be is `limits.max_session_hours`."""
    at_once: int = Field(default=4, ge=1, le=1_000)
    """Received or transcribed at once; more are refused with ``server_busy``."""

    @property
    def max_bytes(self) -> int:
        """Size of one."""
        return self.max_mb * _MB
