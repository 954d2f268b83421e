"""How a written word sounds, roughly, and how alike two such sounds are.

One folding serves French and English spelling: all it must do is bring a name and what a
recogniser wrote for it ("Mashhad", "machade") near enough to be looked at; the audio decides. It
is of the family of Soundex and of G. Kondrak, "A New Algorithm for the Alignment of Phonetic
Sequences" (NAACL 2000): letters become few classes of sounds, and near sounds are cheap to swap.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sounds", "fold", "likeness", "likenesses", "plausible_pairs"]

_SPELLINGS: tuple[tuple[str, str], ...] = (
    (r"e?aux?", "o"),
    (r"(?<=i)ll", "j"),
    (r"tch|sch|sh|ch", "S"),
    (r"ph", "f"),
    (r"th", "t"),
    (r"gh", "g"),
    (r"gn", "n"),
    (r"ck|qu?", "k"),
    (r"c(?=[eiy])", "s"),
    (r"c", "k"),
    (r"g(?=[eiy])|j", "Z"),
    (r"x", "ks"),
    (r"w", "v"),
    (r"ou|oo", "u"),
    (r"oi|oy", "ua"),
    (r"ai|ei|ay|ey|ee|ea|eu|oe|ue", "e"),
    (r"y", "i"),
    (r"h", ""),
)
_PATTERN = re.compile("|".join(f"({spelt})" for spelt, _ in _SPELLINGS))
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
_DOUBLE = re.compile(r"(.)\1+")

_VOWELS = "aeiou"
_SOUNDS = _VOWELS + "bpdtgkfvszSZmnlrj"
_OTHER = len(_SOUNDS)
"""The place of every letter of another script in the table of costs."""
_SWAPS: tuple[tuple[float, str], ...] = (
    (0.6, "lr lj ai"),
    (0.4, "bv ij ej dZ iu ei ou ae ao"),
    (0.3, "bp dt gk fv sz SZ Ss Zz Zs Sz gZ mn kS tS"),
)
_CLASSES = ("aeiouj", "bpfv", "tdszSZkg", "mn", "lr")
"""Sounds of two classes are never near, but l and j."""
_CLASS_NUMBERS = range(len(_CLASSES) + 1)
_VOWEL_SWAP = 0.5
_VOWEL_GAP = 0.5
_GAP = 0.8


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """The sounds of `text`, one character each; empty where nothing in it is a letter.

    Spaces, case, accents and punctuation make no difference: a name is often heard as two words.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    letters = "".join(ch for ch in plain if ch.isalpha())
    sounds = _PATTERN.sub(lambda found: _SPELLINGS[(found.lastindex or 1) - 1][1], letters)
    return _DOUBLE.sub(r"\1", sounds)


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """Foldings as numbers, one a row, to be compared many at a time."""

    codes: NDArray[np.int32]
    lengths: NDArray[np.int64]
    weights: NDArray[np.float32]
    """What it costs to leave out every sound of each."""
    counts: NDArray[np.int16]
    """Sounds of each class in each."""

    @classmethod
    def of(cls, foldings: Sequence[str]) -> "Sounds":
        """Encode `foldings`."""
        lengths = np.array([len(text) for text in foldings], np.int64)
        codes = np.full((len(foldings), int(lengths.max(initial=0))), _OTHER, np.int32)
        for place, text in enumerate(foldings):
            codes[place, : len(text)] = [_code(sound) for sound in text]
        there = np.arange(codes.shape[1]) < lengths[:, None]
        kinds = np.minimum(codes, _OTHER)
        weights = np.where(there, _costs()[1][kinds], np.float32(0)).sum(axis=1, dtype=np.float32)
        classes = _class_of()[kinds]
        counts = np.stack([((classes == kind) & there).sum(axis=1) for kind in _CLASS_NUMBERS], 1)
        return cls(codes, lengths, weights, counts.astype(np.int16))

    def take(self, places: NDArray[np.int64]) -> "Sounds":
        """The rows at `places`."""
        lengths = self.lengths[places]
        codes = self.codes[places, : int(lengths.max(initial=0))]
        return Sounds(codes, lengths, self.weights[places], self.counts[places])


def likeness(one: str, other: str) -> float:
    """1 for foldings that are equal, 0 for such as have nothing in common."""
    return float(likenesses(Sounds.of([one]), Sounds.of([other]))[0])


def plausible_pairs(some: Sounds, others: Sounds, least: float) -> NDArray[np.int64]:
    """Rows of `some` and of `others`, two columns, whose counts of sounds allow that likeness."""
    surplus = some.counts[:, None, :] - others.counts[None, :, :]
    more = np.maximum(surplus, 0).sum(axis=2)
    less = np.maximum(-surplus, 0).sum(axis=2)
    # What one has too many of and the other too few of can be swapped, at best; the rest is gaps.
    cost = np.minimum(more, less) + _VOWEL_GAP * np.abs(more - less)
    heavier = np.maximum(some.weights[:, None], others.weights[None, :])
    return np.argwhere(cost <= (1 - least) * heavier)


def likenesses(some: Sounds, others: Sounds) -> NDArray[np.float32]:
    """`likeness` of each pair of rows: 1 less the weighted edit distance by the heavier one."""
    swaps, gaps = _costs()
    ones, twos = some.codes.T, others.codes.T  # one sound of every pair at a time
    one_kinds, two_kinds = np.minimum(ones, _OTHER), np.minimum(twos, _OTHER)
    two_gaps = gaps[two_kinds]
    row = np.zeros((len(twos) + 1, len(others.lengths)), np.float32)
    np.cumsum(two_gaps, axis=0, out=row[1:])
    places = np.arange(len(others.lengths))
    found = row[others.lengths, places]
    for step in range(len(ones)):
        gap = gaps[one_kinds[step]]
        swap = swaps[one_kinds[step], two_kinds]
        swap[ones[step] == twos] = 0
        before, row = row, np.empty_like(row)
        row[0] = before[0] + gap
        best = np.minimum(before[:-1] + swap, before[1:] + gap)
        for place in range(len(twos)):
            np.minimum(best[place], row[place] + two_gaps[place], out=row[place + 1])
        found = np.where(some.lengths == step + 1, row[others.lengths, places], found)
    heavier = np.maximum(np.maximum(some.weights, others.weights), np.float32(1e-6))
    alike = np.maximum(1 - found / heavier, 0)
    return np.where((some.lengths > 0) & (others.lengths > 0), alike, 0).astype(np.float32)


def _code(sound: str) -> int:
    known = _SOUNDS.find(sound)
    return known if known >= 0 else _OTHER + ord(sound)


@cache
def _class_of() -> NDArray[np.int64]:
    """The class of each sound, by its code."""
    classes = np.full(_OTHER + 1, len(_CLASSES), np.int64)
    for kind, members in enumerate(_CLASSES):
        classes[[_SOUNDS.index(sound) for sound in members]] = kind
    return classes


@cache
def _costs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cost of one sound for another, and of none."""
    swaps = np.ones((_OTHER + 1, _OTHER + 1), np.float32)
    vowels = len(_VOWELS)
    swaps[:vowels, :vowels] = _VOWEL_SWAP
    for cost, pairs in _SWAPS:
        for pair in pairs.split():
            a, b = _SOUNDS.index(pair[0]), _SOUNDS.index(pair[1])
            swaps[a, b] = swaps[b, a] = cost
    gaps = np.full(_OTHER + 1, _GAP, np.float32)
    gaps[:vowels] = _VOWEL_GAP
    return swaps, gaps
