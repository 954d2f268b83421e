"""What the web application is given: the parts behind it, already built."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from greffier_models.protocols import TextGenerator
from greffier_server.archive import Archive
from greffier_server.bundle.heads import HeadRegister
from greffier_server.bundle.signing import SigningKey
from greffier_server.outlets.courier import Courier
from greffier_server.pipeline.ports import SessionDesk
from greffier_server.storage.glossaries import Glossaries
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.links import LinkStore, MemoryLinks
from greffier_server.storage.space import Space
from greffier_server.storage.store import SessionStore
from greffier_server.telemetry import Metrics

__all__ = [
    "MinutesRewriter",
    "ModelDescription",
    "ModelState",
    "Readiness",
    "SecondReader",
    "Services",
]

ModelState = Literal["loaded", "loading", "installed", "missing", "failed", "off"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether sessions can be opened now."""

    ready: bool
    reason: str = ""
    """What is missing, and the command that helps; empty when ready."""
    resumable: bool = False
    """Though not ready for new sessions: clients of old ones may come back."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model that is loaded, or that the catalogue knows."""

    name: str
    role: Literal["recognition", "language", "voice-activity", "speakers"]
    state: ModelState
    engine: str = ""
    """Implementation and version, when loaded."""
    digest: str = ""
    """SHA-256 of the weights, hexadecimal, when known."""
    settings: str = ""
    """Compute type, device and the like, when loaded."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes; empty when not known."""
    size_bytes: int | None = None
    licence: str = ""


class SecondReader(Protocol):
    """Takes requests for second passes."""

    async def ask(self, tenant: str, session: str, *, minutes: bool = False) -> None:
        """Queue a second pass over a finished session, and minutes from it.

        Raises:
            SessionNotFound, SessionUnfinished, AudioMissing, StorageFailed.
        """
        ...


class MinutesRewriter(Protocol):
    """Takes requests for minutes to be written anew."""

    async def ask(self, tenant: str, session: str) -> None:
        """Queue it.

        Raises:
            SessionNotFound, SessionUnfinished, StorageFailed, LanguageModelOff.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Built by the composition root from the settings; closed by it too."""

    desk: SessionDesk
    store: SessionStore
    metrics: Metrics
    readiness: Callable[[], Readiness]
    """Cheap: called on every probe and every opening of a session."""
    models: Callable[[], Sequence[ModelDescription]] = tuple
    """Cheap: no hashing of weights."""
    journal: AudioJournal | None = None
    """Audio of every session; None = none can be heard again."""
    second_pass: SecondReader | None = None
    """None: this process makes no second passes."""
    space: Space | None = None
    """What the audio of tenants takes; None = it is not counted."""
    signing_key: SigningKey | None = None
    """Signs bundles; None = this process makes none."""
    heads: HeadRegister | None = None
    """How each session ended; None = that is not noted."""
    glossaries: Glossaries | None = None
    """The terms of tenants; None = only sessions have terms."""
    archive: Archive | None = None
    """What becomes of text once it is written: corrections, search, figures; None = no such."""
    links: LinkStore = field(default_factory=MemoryLinks)
    """By which people without a token watch."""
    web_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """What cookies of browsers are signed with; one that is not kept signs them out at each
    start."""
    courier: Courier | None = None
    """Tells outlets of sessions; None = there are none."""
    generator: TextGenerator | None = None
    """The language model, for questions and documents; None = it is off."""
    minutes_redo: MinutesRewriter | None = None
    """None: this process writes no minutes anew."""
