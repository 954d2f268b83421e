"""How a written word sounds, roughly, and how alike two such sounds are.

One folding serves French and English spelling: all it must do is bring a name and what a
recogniser wrote for it ("Mashhad", "machade") near enough to be looked at; the audio decides. It
is of the family of Soundex and of G. Kondrak, "A New Algorithm for the Alignment of Phonetic
Sequences" (NAACL 2000): letters become few classes of sounds, and near sounds are cheap to swap.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["fold", "likeness", "likenesses", "weight"]

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


def weight(sounds: str) -> float:
    """What it costs to leave out every one of `sounds`."""
    return sum(_VOWEL_GAP if sound in _VOWELS else _GAP for sound in sounds)


def likeness(one: str, other: str) -> float:
    """1 for foldings that are equal, 0 for such as have nothing in common."""
    return float(likenesses([one], [other])[0])


def likenesses(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
    """`likeness` of each pair, all at once: 1 less weighted edit distance by the heavier one."""
    if not some:
        return np.zeros(0, np.float32)
    ones, one_ends = _codes(some)
    twos, two_ends = _codes(others)
    swaps, gaps = _costs()
    one_kinds, two_kinds = np.minimum(ones, _OTHER), np.minimum(twos, _OTHER)
    two_gaps = gaps[two_kinds]
    first = np.zeros((len(some), 1), np.float32)
    row = np.concatenate([first, np.cumsum(two_gaps, axis=1)], axis=1)
    places = np.arange(len(some))
    two_weights = row[places, two_ends]
    one_weights = np.zeros(len(some), np.float32)
    found = np.where(one_ends == 0, two_weights, np.float32(0))
    for step in range(ones.shape[1]):
        gap = gaps[one_kinds[:, step]]
        swap = swaps[one_kinds[:, step, None], two_kinds]
        swap = np.where(ones[:, step, None] == twos, np.float32(0), swap)
        before, row = row, np.empty_like(row)
        row[:, 0] = before[:, 0] + gap
        for place in range(twos.shape[1]):
            best = np.minimum(before[:, place] + swap[:, place], before[:, place + 1] + gap)
            row[:, place + 1] = np.minimum(best, row[:, place] + two_gaps[:, place])
        ended = one_ends == step + 1
        found[ended] = row[places, two_ends][ended]
        one_weights[ended] = row[ended, 0]
    heavier = np.maximum(np.maximum(one_weights, two_weights), np.float32(1e-6))
    alike = 1 - found / heavier
    return np.where((one_ends > 0) & (two_ends > 0), np.maximum(alike, 0), 0).astype(np.float32)


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Sounds as numbers, one row a text, and the length of each."""
    ends = np.array([len(text) for text in texts], np.int64)
    codes = np.zeros((len(texts), int(ends.max(initial=0))), np.int32)
    for place, text in enumerate(texts):
        for step, sound in enumerate(text):
            known = _SOUNDS.find(sound)
            codes[place, step] = known if known >= 0 else _OTHER + ord(sound)
    return codes, ends


@cache
def _costs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cost of one sound for another, and of none."""
    swaps = np.ones((_OTHER + 1, _OTHER + 1), np.float32)
    vowels = len(_VOWELS)
    swaps[:vowels, :vowels] = _VOWEL_SWAP
    for cost, pairs in _SWAPS:
        for one, other in pairs.split():
            a, b = _SOUNDS.index(one), _SOUNDS.index(other)
            swaps[a, b] = swaps[b, a] = cost
    gaps = np.full(_OTHER + 1, _GAP, np.float32)
    gaps[:vowels] = _VOWEL_GAP
    return swaps, gaps
