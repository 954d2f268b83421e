"""A few examples at everything strangers can reach; ``python -m benchmarks.fuzz`` throws more."""

from collections.abc import Iterator

import pytest

from tests.support.fuzz_house import FuzzHouse, Harm, fuzz_house
from tests.support.fuzz_openapi import openapi_targets
from tests.support.fuzz_targets import TARGETS, throw

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SERVED = {name: target for name, target in TARGETS.items() if target.served}
ALONE = {name: target for name, target in TARGETS.items() if not target.served}
SEED = 20_261_122


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzHouse]:
    with fuzz_house(tmp_path_factory.mktemp("fuzz")) as served:
        yield served


def test_nothing_thrown_at_the_server_does_harm(house: FuzzHouse) -> None:
    """Nor to the session that is spoken beside all of it."""
    before = house.sessions_beside
    with house.beside():
        for number, target in enumerate(SERVED.values(), start=SEED):
            throw(house, target, examples=2, number=number)
    assert house.sessions_beside > before


def test_every_operation_of_the_openapi_document_answers_what_it_says(house: FuzzHouse) -> None:
    targets = openapi_targets(house)
    assert len(targets) > 50
    with house.beside():
        for number, target in enumerate(targets.values(), start=SEED):
            throw(house, target, examples=2, number=number)


@pytest.mark.parametrize("name", ALONE)
def test_decoders_keep_their_word(house: FuzzHouse, name: str) -> None:
    throw(house, ALONE[name], examples=30, number=SEED)


def test_harm_is_seen(house: FuzzHouse) -> None:
    """A fault in the log is found, and each only once."""
    with house.server.log.open("a", encoding="utf-8") as log:
        log.write('{"event": "connection failed", "level": "error"}\n')
    with pytest.raises(Harm, match="connection failed"):
        house.check()
    house.check()
