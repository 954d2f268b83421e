from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.toys import toy_whisper_turbo

pytestmark = pytest.mark.integration

SOT, EOT, FRENCH, TRANSCRIBE, NO_TIMESTAMPS = 50258, 50257, 50265, 50360, 50364


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_whisper_turbo(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((1, 128, 800)).astype(np.float32)


def test_it_has_the_shape_of_large_v3_turbo(folder: Path):
    whisper: Any = import_module("faster_whisper")
    tokenizers: Any = import_module("faster_whisper.tokenizer")

    model = whisper.WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)
    assert (model.model.n_mels, model.model.num_languages) == (128, 100)
    assert model.model.is_multilingual
    assert model.feature_extractor.mel_filters.shape[0] == 128
    tokenizer = tokenizers.Tokenizer(
        model.hf_tokenizer, multilingual=True, task="transcribe", language="fr"
    )
    assert tokenizer.sot_sequence == [SOT, FRENCH, TRANSCRIBE]
    assert tokenizer.no_timestamps == NO_TIMESTAMPS
    assert tokenizer.timestamp_begin + 1500 == 51865
    assert model.hf_tokenizer.token_to_id("<|yue|>") == 50358


def test_it_decodes_under_its_ids_and_aligns(folder: Path, features: NDArray[np.float32]):
    ctranslate2: Any = import_module("ctranslate2")

    model = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    view = ctranslate2.StorageView.from_array(features)
    encoded = model.encode(view)
    assert encoded.shape == [1, 400, 64]
    prompt = [SOT, FRENCH, TRANSCRIBE, NO_TIMESTAMPS]
    (result,) = model.generate(encoded, [prompt], beam_size=1, max_length=len(prompt) + 8)
    tokens = result.sequences_ids[0]
    assert tokens
    assert all(token < EOT for token in tokens), "text only, after <|notimestamps|>"
    (aligned,) = model.align(encoded, prompt[:3], [tokens], [400])
    assert len(aligned.text_token_probs) == len(tokens)
    assert {text for text, _ in aligned.alignments} == set(range(len(tokens) + 1)), "and the end"
    language, probability = model.detect_language(view)[0][0]
    assert language.startswith("<|")
    assert 0 < probability <= 1


def test_features_of_80_bins_are_refused(folder: Path):
    ctranslate2: Any = import_module("ctranslate2")

    model = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    features = ctranslate2.StorageView.from_array(np.zeros((1, 80, 800), np.float32))
    with pytest.raises(ValueError, match="128"):
        model.encode(features)


def test_faster_whisper_transcribes_with_it(folder: Path):
    whisper: Any = import_module("faster_whisper")

    model = whisper.WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    noise = (np.random.default_rng(0).standard_normal(32_000) * 0.1).astype(np.float32)
    segments, info = model.transcribe(
        noise, language="yue", max_new_tokens=8, temperature=0.0, word_timestamps=True
    )
    assert info.language == "yue"
    assert list(segments)
