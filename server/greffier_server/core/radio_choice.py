"""Which lines of the radio log are wanted: by time, by what is open, by words (pure)."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

from greffier_server.core.radio import Transmission

__all__ = ["Choice", "Shown"]

Shown = Literal["all", "alerts", "open"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody chose on the page of the log; by default, all of it."""

    from_at_ms: int = 0
    """Milliseconds since the epoch: received then or later."""
    to_at_ms: int | None = None
    """Received before; None = up to now."""
    show: Shown = "all"
    """``alerts``: with a call of distress or a watchword; ``open``: with no action yet."""
    text: str = ""
    """In the message, the stations, the action or the net, whatever the case and the accents."""

    def holds(self, received_at_ms: int) -> bool:
        """Tell whether a time is within those wanted."""
        return self.from_at_ms <= received_at_ms and (
            self.to_at_ms is None or received_at_ms < self.to_at_ms
        )

    def keeps(self, line: Transmission, *, received_at_ms: int, net: str) -> bool:
        """Tell whether `line` of the net with the title `net` is wanted."""
        if not self.holds(received_at_ms):
            return False
        if self.show == "alerts" and not line.alerts:
            return False
        if self.show == "open" and line.action:
            return False
        said = (line.message, line.sent_by, line.addressed_to, line.action, net)
        return _folded(self.text) in _folded(" ".join(said))


def _folded(text: str) -> str:
    """Without case and accents, as the page does it."""
    apart = unicodedata.normalize("NFKD", text)
    plain = "".join(sign for sign in apart if not unicodedata.category(sign).startswith("M"))
    return plain.lower().strip()
