"""Kills, stops and cuts at random instants of live sessions: nothing is lost, doubled or changed.

The same code runs for as long as one likes as ``python -m benchmarks.crash``.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from benchmarks.crashes.passages import ENGLISH, passages
from benchmarks.crashes.rehearing import Rehearsal
from benchmarks.crashes.rounds import Campaign, Harm
from benchmarks.crashes.slow_model import slow_model, slow_model_settings
from benchmarks.crashes.tolerance import compare
from greffier_server.child import ChildServer
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROUNDS: Sequence[Sequence[Harm]] = (
    ("kill", "cut", "kill"),
    ("freeze", "kill", "stop"),
)
MARGIN = 0.15
"""Of words, beyond what undisturbed runs differ by; far from what the long run is held to, since
six sessions say little."""


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    with slow_model(answer_s=0.3) as model_url:
        settings = {
            **slow_model_settings(model_url),
            "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
            "GREFFIER_LIMITS__GRACE_S": "30",
            "GREFFIER_LIMITS__MAX_SESSIONS": "16",
        }
        with ChildServer(data_dir=tmp_path, settings=settings) as server:
            yield Campaign(
                server,
                passages(ENGLISH[:2]),
                Random(20_261_122),
                pace=4.0,
                translate_to="fr",
                rehearsal=Rehearsal(
                    data_dir=tmp_path, models_dir=None, model=str(whisper_tiny_path())
                ),
            )


def test_nothing_is_lost_doubled_or_changed(campaign: Campaign) -> None:
    async def run() -> None:
        await campaign.listen()
        for harms in ROUNDS:
            await campaign.round(harms)
            campaign.rehearsal = None  # one round of replays is enough here

    asyncio.run(run())
    tally = campaign.tally
    assert tally.clean, tally
    assert tally.sessions == len(ROUNDS) * campaign.streams
    assert tally.kills >= 2
    assert tally.cuts >= 1
    assert tally.resumes >= 4
    assert tally.commits > 0
    assert tally.translations > 0
    assert tally.minutes == tally.sessions
    assert (tally.replays, tally.replays_different) == (campaign.streams, 0), tally
    assert tally.replayed_events > 0
    compared = compare(list(campaign.readings.values()), margin=MARGIN)
    assert compared is not None
    assert compared.excess <= MARGIN, compared
