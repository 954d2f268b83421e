import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.backoff import Reconnection
from greffier.messages import Messages
from greffier.palette import Palette
from greffier.plain_view import PlainView
from greffier.protocol import (
    Caption,
    Error,
    Finished,
    Gap,
    Minutes,
    MinutesItem,
    Quality,
    ServerMessage,
    Translation,
    Withheld,
)
from greffier.render import LiveView, open_view
from tests.support.screen import Screen

pytestmark = pytest.mark.unit

EN = Messages("en")


def view_on(
    screen: Screen,
    *,
    languages: tuple[str, ...] = (),
    size: tuple[int, int] = (60, 24),
    colour: bool = True,
    say: Messages = EN,
) -> LiveView:
    palette = Palette(enabled=colour)
    return LiveView(screen, languages=languages, palette=palette, say=say, size=lambda: size)


def said(
    segment: int, committed: str, tail: str = "", *, closed: bool = False, start_ms: int = 7_000
) -> Caption:
    return Caption(
        1, segment, start_ms, start_ms + 900, committed, tail, (), "en", None, 1_500, closed
    )


def test_tail_and_commit_share_a_line_above_the_status() -> None:
    screen = Screen()
    view = view_on(screen)
    view.show(said(1, " Radio check", " on chanel"))
    assert screen.text == (
        "   0:07  Radio check on chanel\n"
        "\n"
        "   ● live  0:07  en                               lag 1.5 s"
    )
    view.show(said(1, " on channel", " four"))
    assert screen.text.splitlines()[0] == "   0:07  Radio check on channel four"


def test_the_tail_is_styled_and_the_commit_is_not() -> None:
    stream = io.StringIO()
    palette = Palette(enabled=True)
    view = LiveView(stream, languages=(), palette=palette, say=EN, size=lambda: (60, 24))
    view.show(said(1, " Radio check", " on"))
    assert "Radio check\x1b[2;3m on\x1b[0m" in stream.getvalue()


def test_without_colour_the_tail_is_marked_by_its_ellipsis() -> None:
    stream = io.StringIO()
    palette = Palette(enabled=False)
    view = LiveView(stream, languages=(), palette=palette, say=EN, size=lambda: (60, 24))
    view.show(said(1, " Radio check", " on"))
    assert "Radio check on…" in stream.getvalue()
    assert "\x1b[2" not in stream.getvalue().replace("\x1b[?25l", "").replace("\x1b[?2026", "")


def test_a_closed_segment_waits_for_its_translation() -> None:
    screen = Screen()
    view = view_on(screen, languages=("fr",))
    view.show(said(1, " Loud and clear.", closed=True))
    view.show(said(2, " We are", start_ms=9_000))
    view.show(Translation(2, 1, "fr", "", " Fort"))
    view.show(Translation(3, 1, "fr", " Fort et clair.", closed=True))
    assert screen.text.splitlines()[:3] == [
        "   0:07  Loud and clear.",
        "     fr  Fort et clair.",
        "   0:09  We are",
    ]
    assert view.transcript.segments[1].closed


def test_long_text_wraps_under_itself() -> None:
    screen = Screen()
    view = view_on(screen, size=(30, 24))
    view.show(said(1, " one two three four five six seven"))
    assert screen.text.splitlines()[:2] == [
        "   0:07  one two three four",
        "         five six seven",
    ]


def test_a_block_higher_than_the_terminal_lets_the_oldest_go_and_translates_it_later() -> None:
    screen = Screen()
    view = view_on(screen, languages=("fr",), size=(60, 6))
    for segment in range(1, 8):
        view.show(said(segment, f" Sentence {segment}.", closed=True, start_ms=segment * 1_000))
    view.show(Translation(9, 1, "fr", " Phrase 1.", closed=True))
    view.close()
    assert [line.split()[-2:] for line in screen.text.splitlines()].count(["Phrase", "1."]) == 1
    assert screen.text.count("[0:01] Phrase 1.") == 1
    assert all(screen.text.count(f"Sentence {segment}.") == 1 for segment in range(1, 8))


