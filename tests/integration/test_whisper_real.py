"""Whisper and Silero themselves: word times, context, batches, silence, and a whole meeting."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jiwer
import numpy as np
import pytest
import pytest_asyncio
import soundfile
from tokenizers import Tokenizer
from whisper_normalizer.basic import BasicTextNormalizer

from greffier_models.errors import EngineError, WeightsCorrupt, WeightsMissing
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import SileroVad, load_silero
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions
from greffier_models.whisper.engine import WhisperEngine, load_whisper
from greffier_server.core.events import RecognitionFinished
from tests.support.recordings import recognise
from tests.support.scenes import Scene, Turn, load_scene
from tests.support.weights import whisper_base_path, whisper_tiny_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

MEETING_WER = 0.20
"""Words of the meeting that may be wrong, of all; a long offline pass has about 0.16."""


@pytest.fixture(scope="module")
def base() -> WhisperEngine:
    return load_whisper(whisper_base_path(), threads=2)


@pytest.fixture(scope="module")
def tiny() -> WhisperEngine:
    return load_whisper(whisper_tiny_path(), threads=2)


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return load_silero()


def _sound(scene: Scene) -> Pcm:
    samples, rate = soundfile.read(scene.audio, dtype="int16")
    assert rate == 16_000
    return np.asarray(samples, np.int16)


@pytest.fixture(scope="module")
def meeting() -> Pcm:
    return _sound(load_scene("meeting-fr"))


@pytest.fixture(scope="module")
def radio() -> Pcm:
    return _sound(load_scene("radio-en"))


def _window(pcm: Pcm, turn: Turn, *, at_ms: int | None = None) -> AudioWindow:
    start = turn.start_ms if at_ms is None else at_ms
    return AudioWindow(pcm[turn.start_ms * 16 : turn.end_ms * 16], start)


def _turns(name: str, count: int) -> list[Turn]:
    turns = load_scene(name).turns
    return [turn for turn in turns if 3_000 <= turn.end_ms - turn.start_ms <= 12_000][:count]


def _wer(said: str, heard: str) -> float:
    normal = BasicTextNormalizer()
    return jiwer.wer(normal(said), normal(heard))


def _decode(engine: WhisperEngine, window: AudioWindow, options: RecognitionOptions) -> Hypothesis:
    (answer,) = engine.decode([(window, options)])
    return answer


def test_words_have_plausible_times(base: WhisperEngine, meeting: Pcm) -> None:
    for turn in _turns("meeting-fr", 4):
        window = _window(meeting, turn, at_ms=turn.start_ms + 100_000)
        heard = _decode(base, window, RecognitionOptions(language="fr"))
        assert _wer(turn.text, heard.text) < 0.5
        words = heard.words
        assert all(word.text.strip() and word.start_ms <= word.end_ms for word in words)
        assert all(a.start_ms <= b.start_ms for a, b in itertools.pairwise(words))
        assert window.start_ms <= words[0].start_ms <= window.start_ms + 1_000
        assert window.end_ms - 3_000 <= words[-1].end_ms <= window.end_ms  # base may stop early
        assert max(word.end_ms - word.start_ms for word in words) < 3_000
        assert all(0.0 <= word.probability <= 1.0 for word in words)
        assert heard.text == "".join(word.text for word in words)


def test_a_forced_prefix_is_not_said_again(base: WhisperEngine, meeting: Pcm) -> None:
    (turn,) = _turns("meeting-fr", 1)
    window = _window(meeting, turn)
    plain = _decode(base, window, RecognitionOptions(language="fr"))
    half = len(plain.words) // 2
    prefix = "".join(word.text for word in plain.words[:half])
    rest = _decode(base, window, RecognitionOptions(language="fr", prefix=prefix))
    said = "".join(word.text for word in plain.words[half:])
    assert _wer(said, rest.text) < 0.35
    assert rest.words[0].start_ms >= plain.words[half - 1].start_ms
    everything = _decode(base, window, RecognitionOptions(language="fr", prefix=plain.text))
    assert len(everything.words) <= 2


def test_prompt_and_hotwords_leave_no_trace_of_themselves(
    base: WhisperEngine, meeting: Pcm
) -> None:
    (turn,) = _turns("meeting-fr", 1)
    options = RecognitionOptions(
        language="fr",
        prompt="Bonjour à tous. Nous commençons la réunion du comité.",
        hotwords=("Greffier", "Kokoro"),
    )
    heard = _decode(base, _window(meeting, turn), options)
    assert _wer(turn.text, heard.text) < 0.5
    assert "comité. " not in heard.text
    long = replace(options, prompt="un deux trois " * 300, hotwords=("Greffier",) * 200)
    assert isinstance(_decode(base, _window(meeting, turn), long), Hypothesis)


def test_a_batch_says_what_each_window_says_alone(
    base: WhisperEngine, meeting: Pcm, radio: Pcm
) -> None:
    french, other = _turns("meeting-fr", 2)
    (english,) = _turns("radio-en", 1)
    begin = _decode(base, _window(meeting, other), RecognitionOptions(language="fr")).words[:2]
    items = [
        (_window(meeting, french), RecognitionOptions(language="fr")),
        (_window(radio, english), RecognitionOptions(language="en")),
        (
            _window(meeting, other),
            RecognitionOptions(language="fr", prefix="".join(word.text for word in begin)),
        ),
        (_window(radio, english), RecognitionOptions()),
        (_window(meeting, french), RecognitionOptions(language="fr", prompt="Bonjour.")),
        (AudioWindow(np.zeros(16_000, np.int16)), RecognitionOptions(language="fr", max_tokens=3)),
    ]
    together = base.decode(items)
    alone = [_decode(base, window, options) for window, options in items]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert [answer.language for answer in together] == ["fr", "en", "fr", "en", "fr", "fr"]
    assert [[w.start_ms for w in answer.words] for answer in together] == [
        [w.start_ms for w in answer.words] for answer in alone
    ]


def test_windows_encoded_together_say_what_each_says_alone(meeting: Pcm) -> None:
    """The way of a GPU, on a processor: outputs come apart on the host."""
    engine = load_whisper(whisper_base_path(), threads=2, batch_encoder=True)
    turns = _turns("meeting-fr", 3)
    items = [
        (_window(meeting, turn), RecognitionOptions(language="fr", fill_ms=fill_ms))
        for turn, fill_ms in zip(turns, (15_000, 12_000, 15_000), strict=True)
    ]
    together = engine.decode(items)
    alone = [_decode(engine, window, options) for window, options in items]
    assert [answer.text for answer in together] == [answer.text for answer in alone]


def test_threads_do_not_disturb_each_other(meeting: Pcm, radio: Pcm) -> None:
    engine = load_whisper(whisper_base_path(), workers=2, threads=1)
    assert engine.workers == 2
    (french,), (english,) = _turns("meeting-fr", 1), _turns("radio-en", 1)
    items = [
        (_window(meeting, french), RecognitionOptions(language="fr")),
        (_window(radio, english), RecognitionOptions()),
    ]
    alone = [_decode(engine, window, options) for window, options in items]
    scores = engine.identify(items[0][0], ("fr", "en"))
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(engine.decode, [[items[i % 2]] for i in range(8)]))
        again = list(threads.map(engine.identify, [items[0][0]] * 4, [("fr", "en")] * 4))
    assert [answer.words for (answer,) in answers] == [alone[i % 2].words for i in range(8)]
    assert all(other == pytest.approx(scores, abs=1e-5) for other in again)


def _tokens(text: str) -> list[int]:
    tokenizer = Tokenizer.from_file(str(whisper_base_path() / "tokenizer.json"))
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def test_fast_speech_is_not_cut_short(base: WhisperEngine, meeting: Pcm) -> None:
    """The limit counts new tokens, whatever was forced before them."""
    turns = _turns("meeting-fr", 2)
    first = _window(meeting, turns[0])
    heard = _decode(base, first, RecognitionOptions(language="fr"))
    tokens = len(_tokens(heard.text))
    limited = _decode(base, first, RecognitionOptions(language="fr", max_tokens=tokens + 1))
    assert limited.text == heard.text
    assert not limited.truncated
    short = _decode(base, first, RecognitionOptions(language="fr", max_tokens=5))
    assert short.truncated
    assert len(_tokens(short.text)) == 5
    prefix = "".join(word.text for word in heard.words[:4])
    left = RecognitionOptions(language="fr", prefix=prefix, max_tokens=tokens + 1)
    assert _decode(base, first, left).text.split()[-1] == heard.text.split()[-1]


def test_languages_are_told_apart(base: WhisperEngine, meeting: Pcm, radio: Pcm) -> None:
    (french,), (english,) = _turns("meeting-fr", 1), _turns("radio-en", 1)
    for window, code in ((_window(meeting, french), "fr"), (_window(radio, english), "en")):
        for candidates in ((), ("en", "fr")):
            scores = base.identify(window, candidates)
            assert max(scores, key=scores.__getitem__) == code
            assert sum(scores.values()) == pytest.approx(1.0, abs=0.01)


def test_a_model_of_one_language(tiny: WhisperEngine, radio: Pcm) -> None:
    assert tiny.languages == {"en"}
    (turn,) = _turns("radio-en", 1)
    heard = _decode(tiny, _window(radio, turn), RecognitionOptions())
    assert heard.language == "en"
    assert _wer(turn.text, heard.text) < 0.6
    assert tiny.identify(_window(radio, turn)) == {"en": 1.0}


def test_what_cannot_be_decoded(base: WhisperEngine) -> None:
    with pytest.raises(EngineError):
        _decode(base, AudioWindow(np.zeros(16 * 30_001, np.int16)), RecognitionOptions())
    for samples in (0, 1, 16, 160, 1_599):
        heard = _decode(
            base, AudioWindow(np.zeros(samples, np.int16)), RecognitionOptions(language="fr")
        )
        assert heard.language == "fr"
    with pytest.raises(EngineError):
        _decode(base, AudioWindow(np.zeros(1_600, np.int16)), RecognitionOptions(language="xx"))


def test_weights_that_are_not_there(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with pytest.raises(WeightsMissing):
        load_whisper(folder)
    (folder / "model.bin").write_bytes(b"not a model")
    with pytest.raises(WeightsCorrupt):
        load_whisper(folder)


def test_silero_finds_speech_whatever_the_pieces(vad: SileroVad, meeting: Pcm) -> None:
    part = meeting[: 16_000 * 20]
    whole = vad.open().push(part)
    assert len(whole) == len(part) // 512
    stream, pieces = vad.open(), list[float]()
    for at in range(0, len(part), 777):
        pieces += stream.push(part[at : at + 777])
    assert pieces == pytest.approx(whole, abs=0.02)
    first = load_scene("meeting-fr").turns[0]
    inside = whole[first.start_ms // 32 + 3 : min(first.end_ms, 20_000) // 32 - 3]
    assert sum(p > 0.5 for p in inside) > 0.7 * len(inside)
    assert max(vad.open().push(np.zeros(16_000 * 3, np.int16))) < 0.3


@pytest_asyncio.fixture
async def runtime(base: WhisperEngine) -> AsyncIterator[RecognitionRuntime]:
    async with RecognitionRuntime(base) as running:
        yield running


def _nothing() -> Iterator[tuple[str, Pcm]]:
    noise = np.random.default_rng(7)
    yield "silence", np.zeros(16_000 * 20, np.int16)
    yield "hiss", noise.normal(0, 300, 16_000 * 20).astype(np.int16)
    yield "loud hiss", noise.normal(0, 4_000, 16_000 * 20).astype(np.int16)
    hum = np.sin(np.arange(16_000 * 20) * 2 * np.pi * 50 / 16_000) * 6_000
    yield "hum", hum.astype(np.int16)
    clicks = np.zeros(16_000 * 20, np.int16)
    clicks[::8_000] = 20_000
    yield "clicks", clicks


@pytest.mark.parametrize(("name", "pcm"), [pytest.param(n, p, id=n) for n, p in _nothing()])
@pytest.mark.parametrize("language", ["fr", None])
async def test_nothing_is_written_where_nothing_is_said(
    runtime: RecognitionRuntime, vad: SileroVad, name: str, pcm: Pcm, language: str | None
) -> None:
    del name
    result = await recognise([pcm], recognizer=runtime, vad=vad, language=language)
    assert result.texts == []
    assert isinstance(result.events[-1], RecognitionFinished)


async def test_a_whole_meeting(runtime: RecognitionRuntime, vad: SileroVad, meeting: Pcm) -> None:
    """Fed as fast as it is taken; `WatchedPolicy` checks windows, order and times meanwhile."""
    chunks = [meeting[at : at + 3_200] for at in range(0, len(meeting), 3_200)]
    result = await asyncio.wait_for(
        recognise(chunks, recognizer=runtime, vad=vad, language="fr"), 600
    )
    scene = load_scene("meeting-fr")
    wer = _wer(scene.text, "".join(result.texts))
    assert wer <= MEETING_WER, f"{wer:.3f}"
    assert result.words[-1].end_ms <= scene.duration_ms
    segments = result.state.segments.values()
    assert all(segment.closed and segment.text for segment in segments)
    assert max(segment.end_ms - segment.start_ms for segment in segments) <= 25_000
