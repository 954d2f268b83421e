"""Who is let in."""

import pytest

from greffier_server.core.admission import Occupancy, Room, refusal

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("now", "admitted"),
    [
        (Occupancy(speaking=0, live=0), True),
        (Occupancy(speaking=3, live=3), True),
        (Occupancy(speaking=4, live=4), False),
        (Occupancy(speaking=3, live=15), True),  # minutes are being written
        (Occupancy(speaking=3, live=16), False),
        (Occupancy(speaking=1, live=1, lowest=1), True),  # it may send a file
        (Occupancy(speaking=3, live=3, lowest=1), True),
        (Occupancy(speaking=3, live=3, lowest=2), False),
        (Occupancy(speaking=2, live=2, lowest=2), False),
    ],
)
def test_admission(now: Occupancy, admitted: bool) -> None:
    reason = refusal(Room(4), now)
    assert (reason is None) == admitted
    if reason is not None:
        assert "try again" in reason
