"""What a request costs the machine, as data: measured points and lines between them.

Measured with Whisper base, int8, CTranslate2 4.8, two workers of one thread each on two cores, both
busy. All figures are seconds of the whole machine for each item (with two workers at work, each
takes twice as long over it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from greffier_server.core.policy import DecodeRequest, IdentifyRequest

__all__ = ["TWO_CORES", "CostModel", "tokens_of"]

Points = tuple[tuple[float, float], ...]

_FRAME_MS = 10
_CHARS_PER_TOKEN = 3.6
"""Of French and English in Whisper's vocabulary."""
_IDENTIFY_TOKENS = 12
"""Trial decodes, averaged over requests that need one and those that do not."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds of the machine for the parts of a request."""

    encode_s: Points
    """Encoder, by mel frames (10 ms each)."""
    token_s: Points
    """One step of the decoder, each item's share, by batch size; forced tokens cost the same."""
    align_s: float
    beam: float
    """Each beam beyond the first makes a step of the decoder longer by this share."""
    workers: int
    batch: int
    """Most requests in one call of the decoder."""
    alone: float
    """A worker alone on the machine takes this share of what it takes when all are busy."""

    def request_s(
        self, request: DecodeRequest | IdentifyRequest, *, answer_tokens: int, batch: int = 1
    ) -> float:
        """Seconds of the machine for one request within a batch of this size."""
        if isinstance(request, IdentifyRequest):
            length_ms, forced, answer_tokens, align_s = 15_000, 0, _IDENTIFY_TOKENS, 0.0
            wider = 1.0
        else:
            length_ms = max(request.to_ms - request.from_ms, request.fill_ms)
            forced = tokens_of(request.prefix)
            align_s = self.align_s
            wider = 1 + self.beam * (request.beam_size - 1)
        encode_s = _between(self.encode_s, length_ms / _FRAME_MS)
        steps_s = (forced + answer_tokens * wider) * _between(self.token_s, batch)
        return encode_s + steps_s + align_s

    def elapsed_s(self, machine_s: float, *, busy: int) -> float:
        """How long a worker takes over `machine_s` when `busy` workers are at work, it included."""
        alone = self.alone if busy < self.workers else 1.0
        return machine_s * self.workers * alone


TWO_CORES = CostModel(
    encode_s=(
        (0, 0.010),
        (500, 0.0145),
        (800, 0.025),
        (1_000, 0.033),
        (1_200, 0.041),
        (1_500, 0.059),
        (2_000, 0.10),
        (2_500, 0.19),
        (3_000, 0.27),
    ),
    # Answers of 14 to 24 tokens: 0.044, 0.033, 0.027 and 0.035 s an item in batches of 1, 2, 4, 8.
    token_s=((1, 0.044 / 19), (2, 0.033 / 19), (4, 0.027 / 19), (8, 0.035 / 19)),
    align_s=0.012,
    # A request of 8 s: 0.300, 0.323 and 0.343 s of processor time with a beam of 1, 3 and 5.
    beam=0.07,
    workers=2,
    batch=4,
    # One thread alone was measured no slower than two threads on one request (0.20 s against
    # 2 x 0.115 s with both workers busy): at most 0.87; taken as 0.8.
    alone=0.8,
)
"""Whisper base, int8, on two cores."""


def tokens_of(text: str) -> int:
    """About how many tokens a text has."""
    return round(len(text) / _CHARS_PER_TOKEN)


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """The value at `x` on straight lines through `points`; the end values outside."""
    if x <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x <= x1:
            return y0 + (y1 - y0) * (x - x0) / (x1 - x0)
    return points[-1][1]
