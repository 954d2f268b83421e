"""The committed words just before what is heard now: forced as prefix, or given as prompt."""

from collections import deque
from collections.abc import Sequence

from greffier_models.types import Word

__all__ = ["LeftContext"]

_MEMORY_CHARS = 2_000
"""Committed text that is remembered: for the prompt, and to hear the decoder start over."""
_TURN_MS = 600
"""After so long a silence begins something new."""
_ENDS = (".", "?", "!", "…")


class LeftContext:
    """What one stream committed last.

    Args:
        kept_ms: words that begin so long before the end of what is decided are let go.
    """

    def __init__(self, kept_ms: int) -> None:
        self._kept_ms = kept_ms
        self.words: deque[Word] = deque()
        """Oldest first."""
        self.text = ""
        """It reaches further back than the words."""

    def add(self, words: Sequence[Word], *, decided_ms: int) -> None:
        """Take words that were just committed; `decided_ms` is the end of what is decided."""
        self.words.extend(words)
        self.text = (self.text + "".join(word.text for word in words))[-_MEMORY_CHARS:]
        while self.words and self.words[0].start_ms < decided_ms - self._kept_ms:
            self.words.popleft()

    def forget(self) -> None:
        """Drop it: it misleads the decoder."""
        self.words.clear()
        self.text = ""

    def since(self, from_ms: int) -> list[Word]:
        """The words that begin at `from_ms` or later."""
        return [word for word in self.words if word.start_ms >= from_ms]

    def opening_ms(self, from_ms: int, *, earliest_ms: int) -> int:
        """Start of the newest sentence or turn that begins between the two times.

        `from_ms` where none does.
        """
        opening = from_ms
        before: Word | None = None
        for word in self.words:
            if word.start_ms > from_ms:
                break
            opens = before is not None and (
                before.text.endswith(_ENDS) or word.start_ms - before.end_ms >= _TURN_MS
            )
            if opens and word.start_ms >= earliest_ms:
                opening = word.start_ms
            before = word
        return opening

    def prompt(self, prefix: Sequence[Word], *, chars: int) -> str:
        """At most the last `chars` of the text before the words of `prefix`, in whole words."""
        if not chars:
            return ""
        inside = sum(len(word.text) for word in prefix)
        return self.text[: len(self.text) - inside][-chars:].partition(" ")[2]
