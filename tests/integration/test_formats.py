"""Every raw format at the ends of its rates and channels: each channel is kept, as it sounded."""

import shutil
import subprocess

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_server.core.audio import decode_frames
from tests.support.served import receive, served

pytestmark = pytest.mark.integration

SECONDS = 0.1
FFMPEG = {"mulaw": "mulaw", "alaw": "alaw"}
ENCODINGS = (
    "mulaw",
    "alaw",
    *(f"pcm_{k}{o}" for k in ("s16", "s24", "s32", "f32") for o in ("le", "be")),
)


def tones(rate: int, channels: int) -> NDArray[np.float32]:
    """A tone of its own for each channel; rows are frames."""
    at = np.arange(round(SECONDS * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * np.outer(at, 200 * (1 + np.arange(channels))))).astype("<f4")


def packed(sound: NDArray[np.float32], encoding: str, rate: int) -> bytes:
    """Encode with FFmpeg, whose formats are not of our making."""
    ffmpeg = shutil.which("ffmpeg")
    assert ffmpeg, "this test needs apt-get install ffmpeg"
    form = FFMPEG.get(encoding, encoding[4:])
    shape = ("-ar", str(rate), "-ac", str(sound.shape[1]))
    done = subprocess.run(
        [ffmpeg, "-loglevel", "error", "-f", "f32le", *shape, "-i", "-", "-f", form, "-"],
        input=sound.tobytes(),
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_each_channel_is_kept_at_either_end_of_the_rates(encoding: str) -> None:
    tolerance = 0.03 if encoding in FFMPEG else 2**-14
    async with served() as server:
        for rate, channels in ((8_000, 1), (8_000, 8), (192_000, 1), (192_000, 8)):
            sound = tones(rate, channels)
            form = {"encoding": encoding, "rate": rate, "channels": channels}
            async with server.speaking(format=form, channels="separate") as (client, started):
                await client.send(packed(sound, encoding, rate))
                await receive(client, "ack")
                session = server.desk.sessions[started["session"]]
                raw = np.frombuffer(bytes(session.audio), np.uint8)
            assert session.format.channels == channels
            by_channel = raw.reshape(len(sound), channels, -1)
            alone = AudioFormat(session.format.encoding, rate, 1)
            for channel in range(channels):
                kept = decode_frames(by_channel[:, channel].tobytes(), alone)
                assert np.allclose(kept, sound[:, channel], atol=tolerance)
