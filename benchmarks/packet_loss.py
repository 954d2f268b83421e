"""Word error rate of speech that comes as Opus packets, of which a network loses some.

``python -m benchmarks.packet_loss --model whisper-base --loss 0 1 2 5 10 --burst 1 3`` encodes the
turns of a scene as a browser does (Opus, 20 ms, 32 kbit/s), leaves out packets at random (a seed
makes them the same at every run), puts the rest through what WHIP puts them through, and speaks the
result into a real server. Every lost packet must be inside a gap, and nothing else may be.

Loss is decided before anything is sent, so the figures do not depend on the machine or its clock.
``--burst 3`` loses three packets in a row on average, at the same rate of loss. ``--repair`` names
what is done about it: see `benchmarks.lossy_path.REPAIRS`.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import greffier
from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import read_pcm
from benchmarks.lossy_path import REPAIRS, Repair, lost_numbers, over_network, to_packets
from benchmarks.results import result_folder, write_result
from greffier.exchange import exchange
from greffier.protocol import AudioFormat, Caption
from greffier_server.child import ChildServer
from greffier_server.media.codecs import OPUS_RATE

__all__ = ["Point", "main", "table", "verdict"]

_STEP_BYTES: Final = 2 * OPUS_RATE // 5
_ALLOWED_POINTS: Final = 3.0
_REAL: Final[tuple[Repair, ...]] = ("bridged", "redundant", "resent")
"""What the server does; silence is measured to compare with."""


@dataclass(frozen=True, slots=True)
class Point:
    """One figure of the curve."""

    repair: Repair
    burst: float
    """Packets in a row on average."""
    loss: float
    """Percent of the packets that the network loses."""
    wer: float
    """Percent."""
    words: int
    gaps: int
    lost_ms: int
    """Of sound that never came; what was repaired is no gap."""


async def _heard(server: ChildServer, pcm: bytes, language: str) -> str:
    async def chunks() -> AsyncGenerator[bytes]:
        for at in range(0, len(pcm), _STEP_BYTES):
            yield pcm[at : at + _STEP_BYTES]

    text = ""
    form = AudioFormat("pcm_s16le", OPUS_RATE, 1)
    async with greffier.connect(
        server.url, language=language, format=form, minutes=False
    ) as session:
        async for message in exchange(session, chunks()):
            text += message.committed if isinstance(message, Caption) else ""
    return text


def _pieces(scene: str, language: str) -> list[tuple[bytes, str]]:
    from tests.support.scenes import load_scene

    loaded = load_scene(scene)
    pcm = read_pcm(loaded.audio)
    turns = [turn for turn in loaded.turns if turn.language == language]
    return [
        (pcm[turn.start_ms * 32 - 32 * 300 : turn.end_ms * 32 + 32 * 500], turn.text)
        if turn.start_ms >= 300
        else (pcm[: turn.end_ms * 32 + 32 * 500], turn.text)
        for turn in turns
    ]


def _samples(pieces: Sequence[tuple[bytes, str]]) -> NDArray[np.int16]:
    return np.concatenate([np.frombuffer(pcm, "<i2") for pcm, _ in pieces])


def table(points: Sequence[Point]) -> str:
    """Return the curve as Markdown: a row a loss, a column a kind of loss and a repair."""
    columns = list(dict.fromkeys((point.burst, point.repair) for point in points if point.loss))
    rows = sorted({point.loss for point in points})
    found = {(point.loss, point.burst, point.repair): point.wer for point in points}
    clean = next((point.wer for point in points if not point.loss), None)
    heads = [f"{repair}, {_named(burst)}" for burst, repair in columns]
    lines = ["| lost | " + " | ".join(heads) + " |", "|---:|" + "---:|" * len(columns)]
    for loss in rows:
        cells = [found.get((loss, *column)) if loss else clean for column in columns]
        said = ["" if cell is None else f"{cell:.1f} %" for cell in cells]
        lines.append(f"| {loss:g} % | " + " | ".join(said) + " |")
    return "\n".join(lines)


def verdict(points: Sequence[Point]) -> list[str]:
    """Return what 5 % of loss costs more than it may, for what the server really does."""
    clean = next((point.wer for point in points if not point.loss), 0.0)
    return [
        f"{point.repair}, {_named(point.burst)}: 5 % of loss costs {point.wer - clean:.1f} points"
        for point in points
        if point.loss == 5 and point.repair in _REAL and point.wer - clean > _ALLOWED_POINTS
    ]


def _named(burst: float) -> str:
    return "one by one" if burst == 1 else f"{burst:g} in a row"


def main() -> int:
    """Measure; return 1 when 5 % of loss cost more than three points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--scene", default="radio-en")
    parser.add_argument("--language", default="en")
    parser.add_argument("--turns", type=int, default=0, help="of the scene; 0 = all")
    parser.add_argument("--loss", type=float, nargs="+", default=[0, 1, 2, 5, 10])
    parser.add_argument("--burst", type=float, nargs="+", default=[1.0, 3.0])
    parser.add_argument("--repair", choices=REPAIRS, nargs="+", default=list(REPAIRS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the result")
    arguments = parser.parse_args()
    pieces = _pieces(arguments.scene, arguments.language)
    pieces = pieces[: arguments.turns or len(pieces)]
    packets = to_packets(_samples(pieces).tobytes())
    reference = " ".join(text for _, text in pieces)
    points: list[Point] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GREFFIER_RECOGNITION__MODEL": arguments.model,
            "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        }
        with ChildServer(data_dir=Path(folder), settings=settings) as server:
            for loss, burst, repair in _grid(arguments):
                errors: list[WordErrors] = []
                gaps = lost_ms = 0
                for seed in range(arguments.seeds if loss else 1):
                    lost = lost_numbers(len(packets), rate=loss / 100, burst=burst, seed=seed)
                    arrival = over_network(packets, lost, repair=repair, seed=seed)
                    gaps += len(arrival.gaps)
                    lost_ms += sum(gap.to_ms - gap.from_ms for gap in arrival.gaps)
                    text = asyncio.run(_heard(server, arrival.pcm, arguments.language))
                    errors.append(count_errors(reference, text, language=arguments.language))
                both = total(errors)
                point = Point(repair, burst, loss, 100 * both.rate, both.words, gaps, lost_ms)
                points.append(point)
                print(point, flush=True)
    print(table(points))
    if arguments.write:
        result = {"options": vars(arguments), "points": [asdict(point) for point in points]}
        print(write_result(result_folder(), "packet_loss", result))
    failures = verdict(points)
    print("\n".join(failures) or "5 % of loss costs three points at most")
    return 1 if failures else 0


def _grid(arguments: argparse.Namespace) -> list[tuple[float, float, Repair]]:
    """Loss, burst and repair of every run; without a loss there is nothing to repair."""
    lossy = [
        (loss, burst, repair)
        for burst in arguments.burst
        for repair in arguments.repair
        for loss in arguments.loss
        if loss
    ]
    return [(0.0, 1.0, "bridged"), *lossy] if 0 in arguments.loss else lossy


if __name__ == "__main__":
    sys.exit(main())
