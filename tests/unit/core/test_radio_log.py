import pytest

from greffier_server.core.coverage import coverage
from greffier_server.core.figures import holds_figure
from greffier_server.core.radio_log import radio_log
from tests.support.meetings import Said, spoken, started
from tests.support.minuted import meeting, state_of
from tests.support.scenes import load_scene

pytestmark = pytest.mark.unit


def log_of(said: list[Said] | str) -> list[tuple[str, str, str]]:
    lines = radio_log(state_of(started(), *spoken(said)))
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    return [(line.sender, line.receiver, line.message) for line in lines]


@pytest.mark.parametrize("scene", ["radio-fr", "radio-en"])
def test_the_stations_of_a_scene_are_found(scene: str) -> None:
    turns = load_scene(scene).turns
    lines = log_of(scene)
    assert len(lines) == len(turns)
    assert [sender for sender, _, _ in lines] == [turn.speaker for turn in turns]
    assert all(receiver for _, receiver, _ in lines)


def test_the_same_without_knowing_the_speakers() -> None:
    turns = load_scene("radio-fr").turns
    said: list[Said] = [(None, turn.language, turn.text) for turn in turns]
    lines = log_of(said)
    known = [(sender, turn.speaker) for (sender, _, _), turn in zip(lines, turns, strict=True)]
    assert all(sender in ("", speaker) for sender, speaker in known)
    assert sum(sender == speaker for sender, speaker in known) >= 8


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Alpha, ici Bravo, parlez.", ("Bravo", "Alpha", "Parlez.")),
        (
            "PC autorité de la part de Mobile 2 : départ 14 h 12, terminé.",
            ("Mobile 2", "PC autorité", "Départ 14 h 12."),
        ),
        (
            "Il fait beau ici, vraiment très beau.",
            ("", "", "Il fait beau ici, vraiment très beau."),
        ),
        ("=HYPERLINK, ici", ("", "", "=HYPERLINK, ici.")),
    ],
)
def test_forms_of_calls(text: str, line: tuple[str, str, str]) -> None:
    assert log_of([(None, "fr", text)]) == [line]


def test_nothing_said_is_no_log() -> None:
    assert log_of([]) == []


def test_coverage_counts_what_is_cited_and_names_the_rest() -> None:
    state = meeting()
    assert state.minutes is not None
    found = coverage(state.minutes, state)
    cited = {
        c
        for s in (
            state.minutes.decisions,
            state.minutes.actions,
            state.minutes.figures,
            state.minutes.questions,
        )
        for i in s
        for c in i.cites
    }
    told = {key for passage in found.uncited for key in passage.segments}
    assert not cited & told
    assert cited | told <= set(state.segments)
    assert 0 < found.share < 100
    assert all(a.to_ms <= b.from_ms for a, b in zip(found.uncited, found.uncited[1:], strict=False))
    greeting = next(s.id for s in state.segments.values() if s.text.startswith("Bonjour Claire"))
    assert greeting not in told


def test_the_number_of_a_call_sign_is_no_figure() -> None:
    assert not holds_figure("Zulu Control, this is Bravo Two, message, over.", "en")
    assert holds_figure("Bravo Two, winds at eight knots.", "en")
    assert not holds_figure("CODIS, ici Bravo deux, parlez.", "fr")
    assert holds_figure("Alerte Bravo : douze blessés.", "fr")
