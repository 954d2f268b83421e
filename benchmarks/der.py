"""Diarization error rate: missed speech, false alarms and confused speakers over spoken time.

As NIST's md-eval scores it (Rich Transcription 2009 evaluation plan): time near the edges of the
reference's turns is left out, speakers are mapped one to one so that they share most, and
overlapped speech counts once for each speaker.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ErrorRate", "SpokenTurn", "assign", "error_rate"]

_FRAME_MS = 10


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """Someone speaks from `start_ms` to `end_ms`."""

    speaker: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Shares of the time spoken in the reference."""

    missed: float
    false_alarm: float
    confused: float
    spoken_ms: int

    @property
    def total(self) -> float:
        """The diarization error rate; may exceed 1."""
        return self.missed + self.false_alarm + self.confused


def error_rate(
    reference: Sequence[SpokenTurn], found: Sequence[SpokenTurn], *, collar_ms: int = 250
) -> ErrorRate:
    """Score `found` against `reference`.

    Args:
        reference: who speaks when.
        found: the same, by any names.
        collar_ms: left out on each side of each edge of the reference.

    Raises:
        ValueError: nothing is spoken in the reference outside the collars.
    """
    end_ms = max(turn.end_ms for turn in (*reference, *found)) if reference else 0
    scored = np.ones(end_ms // _FRAME_MS + 1, dtype=bool)
    for turn in reference:
        for edge_ms in (turn.start_ms, turn.end_ms):
            scored[_span(edge_ms - collar_ms, edge_ms + collar_ms)] = False
    truth = _activity(reference, len(scored))[:, scored]
    guess = _activity(found, len(scored))[:, scored]
    said, heard = truth.sum(axis=0), guess.sum(axis=0)
    spoken = int(said.sum())
    if not spoken:
        raise ValueError("nothing is spoken in the reference outside the collars")
    shared = truth.astype(np.int64) @ guess.T.astype(np.int64)
    right = sum(int(shared[row, column]) for row, column in assign(shared))
    return ErrorRate(
        missed=int(np.maximum(said - heard, 0).sum()) / spoken,
        false_alarm=int(np.maximum(heard - said, 0).sum()) / spoken,
        confused=(int(np.minimum(said, heard).sum()) - right) / spoken,
        spoken_ms=spoken * _FRAME_MS,
    )


def assign(gains: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pair rows with columns, each at most once, for the greatest sum of gains.

    The Hungarian method with potentials, in cubic time (Kuhn 1955; this form after e-maxx).
    """
    if 0 in gains.shape:
        return []
    if gains.shape[0] > gains.shape[1]:
        return [(row, column) for column, row in assign(gains.T)]
    rows, columns = gains.shape
    costs = np.zeros((rows + 1, columns + 1))
    costs[1:, 1:] = -gains
    of_row, of_column = np.zeros(rows + 1), np.zeros(columns + 1)
    taken = np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, rows + 1):
        taken[0] = row
        at = 0
        least = np.full(columns + 1, np.inf)
        before = np.zeros(columns + 1, dtype=np.int64)
        used = np.zeros(columns + 1, dtype=bool)
        while taken[at]:
            used[at] = True
            rest = costs[taken[at]] - of_row[taken[at]] - of_column
            closer = ~used & (rest < least)
            least[closer], before[closer] = rest[closer], at
            following = int(np.where(used, np.inf, least).argmin())
            step = least[following]
            of_row[taken[used]] += step
            of_column[used] -= step
            least[~used] -= step
            at = following
        while at:
            taken[at] = taken[before[at]]
            at = int(before[at])
    return sorted((int(row) - 1, column - 1) for column, row in enumerate(taken) if column and row)


def _activity(turns: Sequence[SpokenTurn], frames: int) -> NDArray[np.bool_]:
    names = sorted({turn.speaker for turn in turns})
    active = np.zeros((len(names), frames), dtype=bool)
    for turn in turns:
        active[names.index(turn.speaker), _span(turn.start_ms, turn.end_ms)] = True
    return active


def _span(from_ms: int, to_ms: int) -> slice:
    return slice(max(0, from_ms) // _FRAME_MS, max(0, to_ms) // _FRAME_MS)
