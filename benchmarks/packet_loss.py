"""Word error rate of speech that comes as Opus packets, of which a network loses some.

``python -m benchmarks.packet_loss --model whisper-base --loss 0 1 2 5 10 20`` encodes the turns of
a scene as a browser does (Opus, 20 ms, 32 kbit/s), leaves out packets at random (a seed makes them
the same at every run), puts the rest through what WHIP puts them through, and speaks the result
into a real server. Every lost packet must be inside a gap, and nothing else may be.

Loss is decided before anything is sent, so the figures do not depend on the machine or its clock.
``--burst 3`` loses three packets in a row on average, at the same rate of loss.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

import greffier
from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import RATE, read_pcm
from benchmarks.results import result_folder, write_result
from greffier.exchange import exchange
from greffier.protocol import AudioFormat, Caption
from greffier_server.child import ChildServer
from greffier_server.core.events import GapFound
from greffier_server.media.codecs import OPUS_RATE, opus_decoder
from greffier_server.media.resampling import Resampler
from greffier_server.media.rtp import RtpPacket
from greffier_server.media.tracks import Track, Tracks

__all__ = ["Arrival", "lost_numbers", "main", "over_network", "to_packets"]

_FRAME: Final = OPUS_RATE // 50
_STEP_BYTES: Final = 2 * OPUS_RATE // 5


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is left of a recording behind the network."""

    pcm: bytes
    """48 kHz, mono, s16."""
    gaps: tuple[GapFound, ...]


def to_packets(pcm: bytes, *, bit_rate: int = 32_000) -> list[bytes]:
    """Return Opus packets of 20 ms from 16 kHz mono s16, as a browser's encoder makes them."""
    import av

    floats = np.frombuffer(pcm, "<i2").astype(np.float32)[:, np.newaxis] / np.float32(2**15)
    resampler = Resampler(RATE, OPUS_RATE, channels=1)
    studio = np.concatenate([resampler.feed(floats), resampler.flush()])
    samples = np.clip(np.rint(studio * 32_767), -32_768, 32_767).astype(np.int16)
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.format, codec.layout = OPUS_RATE, "s16", "mono"
    codec.bit_rate, codec.options = bit_rate, {"application": "voip"}
    codec.time_base = Fraction(1, OPUS_RATE)
    packets: list[bytes] = []
    for at in range(0, len(samples) - _FRAME + 1, _FRAME):
        frame = av.AudioFrame.from_ndarray(
            samples[at : at + _FRAME].reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = OPUS_RATE, at, Fraction(1, OPUS_RATE)
        packets += [bytes(packet) for packet in cast("list[Any]", codec.encode(frame))]
    return packets


def lost_numbers(count: int, *, rate: float, burst: float, seed: int) -> frozenset[int]:
    """Return which packets are lost: never the first or the last (Gilbert's model, 1960).

    Args:
        count: of packets.
        rate: share that is lost in the long run, 0 to 1.
        burst: lost in a row on average, at least 1.
        seed: makes it the same again.
    """
    chance = random.Random(seed)  # not secret
    losing, lost = False, set[int]()
    begin = rate / burst / max(1 - rate, 1e-9)
    for number in range(1, count - 1):
        losing = chance.random() >= 1 / burst if losing else chance.random() < begin
        if losing:
            lost.add(number)
    return frozenset(lost)


def over_network(packets: Sequence[bytes], lost: frozenset[int]) -> Arrival:
    """Put what is not lost through the way of WebRTC's packets.

    Raises:
        AssertionError: a loss is not told as a gap, or a gap is told where nothing was lost.
    """
    tracks = Tracks(
        [Track(channels=1, decode=opus_decoder(channels=1))], rate=OPUS_RATE, separate=False
    )
    for number, payload in enumerate(packets):
        if number not in lost:
            at = number * _FRAME
            tracks.put(0, RtpPacket(number & 0xFFFF, at, 1, 111, payload), at / OPUS_RATE)
    tracks.flush()
    parts: list[bytes] = []
    while part := tracks.take():
        parts.append(part)
    gaps = tuple(tracks.gaps())
    told = {ms // 20 for gap in gaps for ms in range(gap.from_ms, gap.to_ms, 20)}
    assert told == set(lost), "a loss without a gap, or a gap without a loss"
    return Arrival(b"".join(parts), gaps)


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


def main() -> int:
    """Measure; return 1 when 5 % of loss cost more than three points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--scene", default="radio-en")
    parser.add_argument("--language", default="en")
    parser.add_argument("--turns", type=int, default=0, help="of the scene; 0 = all")
    parser.add_argument("--loss", type=float, nargs="+", default=[0, 1, 2, 5, 10, 20])
    parser.add_argument("--burst", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="keep the result")
    arguments = parser.parse_args()
    pieces = _pieces(arguments.scene, arguments.language)
    pieces = pieces[: arguments.turns or len(pieces)]
    packets = to_packets(_samples(pieces).tobytes())
    reference = " ".join(text for _, text in pieces)
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "GREFFIER_RECOGNITION__MODEL": arguments.model,
            "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        }
        with ChildServer(data_dir=Path(folder), settings=settings) as server:
            for loss in arguments.loss:
                errors: list[WordErrors] = []
                gaps = 0
                for seed in range(arguments.seeds if loss else 1):
                    lost = lost_numbers(
                        len(packets), rate=loss / 100, burst=arguments.burst, seed=seed
                    )
                    arrival = over_network(packets, lost)
                    gaps += len(arrival.gaps)
                    text = asyncio.run(_heard(server, arrival.pcm, arguments.language))
                    errors.append(count_errors(reference, text, language=arguments.language))
                rates[f"{loss:g}"] = 100 * total(errors).rate
                print(f"{loss:5g} % lost  WER {rates[f'{loss:g}']:6.2f} %  {gaps} gaps", flush=True)
    if arguments.write:
        figures = {f"wer_at_{loss}_percent": rate for loss, rate in rates.items()}
        result = {"options": vars(arguments), "figures": figures}
        print(write_result(result_folder(), "packet_loss", result))
    rise = rates.get("5", 0.0) - rates.get("0", 0.0)
    print(f"5 % of loss costs {rise:.2f} points")
    return 1 if rise > 3 else 0


if __name__ == "__main__":
    sys.exit(main())
