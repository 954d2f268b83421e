"""Who speaks when, from vectors of voices as they come: clusters with labels that hold still.

Every window of speech joins a bounded set of groups of like voices. The groups are clustered anew
as speech comes in (agglomerative, average linkage: the mean similarity of all pairs of windows),
and the clusters take over the labels that most of their speech had before. So a mistake of the
first seconds is put right later, and labels ("1", "2", ... in order of appearance) stay with their
voices. The same vectors in the same order always give the same labels.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Piece", "SpeakerSettings", "Speakers"]

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SpeakerSettings:
    """The dials; similarities are cosines."""

    same_voice: float = 0.40
    """Mean similarity from which two clusters are one voice."""
    habit: float = 0.03
    """Added for speech that had one label before, taken off where it had two."""
    least_speech_ms: int = 2_000
    """Speech that a voice needs before it gets a label."""
    least_likeness: float = 0.25
    """A window less like every voice than this has no label."""
    groups: int = 256
    """Vectors kept at most."""
    revised_ms: int = 1_800_000
    """How far back labels are put right."""


@dataclass(slots=True)
class Piece:
    """A part of the speech and its label, None while the voice is not known."""

    from_ms: int
    to_ms: int
    group: int
    label: str | None = None
    first_label: str | None = None
    """The label it had when it was new."""


class Speakers:
    """The voices of one stream; speech is added in order of time."""

    def __init__(self, settings: SpeakerSettings | None = None) -> None:
        self._settings = settings or SpeakerSettings()
        self._pieces: deque[Piece] = deque()
        self._sums: Vectors = np.zeros((0, 0), dtype=np.float32)
        self._weights: NDArray[np.float64] = np.zeros(0)
        self._labels: list[int] = []
        """Label number of each group, 0 = none."""
        self._born = 0
        self._waiting = 0

    @property
    def pieces(self) -> Iterator[Piece]:
        """Speech whose label may still change, oldest first."""
        return iter(self._pieces)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in use, in order of appearance."""
        return tuple(str(number) for number in sorted({*self._labels} - {0}))

    def add(self, from_ms: int, to_ms: int, vector: Vectors) -> bool:
        """Add a part of the speech and the vector (of unit length) of its voice.

        Returns:
            Whether labels of earlier speech have changed.
        """
        if len(self._sums) == 0:
            self._sums = np.zeros((0, len(vector)), dtype=np.float32)
        weight = float(to_ms - from_ms)
        self._labels.append(self._nearest(vector))
        self._sums = np.concatenate([self._sums, (vector * weight)[None]])
        self._weights = np.append(self._weights, weight)
        piece = Piece(from_ms, to_ms, len(self._labels) - 1)
        self._pieces.append(piece)
        while self._pieces[0].to_ms < to_ms - self._settings.revised_ms:
            self._pieces.popleft()
        self._waiting += 1
        changed = False
        if self._waiting * 25 >= len(self._labels):  # often at first, then as little as it changes
            changed = self.settle()
        else:
            piece.label = _text(self._labels[piece.group])
        piece.first_label = piece.label
        return changed

    def settle(self) -> bool:
        """Cluster all speech anew; return whether labels have changed."""
        self._waiting = 0
        if not self._labels:
            return False
        self._labels = self._relabelled()
        if len(self._labels) > self._settings.groups:
            self._condense()
        changed = False
        for piece in self._pieces:
            label = _text(self._labels[piece.group])
            changed = changed or piece.label != label
            piece.label = label
        return changed

    def _nearest(self, vector: Vectors) -> int:
        """The voice that the vector is most like, if it is like enough to be that voice."""
        likeness = {
            number: float(vector @ centre) for number, centre in self._centres(self._labels).items()
        }
        best = max(likeness, key=lambda number: likeness[number], default=0)
        return best if best and likeness[best] >= self._settings.same_voice else 0

    def _centres(self, labels: list[int]) -> dict[int, Vectors]:
        known = np.asarray(labels)
        centres: dict[int, Vectors] = {}
        for number in sorted({*labels} - {0}):
            total = self._sums[known == number].sum(axis=0)
            centres[number] = total / max(float(np.linalg.norm(total)), 1e-9)
        return centres

    def _relabelled(self) -> list[int]:
        labels = np.asarray(self._labels)
        shared = labels[:, None] == labels[None]
        known = (labels[:, None] > 0) & (labels[None] > 0)
        pairs = np.outer(self._weights, self._weights)
        habit = self._settings.habit * np.where(shared, 1.0, -1.0) * known
        products = (self._sums @ self._sums.T).astype(np.float64) + habit * pairs
        clusters = _linked(products, self._weights, least=self._settings.same_voice)
        voices = [
            cluster
            for cluster in clusters
            if self._weights[cluster].sum() >= self._settings.least_speech_ms
        ]
        fresh = [0] * len(labels)
        for cluster, number in zip(voices, self._matched(voices), strict=True):
            for group in cluster:
                fresh[group] = number
        centres = self._centres(fresh)
        for group, number in enumerate(fresh):
            if number == 0 and centres:
                unit = self._sums[group] / max(float(np.linalg.norm(self._sums[group])), 1e-9)
                best = max(centres, key=lambda key: float(unit @ centres[key]))
                if float(unit @ centres[best]) >= self._settings.least_likeness:
                    fresh[group] = best
        return fresh

    def _matched(self, voices: list[list[int]]) -> list[int]:
        """Give each voice the label that most of its speech had; the rest get new ones."""
        shares: list[tuple[float, int, int]] = []
        for index, cluster in enumerate(voices):
            speech: dict[int, float] = {}
            for group in cluster:
                number = self._labels[group]
                speech[number] = speech.get(number, 0.0) + float(self._weights[group])
            shares += [(-weight, number, index) for number, weight in speech.items() if number]
        numbers = [0] * len(voices)
        for _, number, index in sorted(shares):
            if numbers[index] == 0 and number not in numbers:
                numbers[index] = number
        for index in sorted(range(len(voices)), key=lambda index: min(voices[index])):
            if numbers[index] == 0:
                self._born += 1
                numbers[index] = self._born
        return numbers

    def _condense(self) -> None:
        """Join the groups that are most alike, each within its label, down to three quarters."""
        labels = np.asarray(self._labels)
        apart = np.where(labels[:, None] == labels[None], 0.0, -4.0)
        products = (self._sums @ self._sums.T).astype(np.float64)
        products += apart * np.outer(self._weights, self._weights)
        wanted = self._settings.groups * 3 // 4
        joined = _linked(products, self._weights, least=-1.0, wanted=wanted)
        place = {group: index for index, cluster in enumerate(joined) for group in cluster}
        self._sums = np.stack([self._sums[cluster].sum(axis=0) for cluster in joined])
        self._weights = np.array([self._weights[cluster].sum() for cluster in joined])
        self._labels = [self._labels[cluster[0]] for cluster in joined]
        for piece in self._pieces:
            piece.group = place[piece.group]


