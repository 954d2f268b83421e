"""What one hop costs on a device (pure): Whisper's arithmetic against published GPU figures.

Sizes of Whisper: Radford et al. 2022, table 1, and OpenAI's model cards (large-v3, turbo). A matrix
product of m×k by k×n counts 2·m·k·n operations. Peaks are the vendors' dense FP16 tensor figures
with FP32 accumulation, never the ones "with sparsity".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

__all__ = [
    "CPU_TWO_CORES",
    "GPUS",
    "WHISPERS",
    "CpuFigures",
    "Device",
    "Gpu",
    "GpuDevice",
    "Whisper",
    "fit_line",
]

VOCABULARY = 51_866
TEXT_POSITIONS = 448
FP16_BYTES = 2


@dataclass(frozen=True, slots=True)
class Whisper:
    """The shape of one size of Whisper."""

    name: str
    width: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80

    def encoder_parameters(self) -> int:
        """Weights of the encoder, sinusoidal positions left out."""
        d = self.width
        convolutions = (3 * self.mels * d + d) + (3 * d * d + d)
        return convolutions + self.encoder_layers * (12 * d * d + 13 * d) + 2 * d

    def decoder_parameters(self) -> int:
        """Weights of the decoder with its token embedding, which is also its output layer."""
        d = self.width
        embedding = (VOCABULARY + TEXT_POSITIONS) * d
        return embedding + self.decoder_layers * (16 * d * d + 19 * d) + 2 * d

    def encoder_flops(self, frames: int) -> float:
        """Operations to encode one window of `frames` mel frames (10 ms each)."""
        d, positions = self.width, frames / 2
        convolutions = 2 * 3 * self.mels * d * frames + 2 * 3 * d * d * positions
        # Per layer: four projections and an MLP four times as wide, then scores and their sum.
        dense = 24 * d * d * positions
        attention = 4 * positions * positions * d
        return convolutions + self.encoder_layers * (dense + attention)

    def cross_flops(self, frames: int) -> float:
        """Operations to make the decoder's keys and values of one window, once a decode."""
        return self.decoder_layers * 4 * self.width**2 * frames / 2

    def token_flops(self, frames: int) -> float:
        """Operations of the decoder for one token."""
        d = self.width
        # Cross keys and values are not made anew: 28 of 32 d² (two attentions and the MLP).
        dense = self.decoder_layers * 28 * d * d + 2 * VOCABULARY * d
        return dense + self.decoder_layers * 4 * d * frames / 2

    def token_weight_bytes(self) -> float:
        """Weights read for each step of the decoder, whatever the batch."""
        return FP16_BYTES * (self.decoder_layers * 14 * self.width**2 + VOCABULARY * self.width)

    def cross_bytes(self, frames: int) -> float:
        """Keys and values of one sequence's window, read at each step."""
        return FP16_BYTES * self.decoder_layers * 2 * self.width * frames / 2


WHISPERS = {
    whisper.name: whisper
    for whisper in (
        Whisper("base", 512, 6, 6),
        Whisper("small", 768, 12, 12),
        Whisper("medium", 1024, 24, 24),
        Whisper("large-v2", 1280, 32, 32),
        Whisper("large-v3", 1280, 32, 32, mels=128),
        Whisper("large-v3-turbo", 1280, 32, 4, mels=128),
    )
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """Published figures of one GPU."""

    name: str
    tflops: float
    """Dense FP16 tensor, FP32 accumulation."""
    bandwidth_gbs: float
    memory_gb: float
    source: str


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("L4", 121, 300, 24, "NVIDIA L4 datasheet: 242 with sparsity, halved"),
        Gpu("A10", 125, 600, 24, "NVIDIA A10 datasheet"),
        Gpu("RTX-4090", 165.2, 1008, 24, "NVIDIA Ada GPU architecture whitepaper, appendix A"),
        Gpu("L40S", 362, 864, 48, "NVIDIA L40S datasheet: 733 with sparsity, halved"),
        Gpu("A100", 312, 2039, 80, "NVIDIA A100 80GB SXM datasheet"),
        Gpu("H100", 989, 3350, 80, "NVIDIA H100 SXM datasheet: 1979 with sparsity, halved"),
        # Only to check the model against faster-whisper's published times.
        Gpu("RTX-3070-Ti", 43.5, 608, 8, "half the FP16-accumulate rate of GA104"),
        Gpu("RTX-2080-Ti", 53.8, 616, 11, "NVIDIA Turing whitepaper"),
        Gpu("V100S", 130, 1134, 32, "NVIDIA V100 datasheet"),
    )
}


