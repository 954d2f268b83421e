"""How many live streams one GPU would hold: predicted, not measured.

``python -m benchmarks.gpu --help``; the model and what it leaves out are in
docs/explanation/gpu-streams.md.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gpu_cost import CPU_TWO_CORES, GPUS, WHISPERS, Device, GpuDevice, fit_line
from benchmarks.gpu_load import Load, batch_s, most_streams, simulate
from benchmarks.results import write_result

__all__ = ["PUBLISHED", "main", "predicted_file_s"]

SHOWN = ("L4", "A10", "RTX-4090", "L40S", "A100", "H100")
AUDIO_S = 13 * 60
WINDOW_FRAMES = 3000
TOKENS_PER_S = 4.0
# Decoding the file and its features on the host, per second of audio: assumed.
HOST_SHARE = 0.004
# 13 minutes of audio, FP16, beam 5: GPU, size, batch, seconds, where it is published.
PUBLISHED = (
    ("RTX-3070-Ti", "large-v2", 1, 63.0, "faster-whisper 1.1 README"),
    ("RTX-3070-Ti", "large-v2", 8, 17.0, "faster-whisper 1.1 README"),
    ("V100S", "large-v2", 1, 54.0, "faster-whisper 0.x README"),
    ("RTX-2080-Ti", "large-v3", 1, 52.0, "faster-whisper issue 1030"),
    ("RTX-2080-Ti", "large-v3-turbo", 1, 19.2, "faster-whisper issue 1030"),
)
BEAMS = 5
# One worker of two threads, seconds per item of batches of 1, 2, 4 and 8, Whisper base int8.
CPU_BATCHES = ((1, 0.106), (2, 0.083), (4, 0.055), (8, 0.040))
# A lock-step prototype on two cores: streams, hop (s), commit lag p50 and p95 (s), share busy.
MEASURED_CPU = ((4, 1.5, 2.4, 3.9, 0.37), (8, 2.0, 3.3, 5.2, 0.62), (12, 3.0, 4.6, 7.5, 0.65))


def predicted_file_s(gpu: str, whisper: str, *, batch: int) -> float:
    """What the model says of faster-whisper on `AUDIO_S` of audio, to be held to `PUBLISHED`."""
    device = GpuDevice(GPUS[gpu], WHISPERS[whisper])
    windows = AUDIO_S * 100 / WINDOW_FRAMES
    tokens = round(TOKENS_PER_S * WINDOW_FRAMES / 100)
    rounds = windows / batch
    # Each beam is a sequence of its own for the decoder.
    each = device.encode_s(WINDOW_FRAMES, batch) + device.decode_s(
        WINDOW_FRAMES, tokens, batch * BEAMS
    )
    return rounds * each + AUDIO_S * HOST_SHARE


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the assumptions, the checks and the table."""
    options = _options(arguments)
    load = Load(
        hop_s=options.hop,
        guard_s=options.guard,
        frames=options.frames,
        tokens=options.tokens,
        speaking=options.speaking,
        max_batch=options.batch,
        host_s=options.host_ms / 1000,
    )
    _print_assumptions(load, options.bar)
    checks = _print_checks()
    rows = [
        _row(GpuDevice(GPUS[gpu], WHISPERS[size]), load, options.bar)
        for size in options.size
        for gpu in options.gpu
    ]
    _print_rows(rows, options.bar)
    if options.out:
        figures: dict[str, Any] = {
            f"{row['size']}_{row['gpu']}_streams": row["streams"] for row in rows
        }
        result: dict[str, Any] = {
            "what": "gpu_prediction",
            "settings": {"bar_s": options.bar, **asdict(load)},
            "figures": figures,
            "checks": checks,
            "rows": rows,
        }
        print(f"\nwritten to {write_result(options.out, 'gpu', result)}")
    return 0


def _row(device: GpuDevice, load: Load, bar_s: float) -> dict[str, Any]:
    streams = most_streams(device, load, bar_s=bar_s)
    lags = simulate(device, load, max(streams, 1))
    return {
        "gpu": device.gpu.name,
        "size": device.whisper.name,
        "fits": device.weights_gb() < 0.8 * device.gpu.memory_gb,
        "streams": streams,
        "streams_prompt": most_streams(device, load, bar_s=bar_s / 2),
        "p50_s": lags.p50_s,
        "p95_s": lags.p95_s,
        "busy": lags.busy,
        "mean_batch": lags.mean_batch,
        "one_ms": batch_s(device, load, 1, new_s=load.hop_s) * 1000,
        "full_ms": batch_s(device, load, load.max_batch, new_s=load.hop_s) * 1000,
    }