def test_only_what_changed_is_written() -> None:
    stream = io.StringIO()
    view = LiveView(
        stream, languages=(), palette=Palette(enabled=False), say=EN, size=lambda: (60, 24)
    )
    view.show(said(1, " Radio check", " a"))
    before = stream.getvalue()
    view.position(8_000)
    written = stream.getvalue()[len(before) :]
    assert "0:08" in written
    assert "Radio" not in written
    before = stream.getvalue()
    view.position(8_100)
    assert stream.getvalue() == before


def test_gaps_errors_and_doubts_stay_on_the_screen() -> None:
    screen = Screen()
    view = view_on(screen)
    view.show(Gap(1, 1_000, 3_000, "connection lost"))
    view.show(Withheld(2, 4_000, 5_000, "repetition"))
    view.show(Error("translation_failed", "no translator is loaded"))
    view.close()
    assert screen.text.splitlines() == [
        "         [0:01–0:03] (no audio: connection lost)",
        "         [0:04–0:05] (not printed: repetition)",
        "         Error: no translator is loaded",
    ]


def test_the_status_tells_load_and_lost_connections_in_french() -> None:
    screen = Screen()
    view = view_on(screen, say=Messages("fr"), size=(120, 24))
    view.show(said(1, " Un"))
    view.show(Quality(2, "finals-only"))
    view.reconnecting(Reconnection(2, 1.5))
    assert "phrases entières seulement" in screen.text
    assert "essai 2 dans 1,5 s" in screen.text
    assert "retard 1,5 s" in screen.text
    view.reconnecting(Reconnection(2, 0.0, resumed=True))
    assert "essai" not in screen.text


def test_minutes_follow_the_text_and_the_terminal_is_given_back() -> None:
    screen = Screen()
    view = view_on(screen, languages=("fr",))
    view.show(said(4, " Go at six.", closed=True))
    view.finishing()
    assert "finishing" in screen.text
    item = MinutesItem("Departure at six.", (4,), verified=True)
    view.show(Minutes(2, "en", "Net", decisions=(item,)))
    view.show(Finished(3, "finish"))
    view.close()
    view.close()
    assert screen.text.splitlines()[0] == "   0:07  Go at six."
    assert "  • Departure at six. [0:07]" in screen.text
    assert "finishing" not in screen.text
    assert screen.modes == {"25": True, "7": True, "2026": False}


def test_a_peer_cannot_steer_the_terminal() -> None:
    screen = Screen()
    view = view_on(screen)
    view.show(said(1, " a\x1b[2Jb\rc\nd\u202ee", closed=True))
    view.show(Error("x", "\x1b]0;title\x07"))
    view.close()
    assert screen.text.splitlines()[0] == "   0:07  a [2Jb c d e"


_WORDS = st.sampled_from([" alpha", " bravo", " 漢字", " naïve", " an-extraordinarily-long-word"])
_MESSAGES = st.one_of(
    st.builds(
        said, st.integers(1, 4), st.just("") | _WORDS, st.just("") | _WORDS, closed=st.booleans()
    ),
    st.builds(
        Translation,
        st.just(1),
        st.integers(1, 4),
        st.sampled_from(["fr", "de"]),
        st.just("") | _WORDS,
        st.just("") | _WORDS,
        st.booleans(),
    ),
    st.builds(Gap, st.just(1), st.just(0), st.just(10), st.just("lost")),
)


