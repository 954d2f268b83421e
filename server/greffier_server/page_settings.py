"""Settings of the pages for browsers."""

import re

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["PageSettings"]

_ORIGIN = re.compile(r"^https?://[A-Za-z0-9.\[\]:*-]+$")


class PageSettings(BaseModel):
    """The pages for browsers."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    enabled: bool = True
    """Serve them; without them the server answers programs alone."""
    frame_ancestors: tuple[str, ...] = ()
    """Origins whose pages may show the caption page in a frame, ``https://meet.example.org``."""

    @field_validator("frame_ancestors")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN.match(origin) for origin in value):
            raise ValueError("write frame_ancestors as https://HOST")
        return value
