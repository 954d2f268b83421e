"""When the input of a client that is gone, silent or endless is over; it keeps no clock itself."""

from dataclasses import dataclass

__all__ = ["InputWatch", "SessionLimits"]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session."""

    buffer_ms: int = 60_000
    """Audio accepted and not yet looked at; at the limit the client is made to wait."""
    grace_s: float = 120.0
    """A session whose client vanished is finished after this."""
    idle_s: float = 600.0
    """A session whose client sends nothing is finished after this."""
    max_hours: float = 12.0
    spool_grace_s: float = 86_400.0
    """`grace_s` of a session whose client keeps the audio on its own disk."""


class InputWatch:
    """What is known of one session's client.

    Args:
        limits: bounds of the session.
        spooled: the client keeps the audio on its disk, and may come back after hours.
        now_s: monotonic time.
    """

    def __init__(self, limits: SessionLimits, *, spooled: bool, now_s: float) -> None:
        self._limits = limits
        self._spooled = spooled
        self._longest_s = limits.max_hours * 3600
        self._last_s = now_s + self._longest_s
        self._heard: int | None = None
        """Bytes accepted, None = nobody holds the session; a change is a sign of life."""
        self._since_s = now_s

    def look(
        self, now_s: float, *, accepted: int, audio_s: float, held: bool, held_up: bool
    ) -> tuple[str | None, float]:
        """Return why the input is over, or None and the seconds until it may be.

        Args:
            now_s: monotonic time.
            accepted: bytes taken so far.
            audio_s: the same in seconds.
            held: a client has the session.
            held_up: the client is made to wait.
        """
        heard = accepted if held else None
        if heard != self._heard or (held and held_up):  # who is made to wait is not idle
            self._heard, self._since_s = heard, now_s
        due_s = self._since_s + (self._limits.idle_s if held else self._grace_s(accepted))
        if self._spooled:  # the hours that it waited are not its length
            self._last_s = now_s + self._longest_s - audio_s
        if now_s >= due_s:
            return "timeout" if held else "vanished", 0.0
        if now_s >= self._last_s:
            return "limit", 0.0
        return None, min(due_s, self._last_s) - now_s

    def _grace_s(self, accepted: int) -> float:
        """A spool that has sent nothing may have begun another session: its answer was lost."""
        patient = self._spooled and accepted > 0
        return self._limits.spool_grace_s if patient else self._limits.grace_s
