"""Settings of the words that raise an alert in the radio log."""

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["AlertSettings"]

_LONGEST = 80


class AlertSettings(BaseModel):
    """Words that call for attention, besides distress, urgency and safety calls."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    words: tuple[str, ...] = ()
    """Words and phrases, as ``feu`` or ``blessé grave``; case and accents do not matter."""
    tenant_words: tuple[str, ...] = ()
    """The same for single tenants, each ``tenant:word``."""

    @field_validator("words", "tenant_words")
    @classmethod
    def _short(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(not word.strip() or len(word) > _LONGEST for word in words):
            raise ValueError(f"each has 1 to {_LONGEST} characters")
        return words

    @field_validator("tenant_words")
    @classmethod
    def _named(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(not all(word.partition(":")[::2]) for word in words):
            raise ValueError("each is written tenant:word")
        return words
