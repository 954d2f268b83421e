"""Sounds that are not speech, made from a seed: noise, hum, static, beeps, breath, clicks, silence.

Every function gives samples from -1 to 1 at 16 kHz. `hour` strings them together at several levels
with recordings of music and noise, and says where each one lies.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpora import RATE

__all__ = ["GENERATED", "Placed", "Samples", "burst", "hour", "to_pcm"]

Samples = NDArray[np.float64]

_DTMF = {
    "1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "4": (770, 1209), "5": (770, 1336),
    "6": (770, 1477), "7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "*": (941, 1209),
    "0": (941, 1336), "#": (941, 1477),
}  # fmt: skip
"""ITU-T Q.23, hertz."""
_LEVELS_DB = (-12.0, -26.0, -40.0)
"""Root mean square, relative to full scale: loud, as speech usually is, faint."""
_REST_S = 1.5
_STRETCH_S = 20.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A sound and where it lies in the hour."""

    name: str
    start_ms: int
    end_ms: int


def hour(
    recordings: Mapping[str, Samples], *, seconds: float = 3600.0, seed: int = 0
) -> tuple[Samples, list[Placed]]:
    """String generated and recorded sounds together, each at every level, until time is up.

    Args:
        recordings: by name; long ones are taken from a stretch at a time, going on where they were.
        seconds: length.
        seed: of everything random.
    """
    random = np.random.default_rng(seed)
    sources = [_generated(name, make, random) for name, make in GENERATED.items()]
    sources += [_recorded(name, samples) for name, samples in recordings.items()]
    pieces: list[Samples] = []
    placed: list[Placed] = []
    done = 0
    for source, level in _rounds(sources):
        name, samples = next(source)
        if done >= seconds * RATE:
            break
        piece = _at_level(samples, level)
        placed.append(Placed(f"{name} {level:.0f} dB", *_ms(done, done + len(piece))))
        rest = _at_level(random.standard_normal(round(_REST_S * RATE)), -70.0)
        pieces += [piece, rest]
        done += len(piece) + len(rest)
    return np.concatenate(pieces)[: round(seconds * RATE)], placed


def burst(
    samples: Samples, random: np.random.Generator, *, shortest_s: float, longest_s: float
) -> Samples:
    """A stretch of a recording cut out anywhere, hard at both ends."""
    length = round(random.uniform(shortest_s, longest_s) * RATE)
    start = int(random.integers(0, max(1, len(samples) - length)))
    return samples[start : start + length]


def to_pcm(samples: Samples) -> NDArray[np.int16]:
    """16-bit samples; what is louder than full scale is clipped, as a converter does."""
    pcm: NDArray[np.int16] = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
    return pcm


