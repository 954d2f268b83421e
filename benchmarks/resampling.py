"""How clean and how exact the resampling is: ``python -m benchmarks.resampling [--write]``.

The signal-to-noise ratio of sweeps (50 Hz to 0.44 of the lower rate) from and to each rate, and by
how many samples four hours of sound are late at their end. The laws that hold in every run of the
tests are in ``tests/property/test_resampling_laws.py``.
"""

import argparse
import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import result_folder, write_result
from greffier_server.media.resampling import Resampler

__all__ = ["drift", "main", "snr_db"]

_RATES: Final = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
_TO: Final = (16_000, 48_000)
_HOURS: Final = 4
_TONE_HZ: Final = 1_000


def _sweep(rate: int, *, to_hz: float, seconds: float = 4.0) -> NDArray[np.float64]:
    at = np.arange(round(seconds * rate)) / rate
    soft = np.sin(np.pi / 2 * np.clip(np.minimum(at, seconds - at) / 0.25, 0, 1)) ** 2
    return 0.5 * soft * np.sin(2 * np.pi * (50 * at + (to_hz - 50) / (2 * seconds) * at**2))


def snr_db(from_rate: int, to_rate: int) -> float:
    """Return a sweep's power over that of all that is not the sweep."""
    top = 0.44 * min(from_rate, to_rate)
    resampler = Resampler(from_rate, to_rate, channels=1)
    sweep = _sweep(from_rate, to_hz=top).astype(np.float32)[:, np.newaxis]
    heard = np.concatenate([resampler.feed(sweep), resampler.flush()])[:, 0].astype(np.float64)
    expected = _sweep(to_rate, to_hz=top)
    inner = slice(to_rate // 10, -to_rate // 10)
    noise = heard[inner] - expected[inner]
    return float(10 * np.log10(np.mean(expected[inner] ** 2) / max(np.mean(noise**2), 1e-30)))


def drift(from_rate: int, to_rate: int, *, hours: int = _HOURS) -> dict[str, Any]:
    """Send a tone for hours; compare its phase in the second and the last but one second.

    Returns:
        Samples too many at the end, and by how many the tone has moved.
    """
    at = np.arange(from_rate) / from_rate
    second = np.sin(2 * np.pi * _TONE_HZ * at).astype(np.float32)[:, np.newaxis]
    resampler = Resampler(from_rate, to_rate, channels=1)
    seconds, made = hours * 3_600, 0
    ends: dict[int, list[NDArray[np.float32]]] = {1: [], seconds - 2: []}
    for _ in range(seconds):
        part = resampler.feed(second)
        for first_s, kept in ends.items():
            begin, end = first_s * to_rate - made, (first_s + 1) * to_rate - made
            kept.append(part[max(0, begin) : max(0, end), 0])
        made += len(part)
    made += len(resampler.flush())
    early, late = (_lateness(np.concatenate(kept), to_rate) for kept in ends.values())
    return {
        "from": from_rate,
        "to": to_rate,
        "samples_too_many": made - seconds * to_rate,
        "moved_samples": abs(late - early),
    }


def _lateness(part: NDArray[np.float32], rate: int) -> float:
    turn = np.exp(-2j * np.pi * _TONE_HZ * np.arange(rate) / rate)
    phase = float(np.angle(np.sum(part * turn)))
    return phase * rate / (2 * np.pi * _TONE_HZ)


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the result")
    parser.add_argument("--machine", help="name of the result's folder, not the processor's")
    arguments = parser.parse_args()
    sweeps = [
        {"from": a, "to": b, "snr_db": round(snr_db(a, b), 1)}
        for a in _RATES
        for b in _TO
        if a != b
    ]
    result = {
        "worst_snr_db": min(each["snr_db"] for each in sweeps),
        "drift_hours": _HOURS,
        "drift": [drift(44_100, 16_000), drift(48_000, 16_000)],
        "sweeps": sweeps,
    }
    print(json.dumps(result, indent=1))
    if arguments.write:
        print(write_result(result_folder(arguments.machine), "resampling", result))


if __name__ == "__main__":
    main()
