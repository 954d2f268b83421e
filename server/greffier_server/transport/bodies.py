"""Bodies of HTTP answers, as OpenAPI publishes them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from greffier_server.services import ModelDescription
from greffier_server.storage.store import SessionRow

__all__ = [
    "ErrorBody",
    "Health",
    "ModelBody",
    "ModelList",
    "OpenAIModelBody",
    "SecondPassBody",
    "SessionBody",
    "SessionList",
    "WithheldBody",
    "WithheldList",
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ErrorBody(_Body):
    """Every answer with a status of 400 or more."""

    code: str
    """Stable; programs decide by it."""
    message: str
    """What to do, for people."""
    retryable: bool
    """The same request may succeed later."""


class Health(_Body):
    """The process answers, or is ready."""

    status: Literal["ok", "ready"]
    version: str


class SessionBody(_Body):
    """A session."""

    session: str
    title: str
    state: str
    """``open`` (audio may come), ``draining`` (work left) or ``finished``."""
    language: str
    translate_to: tuple[str, ...]
    created_at_ms: int
    """Milliseconds since the epoch, UTC."""
    updated_at_ms: int
    duration_ms: int
    """Length of the recording."""
    last_seq: int
    """Of its last event."""
    expires_at_ms: int | None
    """When retention deletes it; null = kept."""

    @classmethod
    def of(cls, row: SessionRow) -> "SessionBody":
        """Leave out what is not the reader's business."""
        return cls(
            session=row.session,
            title=row.title,
            state=row.state,
            language=row.language,
            translate_to=row.translate_to,
            created_at_ms=row.created_at_ms,
            updated_at_ms=row.updated_at_ms,
            duration_ms=row.duration_ms,
            last_seq=row.last_seq,
            expires_at_ms=row.expires_at_ms,
        )


class SessionList(_Body):
    """A page of sessions, newest first."""

    sessions: tuple[SessionBody, ...]
    next_before_ms: int | None
    """Value of ``before_ms`` for the next page; null = this was the last one."""


class SecondPassBody(_Body):
    """How far the second pass over a session is."""

    session: str
    state: Literal["queued", "none", "done", "failed"]
    """The newest outcome that is recorded; ``queued`` in answer to a request alone."""
    code: str = ""
    """Why it failed."""
    engine: str = ""
    """What read the recording, ``engine:model@digest:settings``."""
    words: int = 0
    """In the second reading."""
    changed: int = 0
    """Segments whose words or language differ from the live text."""
    added: int = 0
    """Passages where the live text has nothing."""
    unconfirmed: int = 0
    """Segments of the live text that were not heard again."""


class ModelBody(_Body):
    """A model that is loaded, or that the catalogue knows."""

    name: str
    role: Literal["recognition", "language", "voice-activity", "speakers"]
    state: Literal["loaded", "loading", "installed", "missing", "failed", "off"]
    engine: str
    digest: str
    """SHA-256 of the weights, hexadecimal, or empty."""
    settings: str
    languages: tuple[str, ...]
    size_bytes: int | None
    licence: str

    @property
    def hears(self) -> bool:
        """It is the recogniser that sessions are given."""
        return self.role == "recognition" and self.state == "loaded"

    @classmethod
    def of(cls, model: ModelDescription) -> "ModelBody":
        """Publish a description."""
        return cls(
            name=model.name,
            role=model.role,
            state=model.state,
            engine=model.engine,
            digest=model.digest,
            settings=model.settings,
            languages=model.languages,
            size_bytes=model.size_bytes,
            licence=model.licence,
        )


class OpenAIModelBody(_Body):
    """A model as clients of OpenAI read it."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    """Not known; clients need a number."""
    owned_by: str = "greffier"


class ModelList(_Body):
    """Every model this server knows of."""

    ready: bool
    """Sessions can be opened now."""
    reason: str
    """Why not; empty when ready."""
    models: tuple[ModelBody, ...]
    object: Literal["list"] = "list"
    """As clients of OpenAI read the list: `data` names what is loaded for speech."""
    data: tuple[OpenAIModelBody, ...] = ()


class WithheldBody(_Body):
    """A passage that the checks did not believe."""

    start_ms: int
    end_ms: int
    reason: str
    text: str
    audio: str
    """Path of its audio, with a little around it."""


class WithheldList(_Body):
    """Every passage withheld so far, in order."""

    withheld: tuple[WithheldBody, ...]
