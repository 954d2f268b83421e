"""Audio as it arrives: its format, its decoding to samples, and the buffer windows are cut from."""

from collections import deque
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_models.types import SAMPLES_PER_MS, Pcm
from greffier_server.errors import UnsupportedAudio

__all__ = [
    "KEPT_ENCODINGS",
    "MAX_CHANNELS",
    "MAX_RATE",
    "MIN_RATE",
    "AudioBuffer",
    "check_format",
    "decode_channels",
    "decode_frames",
]

MIN_RATE = 8_000
MAX_RATE = 192_000
MAX_CHANNELS = 8
KEPT_ENCODINGS = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "mulaw", "alaw"})
"""Of sessions; what comes otherwise is brought into one of them on its way in."""


def check_format(audio: AudioFormat) -> None:
    """Raise UnsupportedAudio unless the rate and the channels are within limits."""
    if not MIN_RATE <= audio.rate <= MAX_RATE:
        raise UnsupportedAudio(
            f"The sample rate must be between {MIN_RATE} and {MAX_RATE} Hz, not {audio.rate}."
        )
    if not 1 <= audio.channels <= MAX_CHANNELS:
        raise UnsupportedAudio(
            f"Audio must have 1 to {MAX_CHANNELS} channels, not {audio.channels}."
        )
    if audio.encoding not in KEPT_ENCODINGS:
        raise UnsupportedAudio("This way in takes little-endian samples only.")


def decode_frames(audio: bytes, form: AudioFormat) -> NDArray[np.float32]:
    """Decode whole frames to mono samples between -1 and 1, at the format's own rate."""
    samples = decode_channels(audio, form)
    if form.channels == 1:
        return samples[:, 0]
    mixed: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mixed


def decode_channels(audio: bytes, form: AudioFormat) -> NDArray[np.float32]:
    """Decode whole frames to samples between -1 and 1: one row a frame, one column a channel."""
    samples: NDArray[np.float32]
    match form.encoding:
        case "pcm_s16le":
            samples = np.frombuffer(audio, dtype="<i2").astype(np.float32) / 32768.0
        case "pcm_f32le":
            raw = np.frombuffer(audio, dtype="<f4").astype(np.float32)
            samples = np.clip(np.nan_to_num(raw, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        case "mulaw":
            samples = _MULAW[np.frombuffer(audio, dtype=np.uint8)].astype(np.float32)
        case "alaw":
            samples = _ALAW[np.frombuffer(audio, dtype=np.uint8)]
        case "pcm_s24le":
            samples = _integers24(audio)
        case "pcm_s32le":
            samples = np.frombuffer(audio, dtype="<i4").astype(np.float32) / np.float32(2**31)
        case "pcm_s16be" | "pcm_s24be" | "pcm_s32be" | "pcm_f32be" | "encoded":
            raise UnsupportedAudio("Sessions keep audio little endian and decoded.")
        case _:
            assert_never(form.encoding)
    return samples.reshape(-1, form.channels)


def _integers24(audio: bytes) -> NDArray[np.float32]:
    """Packed 24-bit integers, little endian."""
    wide = np.zeros((len(audio) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(audio, np.uint8).reshape(-1, 3)
    samples: NDArray[np.float32] = wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    return samples


def _mulaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 mu-law, decoded."""
    code = ~np.arange(256, dtype=np.uint8)
    sign = np.where(code & 0x80, -1, 1)
    exponent = (code >> 4) & 0x07
    mantissa = code & 0x0F
    magnitude = (((mantissa.astype(np.int32) << 3) + 0x84) << exponent) - 0x84
    table: NDArray[np.float32] = (sign * magnitude / 32768.0).astype(np.float32)
    return table


def _alaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 A-law, decoded."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    sign = np.where(code & 0x80, 1, -1)
    exponent = ((code >> 4) & 0x07).astype(np.int32)
    mantissa = (code & 0x0F).astype(np.int32)
    low = (mantissa << 4) + 8
    high = ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, low, high)
    table: NDArray[np.float32] = (sign * magnitude / 32768.0).astype(np.float32)
    return table


_MULAW = _mulaw_table()
_ALAW = _alaw_table()


class AudioBuffer:
    """Samples of the last while, addressed by the session's clock.

    Args:
        start_ms: clock time of the first sample that will be added.
    """

    def __init__(self, start_ms: int = 0) -> None:
        self._chunks: deque[Pcm] = deque()
        self._first = start_ms * SAMPLES_PER_MS
        self._end = self._first

    @property
    def start_ms(self) -> int:
        """First whole millisecond still held."""
        return -(-self._first // SAMPLES_PER_MS)

    @property
    def end_ms(self) -> int:
        """Whole milliseconds held or already dropped."""
        return self._end // SAMPLES_PER_MS

    def append(self, pcm: Pcm) -> None:
        """Add the next samples."""
        if len(pcm):
            self._chunks.append(pcm)
            self._end += len(pcm)

    def cut(self, from_ms: int, to_ms: int) -> Pcm:
        """Samples between two times; shorter when the buffer does not hold them all."""
        begin = max(from_ms * SAMPLES_PER_MS, self._first)
        end = min(to_ms * SAMPLES_PER_MS, self._end)
        parts: list[Pcm] = []
        at = self._first
        for chunk in self._chunks:
            if at >= end:
                break
            if at + len(chunk) > begin:
                parts.append(chunk[max(0, begin - at) : end - at])
            at += len(chunk)
        if not parts:
            return np.zeros(0, dtype=np.int16)
        return np.concatenate(parts)

    def drop_before(self, ms: int) -> None:
        """Forget whole chunks that end before `ms`."""
        limit = ms * SAMPLES_PER_MS
        while self._chunks and self._first + len(self._chunks[0]) <= limit:
            self._first += len(self._chunks.popleft())
