"""Whisper itself with a glossary: names of the scenes that the base model does not know."""

from collections.abc import Sequence

import numpy as np
import pytest
import soundfile

from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_models.whisper.engine import WhisperEngine, load_whisper
from tests.support.scenes import SCENES_DIR
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

OTHERS = ("Annonay", "Largentière", "Quimper", "Kowalski", "Takahashi", "Le Goff", "SAMU", "Vasco")


@pytest.fixture(scope="module")
def base() -> WhisperEngine:
    return load_whisper(whisper_base_path(), threads=1)


def _hear(
    engine: WhisperEngine,
    scene: str,
    seconds: tuple[int, int],
    hotwords: Sequence[str],
    **more: str,
) -> Hypothesis:
    samples, _ = soundfile.read(SCENES_DIR / f"{scene}.flac", dtype="int16")
    pcm = np.asarray(samples, np.int16)[seconds[0] * 16_000 : seconds[1] * 16_000]
    options = RecognitionOptions(
        language="fr", hotwords=tuple(hotwords), prefix=more.get("prefix", "")
    )
    (heard,) = engine.decode([(AudioWindow(pcm, seconds[0] * 1000), options)])
    return heard


def test_names_of_the_net_are_written_as_the_glossary_does(base: WhisperEngine):
    plain = _hear(base, "radio-fr", (0, 9), ())
    assert "CODIS" not in plain.text
    heard = _hear(base, "radio-fr", (0, 9), ("CODIS", "Privas", *OTHERS))
    assert "CODIS ici" in heard.text, "the word behind the name is not eaten"
    # The net's other name is said twice, and heard as a word that sounds like none of them.
    replaced = [word.text.strip(" .,") for word in heard.words if word.heard]
    assert replaced.count("CODIS") == 2
    assert set(replaced) <= {"CODIS", "Privas"}
    times = [(word.start_ms, word.end_ms) for word in heard.words]
    assert times == sorted(times)


def test_a_name_of_two_words_is_one_word_with_times(base: WhisperEngine):
    heard = _hear(base, "meeting-fr", (70, 84), ("salle Voltaire", "salle Descartes", *OTHERS))
    (room,) = [word for word in heard.words if word.heard]
    assert room.text == " salle Descartes"
    assert 70_000 <= room.start_ms < room.end_ms <= 74_000


def test_names_that_are_not_said_change_nothing(base: WhisperEngine):
    plain = _hear(base, "meeting-fr", (0, 12), ())
    assert _hear(base, "meeting-fr", (0, 12), OTHERS) == plain


def test_a_corrected_name_holds_as_the_prefix_of_the_next_decode(base: WhisperEngine):
    terms = ("salle Descartes", *OTHERS)
    heard = _hear(base, "meeting-fr", (70, 84), terms)
    place = next(i for i, word in enumerate(heard.words) if word.heard)
    prefix = "".join(word.text for word in heard.words[: place + 1])
    after = _hear(base, "meeting-fr", (70, 84), terms, prefix=prefix)
    assert after.text.startswith(heard.words[place + 1].text), "it goes on where the prefix ends"
