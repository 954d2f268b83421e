"""Frames and values: what goes in comes out, and nonsense is told from it."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.errors import (
    EngineDied,
    EngineError,
    EngineOutOfMemory,
    RequestPoisoned,
    UnsupportedLanguage,
    WeightsMissing,
)
from greffier_models.isolation.frames import BrokenFrame, FrameReader, read_frame, write_frame
from greffier_models.isolation.recipe import Recipe, whisper_recipe
from greffier_models.isolation.values import (
    error_of,
    header_of_error,
    hypotheses_of,
    identity_of,
    options_of,
    plain_hypothesis,
    plain_identity,
    plain_options,
    samples_of,
    scores_of,
    windows_of,
)
from greffier_models.types import (
    AudioWindow,
    EngineIdentity,
    Hypothesis,
    RecognitionOptions,
    Word,
)

pytestmark = pytest.mark.unit


def through_file(path: Path, *frames: tuple[dict[str, object], list[memoryview]]) -> bytes:
    with path.open("wb") as file:
        for header, body in frames:
            write_frame(file.fileno(), header, body)
    return path.read_bytes()


def test_frames_go_through_a_file(tmp_path: Path) -> None:
    audio = np.arange(-500, 500, dtype=np.int16)
    sent = through_file(
        tmp_path / "pipe",
        ({"text": "ça \u2028 😀"}, [audio.data, audio[:0].data, audio.data]),
        ({"n": 1}, []),
    )
    assert sent == (tmp_path / "pipe").read_bytes()
    with (tmp_path / "pipe").open("rb") as stream:
        first = read_frame(stream)
        assert first is not None
        assert first[0] == {"text": "ça \u2028 😀"}
        assert bytes(first[1]) == audio.tobytes() * 2
        assert read_frame(stream) == ({"n": 1}, b"")
        assert read_frame(stream) is None


@given(st.integers(1, 40), st.lists(st.dictionaries(st.text(), st.integers()), max_size=5))
def test_headers_come_whole_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, size: int, headers: list[dict[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("frames") / "pipe"
    sent = through_file(
        path, *[(dict[str, object](header), list[memoryview]()) for header in headers]
    )
    reader, got = FrameReader(), list[object]()
    for at in range(0, len(sent), size):
        got += reader.push(sent[at : at + size])
    assert got == headers


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 8,
        struct.pack("<II", 2, 5) + b"{}12345",
        struct.pack("<II", 4, 0) + b"{\xff}}",
        struct.pack("<II", 2, 0) + b"[]",
    ],
    ids=["lengths", "body", "no JSON", "no object"],
)
def test_nonsense_is_no_frame(nonsense: bytes) -> None:
    with pytest.raises(BrokenFrame):
        list(FrameReader().push(nonsense))


def test_a_stream_that_breaks_off_ends(tmp_path: Path) -> None:
    sent = through_file(tmp_path / "pipe", ({"a": 1}, [memoryview(b"0123456789")]))
    for length in range(len(sent)):
        (tmp_path / "pipe").write_bytes(sent[:length])
        with (tmp_path / "pipe").open("rb") as stream:
            assert read_frame(stream) is None


def test_a_closed_pipe_is_an_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with pytest.raises(OSError, match="Broken pipe"):
            write_frame(writing, {})
    finally:
        os.close(writing)


def test_windows_are_cut_again_where_they_met() -> None:
    windows = [
        AudioWindow(np.array([1, -2, 3], np.int16), 5),
        AudioWindow(np.arange(10, dtype=np.int16)[::2], 7),
    ]
    body = bytearray(b"".join(bytes(samples_of(window)) for window in windows))
    placed = [(window.start_ms, len(window.pcm)) for window in windows]
    got = windows_of(placed, body)
    assert [window.start_ms for window in got] == [5, 7]
    assert [window.pcm.tolist() for window in got] == [[1, -2, 3], [0, 2, 4, 6, 8]]
    with pytest.raises(BrokenFrame):
        windows_of(placed[:1], body)


def test_options_hypotheses_and_identities_are_the_same_afterwards() -> None:
    options = RecognitionOptions(
        language="fr", prompt="a", prefix="b", hotwords=("c", "d"), beam_size=3, max_tokens=9
    )
    assert options_of(plain_options(options)) == options
    assert options_of(plain_options(RecognitionOptions())) == RecognitionOptions()
    hypothesis = Hypothesis(
        (Word(" a", 1, 2, 0.1 + 0.2), Word(" b", 3, 4, 1e-17, heard="c")), "fr", 0.5, 0.25, -0.1
    )
    silent = Hypothesis((), "en", truncated=True)
    plain = [plain_hypothesis(hypothesis), plain_hypothesis(silent)]
    assert hypotheses_of(plain, 2) == [hypothesis, silent]
    identity = EngineIdentity("whisper-ct2/4", "base", "abc", "int8,cpu")
    assert identity_of(plain_identity(identity)) == identity
    assert scores_of({"fr": 0.5, "en": 1}) == {"fr": 0.5, "en": 1.0}


@pytest.mark.parametrize(
    "answer", [None, [], {}, [{}], [1], [{"words": [[1]], "language": "fr"}], ["x", "y"]]
)
def test_answers_that_mean_nothing_are_told(answer: object) -> None:
    with pytest.raises(BrokenFrame):
        hypotheses_of(answer, 1)


@pytest.mark.parametrize("answer", [None, [], "x", {"fr": "y"}, {"fr": None}])
def test_scores_that_mean_nothing_are_told(answer: object) -> None:
    with pytest.raises(BrokenFrame):
        scores_of(answer)


@pytest.mark.parametrize("plain", [None, {"engine": "x"}, {"no": "field"}, 3])
def test_identities_that_mean_nothing_are_told(plain: object) -> None:
    with pytest.raises(BrokenFrame):
        identity_of(plain)


@pytest.mark.parametrize(
    "error",
    [
        EngineError("a"),
        EngineOutOfMemory("b"),
        UnsupportedLanguage("c"),
        WeightsMissing("d"),
        RequestPoisoned("e"),
        EngineDied("f"),
    ],
)
def test_errors_keep_their_kind(error: EngineError) -> None:
    got = error_of(header_of_error(error))
    assert (type(got), got.message, got.code) == (type(error), error.message, error.code)


@pytest.mark.parametrize(
    "plain", [None, {}, {"type": "ClassVar", "message": "m"}, {"type": "OSError"}, {"type": 3}]
)
def test_unknown_errors_are_engine_errors(plain: object) -> None:
    assert type(error_of(plain)) is EngineError


def test_recipes_name_what_is_called() -> None:
    made = Recipe("greffier_models.isolation.recipe:make_fake").make()
    assert made.identity.engine == "fake"
    for factory in ("greffier_models.none:make", "greffier_models.fakes:none"):
        with pytest.raises(EngineError):
            Recipe(factory).make()
    with pytest.raises(WeightsMissing):
        whisper_recipe(Path("/nowhere/whisper-none"), name="none").make()
