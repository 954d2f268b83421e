"""The dials that policies over a growing window share."""

from dataclasses import dataclass

__all__ = ["WindowSettings"]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """Dials of windows and stretches; all times in milliseconds of audio."""

    hop_ms: int = 1_000
    """Least new audio between two decodes of running speech."""
    pause_ms: int = 600
    """Silence after which everything said is decoded and committed."""
    turn_ms: int = 288
    """The same where the language is followed: the next speaker may speak another."""
    context_ms: int = 6_000
    """Committed audio kept in the window, its text forced as prefix."""
    context_gap_ms: int = 8_000
    """After a longer silence the context is dropped."""
    preroll_ms: int = 300
    """Audio before the onset of speech that goes into the window."""
    doubt: float = 0.45
    """A decode whose first words are less probable than this is shown and not committed while the
    language is followed: the language is detected anew first."""
    fill_ms: int = 15_000
    """Windows are filled with silence up to this length."""
    max_window_ms: int = 28_000
    """Longest window; what a full one holds is decided though speech goes on."""
    closing_beam: int = 1
    """Beam of the decode that ends a stretch, while the device has room for it."""
    beam: int = 1
    """Beam of the other decodes, likewise."""
    room: float = 0.6
    """The device has room while the hop that its load asks for is at most this share of `hop_ms`:
    a beam of five costs a fifth more."""
    unheard_ms: int = 600
    """Speech at a pause that gave no words, and is asked for once more by itself."""
    deaf_ms: int = 2_500
    """The same in running speech: the context is dropped."""
    prompt_chars: int = 0
    """Characters of committed text before the window given as prompt."""
    long_hop_ms: int = 2_500
    """Hop one step down the ladder."""
    max_hop_ms: int = 10_000
    """Hop at ``finals-only``: pauses decide, and this at the latest."""

    @property
    def reach_ms(self) -> int:
        """Committed audio that a window may reach back over."""
        return self.context_ms