@given(st.lists(_MESSAGES, max_size=25), st.integers(20, 70), st.integers(3, 20))
def test_every_committed_word_is_on_the_screen_in_order(
    messages: list[ServerMessage], columns: int, rows: int
) -> None:
    # Closed segments take no more text: that is the protocol's promise.
    closed: set[tuple[str, object, object]] = set()
    screen = Screen()
    view = view_on(screen, languages=("fr",), size=(columns, rows))
    for message in messages:
        if isinstance(message, (Caption, Translation)):
            language = message.language if isinstance(message, Translation) else ""
            key = (type(message).__name__, message.segment, language)
            if key in closed:
                continue
            if message.closed:
                closed.add(key)
        view.show(message)
        assert "●" in screen.text.splitlines()[-1]
        assert screen.text.count("●") == 1
    view.close()
    letters = "".join(screen.text.split())
    for segment in view.transcript.segments.values():
        assert "".join(segment.text.split()) in letters
    assert "●" not in screen.text


def test_lines_when_there_is_no_terminal() -> None:
    stream = io.StringIO()
    view = open_view(stream, languages=("fr",), say=EN)
    assert isinstance(view, PlainView)
    view.show(said(1, " Loud", " and"))
    view.position(9_000)
    view.finishing()
    view.reconnecting(Reconnection(1, 1.0))
    assert stream.getvalue() == ""
    view.show(said(1, " and clear.", closed=True))
    view.show(said(1, "", closed=True))
    view.show(Translation(2, 1, "fr", " Fort et clair.", closed=True))
    view.show(Gap(3, 8_000, 9_000, "lost"))
    view.show(said(2, " cut off", " he", start_ms=9_000))
    view.show(Minutes(4, "fr", "", summary=(MinutesItem("Essai.", (1, 7)),)))
    view.show(Finished(5, "finish"))
    view.close()
    assert stream.getvalue() == (
        "[0:07] Loud and clear.\n"
        "[0:07] fr: Fort et clair.\n"
        "[0:08–0:09] (no audio: lost)\n"
        "\n"
        "Compte rendu\n" + "─" * 60 + "\n\n"
        "Résumé\n"
        "  • Essai. (non vérifié) [0:07] [#7]\n"
        "[0:09] cut off\n"
    )


def _by(speaker: str, message: Caption) -> Caption:
    return replace(message, speaker=speaker)


def test_what_was_seen_and_came_to_nothing_holds_up_nobody_else() -> None:
    screen = Screen()
    view = view_on(screen, size=(60, 8))
    view.show(_by("Claire", said(1, "", " uh", start_ms=500)))
    assert "Claire  uh" in screen.text
    view.show(_by("Claire", said(1, "", "", start_ms=500)))
    for segment in range(2, 12):
        text = f" Sentence {segment}."
        view.show(_by("Nour", said(segment, text, closed=True, start_ms=segment * 1_000)))
    view.close()
    assert [screen.text.count(f"Sentence {segment}.") for segment in range(2, 12)] == [1] * 10
    assert "Claire" not in screen.text


def test_a_long_turn_holds_no_closed_one_back_from_a_full_screen() -> None:
    screen = Screen()
    view = view_on(screen, size=(60, 6))
    view.show(_by("Claire", said(1, " And so on", start_ms=500)))
    for segment in range(2, 9):
        text = f" Sentence {segment}."
        view.show(_by("Nour", said(segment, text, closed=True, start_ms=segment * 1_000)))
    view.show(_by("Claire", said(1, " and on.", closed=True, start_ms=500)))
    view.close()
    assert [screen.text.count(f"Sentence {segment}.") for segment in range(2, 9)] == [1] * 7
    assert screen.text.count("And so on and on.") == 1


def test_a_loss_on_one_channel_says_whose() -> None:
    stream = io.StringIO()
    view = PlainView(stream, palette=Palette(enabled=False), say=EN)
    view.show(Gap(1, 0, 1_000, "engine_failed", "Nour"))
    view.show(Withheld(2, 0, 1_000, "loop", "Claire"))
    assert [("Nour: " in line, "Claire: " in line) for line in stream.getvalue().splitlines()] == [
        (True, False),
        (False, True),
    ]
