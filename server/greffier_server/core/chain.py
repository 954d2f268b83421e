"""The hash chain over audio: digests of stretches, each over the one before, as anchors in the log.

An anchor is an event, so the chain of records covers it and through it the audio. With the digest
of anchor i-1 as recorded, anchor i can be checked alone: a changed stretch is found where it lies.
`greffier_server/bundle/verify.py` computes the same on its own, from the documented form.
"""

import hashlib
from typing import Protocol

from greffier_server.core.events import AudioAnchored
from greffier_server.core.records import GENESIS

__all__ = ["ANCHOR_DOMAIN", "AudioChain", "anchor_digest"]

ANCHOR_DOMAIN = b"greffier audio anchor 1\0"
"""Keeps these digests apart from every other SHA-256 in the product."""


def anchor_digest(previous: str, from_byte: int, audio: bytes) -> str:
    """Return the digest of one stretch.

    SHA-256(domain | previous digest, 32 bytes | from_byte | audio | to_byte), the two places as
    unsigned 64-bit numbers, most significant byte first. The parts around the audio have fixed
    lengths, so that no two inputs hash the same bytes.
    """
    running = _begin(previous, from_byte)
    running.update(audio)
    running.update((from_byte + len(audio)).to_bytes(8, "big"))
    return running.hexdigest()


class AudioChain:
    """Takes journalled audio in order and gives an anchor at each multiple of a step.

    So anchors lie at the same bytes however the audio is cut up, and after a restart too.

    Args:
        step_bytes: distance of anchors.
        at_byte: where the audio goes on: the end of the last anchor.
        digest: of the last anchor; `GENESIS` before the first.
    """

    def __init__(self, *, step_bytes: int, at_byte: int = 0, digest: str = GENESIS) -> None:
        if step_bytes < 1:
            raise ValueError("anchors lie at least a byte apart")
        self._step = step_bytes
        self._digest = digest
        self._from = self._at = at_byte
        self._anchored = digest != GENESIS
        self._running = _begin(digest, at_byte)

    @property
    def at_byte(self) -> int:
        """Audio before this byte has been taken, or left out."""
        return self._at

    @property
    def left_bytes(self) -> int:
        """Audio missing to the next anchor."""
        return self._step - self._at % self._step

    def add(self, audio: bytes) -> list[AudioAnchored]:
        """Take the next bytes; return the anchors they complete."""
        anchors: list[AudioAnchored] = []
        rest = memoryview(audio)
        while rest:
            piece = rest[: self.left_bytes]
            rest = rest[len(piece) :]
            self._running.update(piece)
            self._at += len(piece)
            if self._at % self._step == 0:
                anchors.append(self._anchor())
        return anchors

    def skip(self, to_byte: int) -> list[AudioAnchored]:
        """Leave out audio that cannot be read; return the anchor of what lies before it."""
        if to_byte <= self._at:
            return []
        anchors = [self._anchor()] if self._at > self._from else []
        self._from = self._at = to_byte
        self._anchored = False
        self._running = _begin(self._digest, to_byte)
        return anchors

    def finish(self) -> list[AudioAnchored]:
        """Return the last anchor, unless one ends here already.

        That of a session without audio, or whose end was left out, is over no bytes: it says where
        the audio ends.
        """
        return [] if self._anchored and self._at == self._from else [self._anchor()]

    def _anchor(self) -> AudioAnchored:
        self._running.update(self._at.to_bytes(8, "big"))
        anchor = AudioAnchored(self._from, self._at, self._running.hexdigest())
        self._digest, self._from, self._anchored = anchor.digest, self._at, True
        self._running = _begin(self._digest, self._at)
        return anchor


class _Running(Protocol):
    def update(self, octets: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


def _begin(previous: str, from_byte: int) -> _Running:
    return hashlib.sha256(ANCHOR_DOMAIN + bytes.fromhex(previous) + from_byte.to_bytes(8, "big"))
