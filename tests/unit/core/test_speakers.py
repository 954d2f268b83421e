import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_server.core.speakers import Piece, Speakers, SpeakerSettings

pytestmark = pytest.mark.unit

SIZE = 32
PIECE_MS = 750


class Voices:
    """Vectors around a centre for each voice, `spread` apart from it."""

    def __init__(self, count: int, *, spread: float = 0.7, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        basis = np.linalg.qr(self._random.standard_normal((SIZE, SIZE)))[0]
        self._centres = basis[:count]
        self._spread = spread

    def say(self, voice: int) -> NDArray[np.float32]:
        noise = self._random.standard_normal(SIZE) / np.sqrt(SIZE)
        vector = self._centres[voice] + self._spread * noise
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def listen(
    voices: Voices, turns: list[tuple[int, int]], settings: SpeakerSettings | None = None
) -> tuple[Speakers, list[Piece], list[int]]:
    """Speech of the turns (voice, pieces); what was found, and the true voice of each piece."""
    speakers = Speakers(settings)
    truth = [voice for voice, count in turns for _ in range(count)]
    for index, voice in enumerate(truth):
        speakers.add(index * PIECE_MS, (index + 1) * PIECE_MS, voices.say(voice))
    speakers.settle()
    return speakers, list(speakers.pieces), truth


def test_each_voice_has_one_label_in_order_of_appearance() -> None:
    speakers, pieces, truth = listen(Voices(3), [(0, 8), (1, 6), (0, 5), (2, 7), (1, 4)])
    assert speakers.labels == ("1", "2", "3")
    assert [piece.label for piece in pieces] == [str(voice + 1) for voice in truth]


def test_no_voice_has_a_label_before_it_has_spoken_for_a_while() -> None:
    voices = Voices(1)
    speakers = Speakers(SpeakerSettings(least_speech_ms=2_000))
    shown: list[str | None] = []
    for index in range(4):
        speakers.add(index * PIECE_MS, (index + 1) * PIECE_MS, voices.say(0))
        shown.append([*speakers.pieces][-1].label)
    assert shown == [None, None, "1", "1"]
    assert {piece.label for piece in speakers.pieces} == {"1"}
    assert [piece.first_label for piece in speakers.pieces] == shown


def test_who_comes_back_keeps_the_label() -> None:
    _, pieces, _ = listen(Voices(2), [(0, 10), (1, 40), (0, 3)])
    assert {piece.label for piece in pieces[-3:]} == {"1"}


def test_a_strange_sound_gets_no_label() -> None:
    _, pieces, truth = listen(Voices(3), [(0, 10), (2, 1), (1, 10)])
    assert truth[10] == 2
    assert pieces[10].label is None


def test_two_clusters_that_turn_out_to_be_one_voice_are_joined() -> None:
    centre, other = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
    centre[0] = other[1] = 1.0
    middle = (centre + other) / np.float32(np.sqrt(2.0))
    speakers = Speakers()
    at = 0

    def say(vector: NDArray[np.float32], count: int) -> bool:
        nonlocal at
        changes: list[bool] = []
        for _ in range(count):
            changes.append(speakers.add(at, at + PIECE_MS, vector))
            at += PIECE_MS
        return any(changes)

    say(centre, 6)
    say(other, 6)
    assert speakers.labels == ("1", "2")
    say(middle, 20)
    speakers.settle()
    say(middle, 20)
    speakers.settle()
    assert len(speakers.labels) < 3
    assert {piece.label for piece in speakers.pieces} <= {"1", "2"}


def test_the_same_speech_gives_the_same_labels() -> None:
    turns = [(0, 9), (1, 7), (2, 5), (0, 6), (3, 8), (1, 9)]
    once = listen(Voices(4, spread=1.0), turns)[1]
    again = listen(Voices(4, spread=1.0), turns)[1]
    assert once == again


def test_what_is_kept_is_bounded_and_labels_hold() -> None:
    settings = SpeakerSettings(groups=40, revised_ms=60 * PIECE_MS)
    turns = [(voice % 3, 20) for voice in range(18)]
    speakers, pieces, truth = listen(Voices(3), turns, settings)
    assert len(pieces) <= 61
    assert speakers.labels == ("1", "2", "3")
    assert [piece.label for piece in pieces] == [str(v + 1) for v in truth[-len(pieces) :]]


def test_nothing_said_is_nobody() -> None:
    speakers = Speakers()
    assert not speakers.settle()
    assert speakers.labels == ()
    assert [*speakers.pieces] == []
