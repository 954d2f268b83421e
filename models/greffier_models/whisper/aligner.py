"""Where the words of a text are in a window, and how probable the audio makes them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from greffier_models.types import AudioWindow, RecognitionOptions, Word
from greffier_models.whisper.scoring import Forced
from greffier_models.whisper.tokens import Tokens
from greffier_models.whisper.words import group_tokens, timed_words

__all__ = ["Aligner", "EncodedWindow"]

_MAX_FORCED_TOKENS = 440
"""The decoder has 448 places, of which the prompt takes a few."""
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


@dataclass(frozen=True, slots=True)
class EncodedWindow:
    """One window ready for the decoder."""

    output: Any
    frames: int
    """Encoder input frames that hold audio (10 ms each)."""
    window: AudioWindow
    options: RecognitionOptions
    language: str
    language_probability: float
    prefix_tokens: list[int]
    prompt: list[int]
    limit: int


class Aligner:
    """The alignment of one model's decoder.

    Args:
        model: CTranslate2's.
        tokens: of the model.
    """

    def __init__(self, model: Any, tokens: Tokens) -> None:
        self._model = model
        self._tokens = tokens

    def align(self, item: EncodedWindow, tokens: list[int]) -> list[Word]:
        """The words that `tokens`, decoded behind the window's prefix, make up."""
        frames, probabilities = self._path(item, tokens)
        texts = self._tokens.pieces(tokens)
        groups = group_tokens(texts, spaced=item.language not in _UNSPACED)
        return timed_words(
            [self._tokens.decode([tokens[i] for i in group]) for group in groups],
            groups,
            token_frames=frames,
            probabilities=probabilities,
            start_ms=item.window.start_ms,
            end_ms=item.window.end_ms,
        )

    def force(self, item: EncodedWindow, texts: Sequence[str]) -> Forced | None:
        """Hold `texts`, one a word, against the window's audio; None where they are too long."""
        pieces = [self._tokens.encode(text) for text in texts]
        tokens = list(itertools.chain.from_iterable(pieces))
        if len(item.prefix_tokens) + len(tokens) > _MAX_FORCED_TOKENS or not all(pieces):
            return None
        frames, probabilities = self._path(item, tokens)
        numbers = itertools.count()
        groups = [[next(numbers) for _ in piece] for piece in pieces]
        words = timed_words(
            texts,
            groups,
            token_frames=frames,
            probabilities=probabilities,
            start_ms=item.window.start_ms,
            end_ms=item.window.end_ms,
        )
        logprobs = [sum(math.log(max(probabilities[i], 1e-10)) for i in group) for group in groups]
        return Forced(tuple(words), tuple(logprobs), tuple(map(len, pieces)))

    def _path(self, item: EncodedWindow, tokens: Sequence[int]) -> tuple[list[int], list[float]]:
        """Of each token behind the prefix the first frame, then one for the end; probabilities."""
        everything = [*item.prefix_tokens, *tokens]
        begin = self._tokens.begin(item.language, item.options.task)
        (aligned,) = self._model.align(item.output, begin, [everything], item.frames)
        frames = _first_frames(aligned.alignments, len(everything), item.frames // 2)
        skipped = len(item.prefix_tokens)
        return frames[skipped:], [float(p) for p in aligned.text_token_probs[skipped:]]


def _first_frames(alignments: Sequence[tuple[int, int]], tokens: int, frames: int) -> list[int]:
    """First encoder frame of each token from the alignment path, then one for the end."""
    firsts = [frames] * (tokens + 1)
    seen = -1
    for token, frame in alignments:
        if token > seen:
            for skipped in range(seen + 1, min(token, tokens) + 1):
                firsts[skipped] = frame
            seen = token
    return firsts
