"""Audio on its way to recognition: decoded, resampled without loss, handed on in order."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import AudioFormat
from greffier_models.types import Pcm
from greffier_server.pipeline.feed import AudioFeed, ChannelDecoder, ChannelFeeds, FrameDecoder
from tests.support.virtual_time import run

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_resampled_pieces_are_the_whole_and_keep_its_length(rate: int) -> None:
    seconds = 3
    tone = np.sin(np.arange(rate * seconds) * 2 * np.pi * 440 / rate) * 8_000
    audio = tone.astype("<i2").tobytes()
    form = AudioFormat(rate=rate)
    whole_decoder, decoder = FrameDecoder(form), FrameDecoder(form)
    whole = np.concatenate([whole_decoder.decode(audio), whole_decoder.decode(b"", last=True)])
    pieces = [decoder.decode(audio[at : at + 1_234]) for at in range(0, len(audio), 1_234)]
    parts = np.concatenate([*pieces, decoder.decode(b"", last=True)])
    assert abs(len(whole) - 16_000 * seconds) <= 2
    assert len(parts) == len(whole)
    assert np.abs(parts.astype(np.int32) - whole).max() <= 2
    spectrum = np.abs(np.fft.rfft(whole.astype(np.float64)))
    assert abs(int(spectrum.argmax()) * 16_000 / len(whole) - 440) < 1


def test_what_is_16_khz_already_is_not_touched() -> None:
    every = np.arange(-32_768, 32_768, dtype="<i2")
    decoder = FrameDecoder(AudioFormat())
    assert np.array_equal(decoder.decode(every.tobytes()), every)
    assert len(decoder.decode(b"", last=True)) == 0


@given(
    sizes=st.lists(st.integers(0, 40_000), max_size=10),
    limit_ms=st.integers(1, 3_000),
    start_ms=st.integers(0, 1_000),
)
def test_what_goes_in_comes_out_in_order(sizes: list[int], limit_ms: int, start_ms: int) -> None:
    async def scene() -> None:
        feed = AudioFeed(start_ms)
        everything = np.arange(sum(sizes), dtype=np.int64).astype(np.int16)
        at = 0
        for size in sizes:
            feed.put(everything[at : at + size])
            at += size
        assert feed.received_ms == start_ms + at // 16
        feed.end()
        taken: list[Pcm] = []
        while (block := await feed.take(limit_ms=limit_ms)) is not None:
            assert 0 < len(block) <= limit_ms * 16
            taken.append(block)
        assert np.array_equal(np.concatenate([np.zeros(0, np.int16), *taken]), everything)
        assert await feed.take(limit_ms=limit_ms) is None

    run(scene())


async def test_a_reader_waits_for_audio_and_for_the_end() -> None:
    feed = AudioFeed()
    reading = asyncio.create_task(feed.take(limit_ms=100))
    await asyncio.sleep(0)
    assert not reading.done()
    feed.put(np.zeros(0, np.int16))
    await asyncio.sleep(0)
    assert not reading.done()
    feed.put(np.ones(5, np.int16))
    block = await reading
    assert block is not None
    assert len(block) == 5
    last = asyncio.create_task(feed.take(limit_ms=100))
    await asyncio.sleep(0)
    feed.end()
    assert await last is None


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_separate_channels_are_what_each_is_by_itself(rate: int) -> None:
    sound = np.random.default_rng(1).integers(-9_000, 9_000, (rate, 3)).astype("<i2")
    together = ChannelDecoder(AudioFormat(rate=rate, channels=3), separate=True)
    pieces = [
        together.decode(sound[at : at + 1_000].tobytes(), last=at + 1_000 >= rate)
        for at in range(0, rate, 1_000)
    ]
    for channel in range(3):
        alone = FrameDecoder(AudioFormat(rate=rate))
        parts = [
            alone.decode(sound[at : at + 1_000, channel].tobytes(), last=at + 1_000 >= rate)
            for at in range(0, rate, 1_000)
        ]
        heard = np.concatenate([piece[channel] for piece in pieces])
        assert np.array_equal(heard, np.concatenate(parts))


@given(
    begins_ms=st.lists(st.integers(0, 500), min_size=1, max_size=4),
    sizes=st.lists(st.integers(0, 9_000), max_size=8),
)
def test_a_channel_that_begins_later_is_given_nothing_earlier(
    begins_ms: list[int], sizes: list[int]
) -> None:
    async def scene() -> None:
        start_ms = min(begins_ms)
        feeds = [AudioFeed(begin_ms) for begin_ms in begins_ms]
        together = ChannelFeeds(feeds, start_ms=start_ms)
        samples = np.arange(sum(sizes), dtype=np.int64).astype(np.int16)
        at = 0
        for size in sizes:
            together.put([samples[at : at + size]] * len(feeds))
            at += size
            assert together.received_ms == start_ms + at // 16
        together.end()
        for begin_ms, feed in zip(begins_ms, feeds, strict=True):
            expected = samples[(begin_ms - start_ms) * 16 :]
            assert feed.received_ms == begin_ms + len(expected) // 16
            taken = [np.zeros(0, np.int16)]
            while (block := await feed.take(limit_ms=1_000)) is not None:
                taken.append(block)
            assert np.array_equal(np.concatenate(taken), expected)

    run(scene())
