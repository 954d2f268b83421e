"""What a stream repeats after a break is known; what only looks like it is kept."""

import pytest

from greffier_server.ingest.repeats import Repeats

pytestmark = pytest.mark.unit


def kept(*connections: str) -> list[str]:
    repeats = Repeats()
    found: list[str] = []
    for packets in connections:
        repeats.begin()
        found.append("".join(each for each in packets if not repeats.heard(each.encode())))
    return found


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        (("abcdef", "defgh"), ["abcdef", "gh"]),
        (("abcdef", "xdefgh"), ["abcdef", "xgh"]),  # the first may be torn
        (("abcdef", "uvwxdef"), ["abcdef", "uvwxdef"]),  # another programme, a word of the old
        (("abcdef", "defghdef"), ["abcdef", "ghdef"]),  # once only
        (("abcabd", "abdx"), ["abcabd", "x"]),  # of two places the one that goes on
        (("abc", "def"), ["abc", "def"]),
        (("sss", "sssssx"), ["sss", "ssx"]),  # silence is left out once at most
        (("abcdef", "def", "efg"), ["abcdef", "", "g"]),
        (("", "abc"), ["", "abc"]),
    ],
)
def test_a_run_of_before_is_left_out(connections: tuple[str, ...], expected: list[str]) -> None:
    assert kept(*connections) == expected