def _linked(
    products: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    least: float,
    wanted: int = 1,
) -> list[list[int]]:
    """Average linkage: join the two likest clusters while they are like enough.

    Args:
        products: dot products of the groups' sums (changed in place).
        weights: of the groups.
        least: mean similarity below which nothing is joined.
        wanted: number of clusters at which to stop.

    Returns:
        Groups of each cluster, in ascending order, clusters by their first group.
    """
    weights = weights.copy()
    members = [[index] for index in range(len(weights))]
    similar = products / np.outer(weights, weights)
    np.fill_diagonal(similar, -np.inf)
    best = similar.argmax(axis=1)
    left = len(members)
    while left > max(1, wanted):
        values = similar[np.arange(len(best)), best]
        a = int(values.argmax())
        if values[a] < least or values[a] == -np.inf:
            break
        a, b = sorted((a, int(best[a])))
        products[a] += products[b]
        products[:, a] += products[:, b]
        weights[a] += weights[b]
        members[a] += members[b]
        members[b] = []
        similar[b] = similar[:, b] = -np.inf
        alive = np.array([bool(group) for group in members])
        row = np.where(alive, products[a] / (weights[a] * weights), -np.inf)
        row[a] = -np.inf
        similar[a], similar[:, a] = row, row
        stale = (best == a) | (best == b)
        stale[a] = True
        better = row > similar[np.arange(len(best)), best]
        best[better] = a
        for index in np.flatnonzero(stale & alive):
            best[index] = similar[index].argmax()
        left -= 1
    return [sorted(group) for group in members if group]


def _text(number: int) -> str | None:
    return str(number) if number else None