def _print_assumptions(load: Load, bar_s: float) -> None:
    print("Assumptions (nothing below was run on a GPU):")
    print(f"  every stream: a hop each {load.hop_s} s, {load.speaking:.0%} of them with speech;")
    print(
        f"  a window of {load.frames} mel frames; {load.tokens} tokens and {load.tokens_per_s:g} "
        "more a new second, greedy; one align;"
    )
    print(f"  guard {load.guard_s} s; batches up to {load.max_batch}, oldest first, no overlap;")
    print(f"  host {load.host_s * 1000:.1f} ms an item; FP16;")
    print("  half of peak arithmetic, 0.8 of bandwidth, 0.35 ms a decoder layer and step.")
    print(f"  Held: p95 of commit lag within {bar_s} s. GPU figures:")
    for name in SHOWN:
        gpu = GPUS[name]
        print(
            f"  {name:>9}: {gpu.tflops:g} TFLOPS, {gpu.bandwidth_gbs:g} GB/s, "
            f"{gpu.memory_gb:g} GB ({gpu.source})"
        )


def _print_checks() -> list[dict[str, Any]]:
    """The model against what others measured, and the simulator against a processor."""
    print(
        "\nAgainst published times of 13 minutes of audio (the time per layer was chosen to fit):"
    )
    checks: list[dict[str, Any]] = []
    for gpu, size, batch, seconds, source in PUBLISHED:
        predicted = predicted_file_s(gpu, size, batch=batch)
        checks.append(
            {"gpu": gpu, "size": size, "batch": batch, "published": seconds, "model": predicted}
        )
        print(
            f"  {gpu:>11} {size:>14} batch {batch}: published {seconds:5.1f} s, "
            f"model {predicted:5.1f} s ({source})"
        )
    fixed, each = fit_line([(size, size * seconds) for size, seconds in CPU_BATCHES])
    print(
        f"Batch curve of the decoder on two CPU threads (measured): {fixed * 1000:.0f} ms + "
        f"{each * 1000:.0f} ms a sequence: {fixed / (fixed + each):.0%} of one sequence's cost "
        "is shared by a batch"
    )
    # A check of the queue, not of the GPU: a prototype that ran so was measured.
    device: Device = CPU_TWO_CORES
    for streams, hop_s, p50_s, p95_s, busy in MEASURED_CPU:
        lags = simulate(device, Load(hop_s=hop_s, max_batch=4), streams)
        print(
            f"Two cores, base int8, {streams} streams, hop {hop_s} s: "
            f"p50 {lags.p50_s:.1f} s, p95 {lags.p95_s:.1f} s, busy {lags.busy:.0%}; "
            f"measured {p50_s} s, {p95_s} s, {busy:.0%}"
        )
    return checks


def _print_rows(rows: Sequence[dict[str, Any]], bar_s: float) -> None:
    print(f"\n| size | GPU | streams at p95 ≤ {bar_s / 2:g} s | ≤ {bar_s:g} s |", end="")
    print(" p50 s | p95 s | busy | batch | one hop ms | full batch ms |\n" + "|---" * 10 + "|")
    for row in rows:
        streams = row["streams"] if row["fits"] else "no room"
        prompt = row["streams_prompt"] if row["fits"] else "no room"
        print(
            f"| {row['size']} | {row['gpu']} | {prompt} | {streams} | {row['p50_s']:.1f} | "
            f"{row['p95_s']:.1f} | {row['busy']:.0%} | {row['mean_batch']:.1f} | "
            f"{row['one_ms']:.0f} | {row['full_ms']:.0f} |"
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    load = Load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--gpu", nargs="+", default=list(SHOWN), choices=list(GPUS))
    parser.add_argument("--size", nargs="+", default=list(WHISPERS), choices=list(WHISPERS))
    parser.add_argument("--bar", type=float, default=5.0, help="p95 of commit lag (s)")
    parser.add_argument("--hop", type=float, default=load.hop_s, help="seconds between decodes")
    parser.add_argument("--guard", type=float, default=load.guard_s, help="seconds")
    parser.add_argument("--frames", type=int, default=load.frames, help="mel frames a window")
    parser.add_argument(
        "--tokens", type=int, default=load.tokens, help="tokens a hop, whatever its length"
    )
    parser.add_argument("--speaking", type=float, default=load.speaking, help="share, 0 to 1")
    parser.add_argument("--batch", type=int, default=load.max_batch, help="largest batch")
    parser.add_argument("--host-ms", type=float, default=load.host_s * 1000, help="per item")
    parser.add_argument("--out", type=Path, help="folder of the result; none is kept when absent")
    options = parser.parse_args(arguments)
    if not 0 < options.frames <= WINDOW_FRAMES:
        parser.error(f"--frames takes 1 to {WINDOW_FRAMES}")
    if not 0 < options.speaking <= 1 or min(options.hop, options.batch, options.tokens) <= 0:
        parser.error(
            "--hop, --batch, --tokens and --speaking must be above 0, --speaking at most 1"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
