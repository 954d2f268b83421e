"""A recording through the pipeline at speed, over the fakes."""

from collections.abc import Sequence

import pytest

from benchmarks.replay import replay
from greffier_models.encoded import encode_speech, spoken
from greffier_models.fakes import FakeRecognizer, FakeVad
from greffier_models.types import Pcm
from greffier_server.core.speech import SpeechSettings

pytestmark = pytest.mark.unit

SAID = "le conseil a voté le budget de la commune hier soir à dix voix contre trois"
PCM = encode_speech(spoken(SAID, start_ms=400), duration_ms=20_000)


async def test_every_word_is_heard_once() -> None:
    replayed = await replay(PCM, engine=FakeRecognizer(), vad=FakeVad(), language="fr")
    assert replayed.text == SAID
    assert replayed.decodes > 1
    assert replayed.identifications == 0
    assert replayed.tail_words >= 1


async def test_silence_costs_no_decode() -> None:
    silence = PCM[7_000 * 16 :] * 0
    replayed = await replay(silence, engine=FakeRecognizer(), vad=FakeVad())
    assert (replayed.text, replayed.decodes, replayed.identifications) == ("", 0, 0)


async def test_the_language_is_asked_for_where_it_is_not_given() -> None:
    replayed = await replay(PCM, engine=FakeRecognizer(), vad=FakeVad())
    assert replayed.identifications >= 1
    assert replayed.text == SAID


async def test_what_voice_activity_does_not_see_is_not_decoded() -> None:
    class Faint:
        frame_ms = 32

        def open(self) -> "Faint":
            return self

        def __init__(self) -> None:
            self._stream = FakeVad().open()

        def push(self, pcm: Pcm) -> Sequence[float]:
            return [0.22 * share for share in self._stream.push(pcm)]

    wide = await replay(PCM, engine=FakeRecognizer(), vad=Faint(), language="fr")
    radio = SpeechSettings(on=0.2, off=0.1)
    heard = await replay(PCM, engine=FakeRecognizer(), vad=Faint(), language="fr", speech=radio)
    assert (wide.text, wide.decodes) == ("", 0)
    assert heard.text == SAID
