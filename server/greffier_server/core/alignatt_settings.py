"""The dials of AlignAtt, and the settings of them that ship: accurate by default, or fast."""

from dataclasses import dataclass

__all__ = ["FAST", "AlignAttSettings"]


@dataclass(frozen=True, slots=True)
class AlignAttSettings:
    """The dials, chosen by ``benchmarks/policy.py``; all times in milliseconds of audio."""

    hop_ms: int = 1_000
    """Least new audio between two decodes of running speech."""
    guard_agreed_ms: int = 500
    """A word that the decode before also gave is committed when it ends this long before the end
    of the audio (agreement of two decodes, as in LocalAgreement, makes a short guard safe)."""
    guard_sure_ms: int = 1_000
    """The same for a word seen for the first time with a probability of `sure`."""
    guard_ms: int = 1_500
    """The same for any other word."""
    guard_unsure_ms: int = 2_500
    """The same for a word less probable than `unsure`; agreed, it waits as a sure one does."""
    sure: float = 0.9
    unsure: float = 0.5
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
    closing_beam: int = 1
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


FAST = AlignAttSettings(
    hop_ms=600, guard_agreed_ms=200, guard_sure_ms=500, guard_ms=900, guard_unsure_ms=1_100
)
"""Half a second sooner, and less accurate: words are committed with less sound behind them."""
