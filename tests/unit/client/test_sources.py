import asyncio
import io
import os
import sys
import wave
from pathlib import Path

import pytest

from greffier import sources
from greffier.errors import ExtraMissing, FileUnreadable, SourceFailed
from greffier.protocol import AudioFormat
from greffier.sources import FileSource, MicrophoneSource, StreamSource, open_recording, paced

pytestmark = pytest.mark.unit


def write_wav(
    path: Path, pcm: bytes, *, width: int = 2, rate: int = 8_000, channels: int = 1
) -> None:
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(width)
        file.setframerate(rate)
        file.setnchannels(channels)
        file.writeframes(pcm)


async def test_wav_is_read_in_chunks_of_a_tenth_of_a_second(tmp_path: Path) -> None:
    pcm = bytes(range(250)) * 16
    write_wav(tmp_path / "a.wav", pcm, channels=2)
    source = await asyncio.to_thread(open_recording, tmp_path / "a.wav")
    chunks = [chunk async for chunk in source.chunks()]
    assert b"".join(chunks) == pcm
    assert [len(chunk) for chunk in chunks] == [3200, 800]
    assert source.format == AudioFormat("pcm_s16le", 8_000, 2)
    assert source.duration_ms == 125


@pytest.mark.parametrize(
    ("width", "pcm", "expected"),
    [
        (1, b"\x80\x00\xff", [0, -32768, 32512]),
        (3, b"\x99\x01\x00\x99\xff\xff\x00\x00\x80", [1, -1, -32768]),
        (4, b"\x99\x99\x01\x00\x00\x00\xff\x7f", [1, 32767]),
    ],
)
async def test_other_sample_widths_become_16_bit(
    tmp_path: Path, width: int, pcm: bytes, expected: list[int]
) -> None:
    write_wav(tmp_path / "a.wav", pcm, width=width)
    source = await asyncio.to_thread(open_recording, tmp_path / "a.wav")
    read = b"".join([chunk async for chunk in source.chunks()])
    values = [
        int.from_bytes(read[i : i + 2], "little", signed=True) for i in range(0, len(read), 2)
    ]
    assert values == expected


async def test_a_wav_cut_short_gives_its_whole_frames(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", b"aabbccdd")
    os.truncate(tmp_path / "a.wav", (tmp_path / "a.wav").stat().st_size - 3)
    source = await asyncio.to_thread(open_recording, tmp_path / "a.wav")
    read = b"".join([chunk async for chunk in source.chunks()])
    assert read == b"aabb"


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"nothing to hear" * 100)
    with pytest.raises(FileUnreadable):
        open_recording(tmp_path / "a.mp3")
    with pytest.raises(FileUnreadable, match="No such file"):
        open_recording(tmp_path / "b.wav")


def test_without_the_decoder_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp3").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "greffier.decoding", None)
    with pytest.raises(ExtraMissing, match=r'pip install "greffier\[server\]"'):
        open_recording(tmp_path / "a.mp3")


async def test_other_files_are_decoded_to_16_khz_mono(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=48_000, layout="stereo")
        frame = av.AudioFrame(format="s16", layout="stereo", samples=4_800)
        frame.sample_rate = 48_000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    source = await asyncio.to_thread(open_recording, path)
    read = b"".join([c async for c in source.chunks()])
    assert source.format == AudioFormat("pcm_s16le", 16_000, 1)
    assert source.duration_ms == 100
    assert len(read) == pytest.approx(3_200, abs=200)


async def test_without_a_microphone_driver_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "greffier.microphone", None)
    with pytest.raises(ExtraMissing, match="microphone"):
        await anext(MicrophoneSource().chunks())


async def test_a_pipe_gives_whole_frames_only() -> None:
    source = StreamSource(io.BytesIO(b"aabbc"), AudioFormat())
    assert [chunk async for chunk in source.chunks()] == [b"aabb"]


async def test_a_broken_pipe_is_a_failed_source() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise OSError

    with pytest.raises(SourceFailed):
        await anext(StreamSource(Broken(), AudioFormat()).chunks())


async def test_the_pace_does_not_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        nonlocal now
        slept.append(delay_s)
        now += delay_s + 0.03  # a loop that is always late

    monkeypatch.setattr(sources.asyncio, "sleep", sleep)
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    source = FileSource(lambda: iter([bytes(3_200)] * 10), format=AudioFormat(), duration_ms=1_000)
    async for _ in paced(source, 1.0):
        pass
    assert slept[0] == pytest.approx(0.1)
    assert slept[1:] == pytest.approx([0.07] * 9)
    assert now == pytest.approx(101.03)


async def test_without_a_pace_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sources.asyncio, "sleep")
    source = FileSource(lambda: iter([bytes(3_200)] * 3), format=AudioFormat(), duration_ms=None)
    assert len([chunk async for chunk in paced(source, None)]) == 3


@pytest.mark.parametrize("channels", [2, 6])
async def test_separate_channels_stay_apart_in_any_format(tmp_path: Path, channels: int) -> None:
    np, soundfile = pytest.importorskip("numpy"), pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    sound = np.zeros((16_000, channels), dtype="int16")
    sound[:, channels - 1] = 1_000
    soundfile.write(path, sound, 16_000)
    source = await asyncio.to_thread(open_recording, path, separate=True)
    read = b"".join([chunk async for chunk in source.chunks()])
    assert source.format == AudioFormat("pcm_s16le", 16_000, channels)
    assert np.array_equal(np.frombuffer(read, dtype="<i2").reshape(-1, channels), sound)


def test_more_channels_than_can_be_kept_apart_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.wav"
    with wave.open(str(path), "wb") as file:
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.setnchannels(9)
        file.writeframes(bytes(18 * 1_600))
    pytest.importorskip("av")
    with pytest.raises(FileUnreadable, match="9 channels; at most 8"):
        open_recording(path, separate=True)