class Device(Protocol):
    """What the simulator asks of a device; times are seconds for the whole batch."""

    @property
    def workers(self) -> int:
        """Batches it works on at once, each as fast as if it were alone."""
        ...

    def encode_s(self, frames: int, batch: int) -> float:
        """Encode `batch` windows."""
        ...

    def decode_s(self, frames: int, tokens: int, batch: int) -> float:
        """Decode `tokens` tokens for each of `batch` windows."""
        ...

    def align_s(self, frames: int, tokens: int, batch: int) -> float:
        """Align `tokens` tokens with each of `batch` windows."""
        ...


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """A roofline with launch times: the slower of arithmetic and memory, plus a time per layer.

    `layer_s` is what one decoder layer of one step costs whatever the GPU (kernel launches, the
    beam's bookkeeping). It was chosen by hand so that the published times of the large models are
    met about equally from both sides; turbo's then comes out a third too fast.
    """

    gpu: Gpu
    whisper: Whisper
    efficiency: float = 0.5
    """Share of the peak that large matrix products reach."""
    bandwidth_share: float = 0.8
    """Share of the published bandwidth that reads reach."""
    layer_s: float = 0.00035
    workers: int = 1

    def encode_s(self, frames: int, batch: int) -> float:
        """Arithmetic bound for all but the shortest windows; batched."""
        flops = batch * (self.whisper.encoder_flops(frames) + self.whisper.cross_flops(frames))
        read = self.whisper.encoder_parameters() * FP16_BYTES
        return self._bound(flops, read) + self.whisper.encoder_layers * self.layer_s / 2

    def decode_s(self, frames: int, tokens: int, batch: int) -> float:
        """Step by step: launches, then weights once and each sequence's keys and values."""
        flops = batch * self.whisper.token_flops(frames)
        read = self.whisper.token_weight_bytes() + batch * self.whisper.cross_bytes(frames)
        return tokens * (self._bound(flops, read) + self.whisper.decoder_layers * self.layer_s)

    def align_s(self, frames: int, tokens: int, batch: int) -> float:
        """All tokens in one step."""
        flops = batch * tokens * self.whisper.token_flops(frames)
        read = self.whisper.token_weight_bytes() + batch * self.whisper.cross_bytes(frames)
        return self._bound(flops, read) + self.whisper.decoder_layers * self.layer_s

    def weights_gb(self) -> float:
        """Memory of the weights."""
        whisper = self.whisper
        return (whisper.encoder_parameters() + whisper.decoder_parameters()) * FP16_BYTES / 1e9

    def _bound(self, flops: float, read: float) -> float:
        return max(
            flops / (self.gpu.tflops * 1e12 * self.efficiency),
            read / (self.gpu.bandwidth_gbs * 1e9 * self.bandwidth_share),
        )


@dataclass(frozen=True, slots=True)
class CpuFigures:
    """A processor by what was measured on it, per item with all cores busy."""

    name: str
    encode: tuple[tuple[int, float], ...]
    """Mel frames and seconds for one window, all workers' throughput taken together."""
    decode: tuple[tuple[int, float], ...]
    """Batch and seconds per item, likewise."""
    decode_tokens: int
    align_each_s: float
    workers: int

    def encode_s(self, frames: int, batch: int) -> float:
        """Singly: batches gain nothing on a processor."""
        return batch * self.workers * _between(self.encode, frames)

    def decode_s(self, frames: int, tokens: int, batch: int) -> float:
        """By the measured curve; beyond its end as at its end."""
        del frames
        each = _between(self.decode, batch) * self.workers
        return batch * each * tokens / self.decode_tokens

    def align_s(self, frames: int, tokens: int, batch: int) -> float:
        """One by one."""
        del frames
        return batch * self.workers * self.align_each_s * tokens / self.decode_tokens


# Whisper base, int8, CTranslate2 4.8.5, two workers of one thread on two cores: seconds an item.
CPU_TWO_CORES = CpuFigures(
    name="two-cores-base-int8",
    encode=(
        *((500, 0.0145), (800, 0.025), (1000, 0.033), (1200, 0.041)),
        *((1500, 0.059), (2000, 0.10), (2500, 0.19), (3000, 0.27)),
    ),
    decode=((1, 0.044), (2, 0.033), (4, 0.027), (8, 0.035)),
    decode_tokens=19,
    align_each_s=0.012,
    workers=2,
)


def fit_line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares ``y = fixed + each * x``; returns (fixed, each).

    Raises:
        ValueError: fewer than two different x.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / max(count, 1)
    mean_y = sum(y for _, y in points) / max(count, 1)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        raise ValueError("a line needs two different points")
    each = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return mean_y - each * mean_x, each


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    """Linear between points in order of x, flat outside."""
    if at <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return points[-1][1]
