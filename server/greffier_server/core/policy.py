"""The seam between recognition and what decides about it: when to decode, what to commit.

A policy is pure: it is told how much audio there is and how probable speech is in it, asks for
decodes, and judges their results. The shell does

    while (request := policy.request()) is not None:
        policy.accept(request, await engine(request))  # or policy.identified(…)

Committed words never change: a policy only ever returns words after those it returned before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from greffier.protocol import QualityLevel
from greffier_models.types import Hypothesis, Word

__all__ = ["DecodeRequest", "IdentifyRequest", "Outcome", "StreamingPolicy", "Suspicion"]


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """A window to decode, on the session's clock."""

    from_ms: int
    to_ms: int
    language: str | None
    prefix: str = ""
    """Committed text said inside the window, forced."""
    prompt: str = ""
    """Committed text said before the window."""
    beam_size: int = 1
    fill_ms: int = 15_000
    closing: bool = False
    """Speech has ended before `to_ms`: everything in the window can be committed."""
    patient: bool = False
    """The device has room: a word may wait for another decode."""
    full: bool = False
    """The window can grow no more: what it holds is decided now, though speech goes on."""


@dataclass(frozen=True, slots=True)
class IdentifyRequest:
    """A stretch of speech whose language is to be detected, on the session's clock."""

    from_ms: int
    to_ms: int
    closing: bool = False
    candidates: tuple[str, ...] = ()
    """Languages likely to be spoken."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Words that were heard and are not trusted."""

    start_ms: int
    end_ms: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decode leads to."""

    committed: tuple[Word, ...] = ()
    tail: tuple[Word, ...] = ()
    withheld: tuple[Suspicion, ...] = ()
    language: str | None = None
    """Set when the language of the words from here on is now known to be another one."""
    paused: bool = False
    """Speech ended and everything before is decided."""


class StreamingPolicy(Protocol):
    """One session's policy."""

    def hear(self, to_ms: int, probabilities: Sequence[float]) -> None:
        """Audio has arrived up to `to_ms`; `probabilities` are of the frames since last time."""
        ...

    def end(self, to_ms: int) -> None:
        """No more audio will come."""
        ...

    def request(self) -> DecodeRequest | IdentifyRequest | None:
        """What the engine should do now, if anything is due."""
        ...

    def accept(self, request: DecodeRequest, hypothesis: Hypothesis) -> Outcome:
        """Judge the answer to the last request."""
        ...

    def abandon(self, request: DecodeRequest) -> Outcome:
        """The engine cannot answer the last request; what a closing window held is lost."""
        ...

    def identified(self, request: IdentifyRequest, scores: dict[str, float]) -> Outcome:
        """Take the probabilities of the languages; the outcome may name a new one."""
        ...

    def quicken(self, level: QualityLevel) -> None:
        """Work at this level of the ladder from now on."""
        ...

    def pace(self, hop_ms: int) -> None:
        """Let at least this much new audio gather between two decodes of running speech.

        The device's load asks for it, so that every stream keeps a short lag; cheap, called often.
        A level of the ladder may ask for more.
        """
        ...

    @property
    def language(self) -> str | None:
        """The language decoded in now; None before any is known."""
        ...

    @property
    def done(self) -> bool:
        """`end` was called and everything is decided."""
        ...

    @property
    def paused(self) -> bool:
        """No speech is waiting to be decided."""
        ...

    @property
    def keep_from_ms(self) -> int:
        """Audio before this will not be asked for again."""
        ...
