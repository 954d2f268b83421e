import json
from collections.abc import Sequence
from typing import Literal

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.encoded import read_speech
from greffier_models.errors import (
    EngineError,
    EngineUnavailable,
    PromptTooLong,
    UnsupportedLanguage,
)
from greffier_models.fakes import (
    FakeGenerator,
    FakeRecognizer,
    FakeVad,
    RecognitionDials,
    TextDials,
    encode_speech,
    pseudo_translation,
    spoken,
)
from greffier_models.protocols import (
    BatchRecognizer,
    TextGenerator,
    VoiceActivityDetector,
)
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    ChatMessage,
    GenerationOptions,
    Hypothesis,
    Pcm,
    Prompt,
    RecognitionOptions,
    TextPiece,
    Word,
)

pytestmark = pytest.mark.unit

PLAIN = RecognitionOptions()


@st.composite
def speeches(draw: st.DrawFn) -> tuple[Word, ...]:
    now_ms = 0
    words: list[Word] = []
    for text in draw(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))):
        now_ms += draw(st.integers(0, 300))
        length_ms = draw(st.integers(1 + len(text.encode()) // 10, 600))
        words.append(Word(text, now_ms, now_ms + length_ms, 0.9))
        now_ms += length_ms
    return tuple(words)


def window_of(pcm: Pcm, start_ms: int, end_ms: int) -> AudioWindow:
    return AudioWindow(pcm[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS], start_ms)


def decode(
    window: AudioWindow,
    options: RecognitionOptions = PLAIN,
    dials: RecognitionDials | None = None,
) -> Hypothesis:
    return FakeRecognizer(dials).decode([(window, options)])[0]


@given(speeches(), st.data())
def test_any_window_reads_back_the_words_that_are_whole_in_it(
    words: tuple[Word, ...], draw: st.DataObject
):
    pcm = encode_speech(words, duration_ms=100)
    end_ms = len(pcm) // SAMPLES_PER_MS
    start = draw.draw(st.integers(0, end_ms))
    end = draw.draw(st.integers(start, end_ms))
    whole = [word for word in words if start <= word.start_ms and word.end_ms <= end]
    cut = {
        (max(word.start_ms, start), min(word.end_ms, end))
        for word in words
        if word.start_ms < end and word.end_ms > start and word not in whole
    }
    heard = decode(window_of(pcm, start, end)).words
    assert [word for word in heard if word.probability == 0.9] == whole
    rest = [word for word in heard if word.probability != 0.9]
    assert {(word.start_ms, word.end_ms) for word in rest} <= cut
    assert decode(
        window_of(pcm, start, end), dials=RecognitionDials(cut_words="dropped")
    ).words == (tuple(whole))


@given(speeches(), st.lists(st.integers(0, 20_000)))
def test_the_code_survives_any_cutting_and_joining(words: tuple[Word, ...], cuts: list[int]):
    pcm = encode_speech(words)
    pieces = np.split(pcm, sorted(cut for cut in cuts if cut <= len(pcm)))
    joined = np.frombuffer(b"".join(piece.tobytes() for piece in pieces), np.int16)
    assert decode(AudioWindow(joined)).words == words


@given(st.binary(max_size=4000))
def test_other_audio_has_no_words(noise: bytes):
    pcm = np.frombuffer(noise[: len(noise) // 2 * 2], np.int16)
    assert read_speech(pcm) == []


def test_a_cut_word_is_garbled_at_the_side_of_the_cut():
    (word,) = spoken("abcdef", word_ms=60)
    pcm = encode_speech([word])
    assert decode(window_of(pcm, 0, 30)).text == " abc…"
    assert decode(window_of(pcm, 30, 60)).text == " def…"
    assert decode(window_of(pcm, 20, 40)).text == " cd…"
    assert decode(window_of(pcm, 0, 59)).text == " abcdef…", "never the word itself"


def test_a_word_with_a_hole_in_it_is_not_whole():
    (word,) = spoken("abcdef", word_ms=60)
    pcm = encode_speech([word])
    pcm[20 * SAMPLES_PER_MS : 25 * SAMPLES_PER_MS] = 0
    assert not read_speech(pcm)[0].whole


def test_the_tail_wavers_with_the_content_and_only_there():
    pcm = encode_speech(spoken("one two three four", word_ms=100, gap_ms=0))
    dials = RecognitionDials(unstable_ms=150, instability=1.0)
    assert decode(window_of(pcm, 0, 400), dials=dials).text == " one two three~ four~"
    sometimes = RecognitionDials(unstable_ms=150, instability=0.5)
    texts = [decode(window_of(pcm, 0, end), dials=sometimes).text for end in range(400, 400 + 1)]
    assert texts == [decode(window_of(pcm, 0, 400), dials=sometimes).text]
    heard = {
        decode(AudioWindow(np.append(pcm, np.zeros(16 * extra, np.int16))), dials=sometimes).text
        for extra in range(20)
    }
    assert len(heard) > 1, "another content, another draw"


@pytest.mark.parametrize(
    "words",
    [
        (Word(" a", 0, 20, 1.0), Word(" b", 19, 30, 1.0)),
        (Word("", 0, 20, 1.0),),
        (Word("twelve bytes", 0, 1, 1.0),),
        (Word("a", 10, 10, 1.0),),
        (Word("a", 0, 30_001, 1.0),),
    ],
)
def test_speech_that_cannot_be_encoded_is_refused(words: tuple[Word, ...]):
    with pytest.raises(ValueError, match=r"overlaps|does not fit"):
        encode_speech(words)


def test_the_options_of_a_decode_count():
    window = AudioWindow(encode_speech(spoken("one two three")))
    assert decode(window, RecognitionOptions(prefix=" one two")).text == " three"
    assert decode(window, RecognitionOptions(prefix=" one two three")).text == ""
    assert decode(window, RecognitionOptions(prefix=" one two three four")).text == ""
    short = decode(window, RecognitionOptions(max_tokens=2))
    assert (short.text, short.truncated) == (" one two", True)
    assert decode(window, RecognitionOptions(language="fr")).language == "fr"
    assert decode(window, dials=RecognitionDials(language="uk")).language == "uk"
    silent = decode(AudioWindow(np.zeros(160, np.int16)))
    assert (silent.words, silent.no_speech_probability) == ((), 1.0)
    with pytest.raises(UnsupportedLanguage):
        decode(window, RecognitionOptions(language="xx"))


@pytest.mark.parametrize("cut", ["garbled", "dropped"])
def test_a_piece_before_the_forced_words_is_none_of_them(cut: Literal["garbled", "dropped"]):
    """A policy's window begins a little before the first of them: inside of another, maybe."""
    pcm = encode_speech(spoken("zero one two three", gap_ms=0))
    window = AudioWindow(pcm[200 * SAMPLES_PER_MS :], start_ms=200)
    options = RecognitionOptions(prefix=" one two")
    assert decode(window, options, dials=RecognitionDials(cut_words=cut)).text == " three"


def test_the_first_forced_word_may_itself_be_cut():
    pcm = encode_speech(spoken("one two three", gap_ms=0))
    window = AudioWindow(pcm[100 * SAMPLES_PER_MS :], start_ms=100)
    assert decode(window, RecognitionOptions(prefix=" one two")).text == " three"


async def test_the_async_recogniser_takes_its_time_and_fails_on_time():
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    dials = RecognitionDials(delay_s=0.3, fail_every=2)
    recognizer = FakeRecognizer(dials, sleep=sleep)
    window = AudioWindow(encode_speech(spoken("one")))
    assert (await recognizer.transcribe(window, PLAIN, deadline_ms=5)).text == " one"
    with pytest.raises(EngineError):
        await recognizer.transcribe(window, PLAIN)
    assert waits == [0.3, 0.3]


def test_voice_activity_is_that_of_the_words():
    words = spoken("one two", start_ms=320, word_ms=320, gap_ms=320)
    pcm = encode_speech(words, duration_ms=1600)
    stream = FakeVad().open()
    shares = [*stream.push(pcm[:777]), *stream.push(pcm[777:])]
    assert shares == [0.0] * 10 + [1.0] * 10 + [0.0] * 10 + [1.0] * 10 + [0.0] * 10


def ask(*contents: str) -> Prompt:
    return Prompt(tuple(ChatMessage("user", content) for content in contents))


async def text_of(
    generator: FakeGenerator, prompt: Prompt, options: GenerationOptions | None = None
) -> tuple[str, Sequence[TextPiece]]:
    async with generator.generate(prompt, options or GenerationOptions()) as stream:
        pieces = [piece async for piece in stream]
    return "".join(piece.text for piece in pieces), pieces


async def test_a_pseudo_translation_of_the_last_line():
    generator = FakeGenerator()
    text, pieces = await text_of(generator, ask("Translate.", "The text:\nhello dear world"))
    assert text == pseudo_translation("hello dear world") == "olleh raed dlrow"
    assert (pieces[-1].finish, pieces[-1].prompt_tokens, pieces[-1].generated_tokens) == (
        "stop",
        6,
        3,
    )
    assert [prompt.messages[0].content for prompt, _ in generator.prompts] == ["Translate."]


async def test_json_where_a_schema_is_given():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    options = GenerationOptions(schema=schema)
    text, _ = await text_of(FakeGenerator(), ask("minutes of this"), options)
    jsonschema.validate(json.loads(text), schema)
    loose = FakeGenerator(dials=TextDials(constrained=False))
    assert (await text_of(loose, ask("minutes of this"), options))[0] == "setunim fo siht"
    garbage = FakeGenerator(dials=TextDials(garbage=True))
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads((await text_of(garbage, ask("minutes"), options))[0])


async def test_limits_of_an_answer():
    generator = FakeGenerator(lambda prompt, options: "a b c d")
    text, pieces = await text_of(generator, ask("x"), GenerationOptions(max_tokens=2))
    assert (text, pieces[-1].finish) == ("a b", "length")
    assert (await text_of(generator, ask("x"), GenerationOptions(stop=(" c",))))[0] == "a b"
    small = FakeGenerator(dials=TextDials(context_tokens=100))
    with pytest.raises(PromptTooLong):
        await text_of(small, ask("x"), GenerationOptions(max_tokens=100))


async def test_slow_failing_and_closed_generators():
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    dials = TextDials(delay_s=1, piece_delay_s=0.1, fail_every=2)
    generator = FakeGenerator(dials=dials, sleep=sleep)
    await text_of(generator, ask("one two"))
    assert waits == [1, 0.1, 0.1]
    with pytest.raises(EngineError):
        await text_of(generator, ask("one two"))
    await generator.close()
    with pytest.raises(EngineUnavailable):
        await text_of(generator, ask("one two"))


def test_the_fakes_keep_to_the_ports():
    recognizer = FakeRecognizer()
    batch: BatchRecognizer = recognizer
    vad: VoiceActivityDetector = FakeVad()
    generator: TextGenerator = FakeGenerator()
    assert str(batch.identity) == str(recognizer.identity)
    assert vad.frame_ms == 32
    assert not generator.capabilities.local