def _ms(*samples: int) -> tuple[int, ...]:
    return tuple(at * 1000 // RATE for at in samples)


def _rounds(
    sources: list[Iterator[tuple[str, Samples]]],
) -> Iterator[tuple[Iterator[tuple[str, Samples]], float]]:
    for level in cycle(_LEVELS_DB):
        for source in sources:
            yield source, level


def _generated(
    name: str, make: "Callable[[np.random.Generator], Samples]", random: np.random.Generator
) -> Iterator[tuple[str, Samples]]:
    while True:
        yield name, make(random)


def _recorded(name: str, samples: Samples) -> Iterator[tuple[str, Samples]]:
    step = round(_STRETCH_S * RATE)
    while True:
        for start in range(0, len(samples), step):
            stretch = samples[start : start + step]
            if len(stretch) >= RATE or start == 0:
                yield name, stretch


def _at_level(samples: Samples, level_db: float) -> Samples:
    power = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    return samples if power == 0.0 else samples * (10 ** (level_db / 20) / power)


# --- generated ----------------------------------------------------------------------------------


def _times(seconds: float) -> Samples:
    return np.arange(round(seconds * RATE)) / RATE


def _coloured(random: np.random.Generator, seconds: float, exponent: float) -> Samples:
    """Noise whose power falls as frequency to the `exponent`: 0 white, 1 pink, 2 brown."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20.0)
    return np.fft.irfft(spectrum / frequencies ** (exponent / 2), count)


def _band(samples: Samples, low: float, high: float) -> Samples:
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(samples))


def _tone(seconds: float, *hertz: float) -> Samples:
    times = _times(seconds)
    sound: Samples = np.sum([np.sin(2 * np.pi * f * times) for f in hertz], axis=0)
    edge = min(80, len(sound) // 2)
    sound[:edge] *= np.linspace(0, 1, edge)
    sound[-edge:] *= np.linspace(1, 0, edge)
    return sound


def _spread(
    random: np.random.Generator, make: Callable[[], Samples], *, rest_s: tuple[float, float]
) -> Samples:
    """Repeat a short sound with random rests for one stretch."""
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < _STRETCH_S * RATE:
        pieces += [make(), np.zeros(round(random.uniform(*rest_s) * RATE))]
    return np.concatenate(pieces)


def _hum(random: np.random.Generator) -> Samples:
    mains = random.choice([50.0, 60.0])
    times = _times(_STRETCH_S)
    return np.sum(
        [np.sin(2 * np.pi * mains * n * times) / n for n in (1, 2, 3, 4, 5, 7, 9, 12)], axis=0
    )


def _fan(random: np.random.Generator) -> Samples:
    times = _times(_STRETCH_S)
    return _coloured(random, _STRETCH_S, 1.5) * (1 + 0.3 * np.sin(2 * np.pi * 1.7 * times))


def _babble_like(random: np.random.Generator) -> Samples:
    """Noise in the band of speech that swells at the rate of syllables."""
    noise = _band(random.standard_normal(round(_STRETCH_S * RATE)), 200, 3_500)
    return noise * (1 + np.sin(2 * np.pi * 4.0 * _times(_STRETCH_S))) / 2


def _squelch(random: np.random.Generator) -> Samples:
    """Carrier noise that opens, then the crash of a receiver without a carrier."""

    def one() -> Samples:
        carrier = 0.1 * _band(
            random.standard_normal(round(random.uniform(0.5, 3) * RATE)), 300, 3_000
        )
        tail = _band(random.standard_normal(round(random.uniform(0.1, 0.4) * RATE)), 300, 3_400)
        return np.concatenate([carrier, tail])

    return _spread(random, one, rest_s=(0.3, 3.0))


def _static(random: np.random.Generator) -> Samples:
    """Radio static with fading and crackle."""
    count = round(_STRETCH_S * RATE)
    noise = _band(random.standard_normal(count), 300, 3_400)
    fading = 0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * _times(_STRETCH_S))
    crackle = (random.random(count) > 0.9995) * random.standard_normal(count) * 6
    return noise * fading + crackle


def _heterodyne(random: np.random.Generator) -> Samples:
    """Whistle that drifts through the band, over static."""
    times = _times(_STRETCH_S)
    drift = 900 + 600 * np.sin(2 * np.pi * 0.11 * times)
    return np.sin(2 * np.pi * np.cumsum(drift) / RATE) + 0.3 * _static(random)


def _roger_beep(random: np.random.Generator) -> Samples:
    shapes = [(1_200.0,), (1_750.0,), (980.0, 1_200.0), (2_800.0,)]

    def one() -> Samples:
        chosen = shapes[int(random.integers(len(shapes)))]
        return np.concatenate([_tone(random.uniform(0.06, 0.3), f) for f in chosen])

    return _spread(random, one, rest_s=(0.8, 4.0))


def _dtmf(random: np.random.Generator) -> Samples:
    keys = list(_DTMF.values())

    def one() -> Samples:
        return _tone(0.1, *keys[int(random.integers(len(keys)))])

    return _spread(random, one, rest_s=(0.08, 0.4))


def _ringing(random: np.random.Generator) -> Samples:
    """A French ring-back tone, then busy tones."""
    return _spread(random, lambda: _tone(1.5, 440.0), rest_s=(3.0, 3.5))


def _morse(random: np.random.Generator) -> Samples:
    return _spread(
        random, lambda: _tone(float(random.choice([0.06, 0.18])), 750.0), rest_s=(0.06, 0.2)
    )


def _breath(random: np.random.Generator) -> Samples:
    """Breath on a microphone: band noise that swells and falls."""

    def one() -> Samples:
        seconds = random.uniform(0.4, 1.4)
        noise = _band(_coloured(random, seconds, 0.7), 300, 6_000)
        return noise * np.sin(np.pi * np.linspace(0, 1, len(noise))) ** 1.5

    return _spread(random, one, rest_s=(0.5, 2.5))


def _cough_like(random: np.random.Generator) -> Samples:
    def one() -> Samples:
        seconds = random.uniform(0.15, 0.35)
        noise = _band(_coloured(random, seconds, 1.0), 150, 4_500)
        return noise * np.exp(-np.linspace(0, 6, len(noise)))

    return _spread(random, one, rest_s=(0.3, 3.0))


def _keyboard(random: np.random.Generator) -> Samples:
    def one() -> Samples:
        click = _band(random.standard_normal(round(0.02 * RATE)), 800, 7_500)
        return click * np.exp(-np.linspace(0, 8, len(click)))

    return _spread(random, one, rest_s=(0.05, 0.5))


def _knocks(random: np.random.Generator) -> Samples:
    def one() -> Samples:
        times = _times(0.12)
        return np.sin(2 * np.pi * random.uniform(90, 250) * times) * np.exp(-times * 40)

    return _spread(random, one, rest_s=(0.15, 1.5))


def _siren(random: np.random.Generator) -> Samples:
    times = _times(_STRETCH_S)
    pitch = np.where((times % 1.2) < 0.6, 435.0, 580.0)
    return np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE)) + 0.01 * random.standard_normal(
        len(times)
    )


def _chords(random: np.random.Generator) -> Samples:
    """Plain music: chords that decay, a melody above."""

    def one() -> Samples:
        root = 110.0 * 2 ** (random.integers(0, 12) / 12)
        times = _times(0.6)
        notes = [root, root * 1.25, root * 1.5, root * 2 * 2 ** (random.integers(0, 12) / 12)]
        sound: Samples = np.sum(
            [np.sin(2 * np.pi * f * n * times) / n**2 for f in notes for n in (1, 2, 3, 4)], axis=0
        )
        return sound * np.exp(-times * 2)

    return _spread(random, one, rest_s=(0.0, 0.05))


def _digital_silence(_random: np.random.Generator) -> Samples:
    return np.zeros(round(_STRETCH_S * RATE))


GENERATED: dict[str, Callable[[np.random.Generator], Samples]] = {
    "silence": _digital_silence,
    "white": lambda random: _coloured(random, _STRETCH_S, 0.0),
    "pink": lambda random: _coloured(random, _STRETCH_S, 1.0),
    "brown": lambda random: _coloured(random, _STRETCH_S, 2.0),
    "hum": _hum,
    "fan": _fan,
    "syllabic noise": _babble_like,
    "static": _static,
    "squelch": _squelch,
    "heterodyne": _heterodyne,
    "roger beep": _roger_beep,
    "dtmf": _dtmf,
    "ringing": _ringing,
    "morse": _morse,
    "breath": _breath,
    "cough": _cough_like,
    "keyboard": _keyboard,
    "knocks": _knocks,
    "siren": _siren,
    "chords": _chords,
}
"""By name; each call makes another stretch of about 20 s."""
