"""What every source gives: pieces of sound on one clock, and what of it is missing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from greffier.protocol import AudioFormat, MissingCause

__all__ = ["Lack", "Piece", "Source", "SourceUnusable"]


class SourceUnusable(Exception):
    """The source cannot be read, and trying again will not help."""

    code: ClassVar[str] = "source_unusable"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Lack:
    """Samples of the source's clock that are silence because nothing came."""

    from_sample: int
    to_sample: int
    cause: MissingCause


@dataclass(frozen=True, slots=True)
class Piece:
    """The next sound."""

    audio: bytes
    """Whole frames in the source's format, a second at most."""
    lacks: tuple[Lack, ...] = ()
    """Found by now; they end before the end of `audio`."""


class Source(Protocol):
    """Sound from somewhere, in order, once."""

    @property
    def name(self) -> str:
        """For people; without passwords."""
        ...

    async def open(self) -> AudioFormat:
        """Wait for the first sound; return its format.

        Raises:
            SourceUnusable: it will never come.
        """
        ...

    def pieces(self) -> AsyncIterator[Piece]:
        """Yield sound to the end of the source, or for ever.

        Raises:
            SourceUnusable: as in `open`.
        """
        ...
