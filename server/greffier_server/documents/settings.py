"""Settings of exported documents."""

from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["DocumentSettings"]


class DocumentSettings(BaseModel):
    """Minutes and transcripts as documents."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    templates_dir: Path | None = None
    """Templates of your own: ``TENANT/KIND.html`` or ``TENANT/LANGUAGE/KIND.html``, and for all
    tenants the same without ``TENANT/``."""
    fonts_dir: Path | None = None
    """Further fonts for PDF, for scripts other than Latin, Greek and Cyrillic."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Text at the top of each page, by tenant."""
    footers: dict[str, str] = Field(default_factory=dict)
    """Text at the bottom of each page, by tenant."""
    markings: dict[str, str] = Field(default_factory=dict)
    """Classification marking on each page, by tenant, where the request gives none."""
    timezone: str = ""
    """Time zone of dates and times, such as ``Europe/Paris``; the machine's when empty."""

    @model_validator(mode="after")
    def _zone_is_known(self) -> Self:
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("timezone is not a name of the IANA time zone database") from None
        return self
