"""The search index on both databases, and where texts are encrypted."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from greffier_server.core.passages import Passage
from greffier_server.core.search import parse_query
from greffier_server.errors import SessionNotFound
from greffier_server.storage.keys import KeyRing, MasterKey
from greffier_server.storage.search import Scope
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.texts import EncryptedTexts
from tests.support.postgres import new_database, postgres_server
from tests.support.sessions import row

pytestmark = pytest.mark.integration

_TEXTS = [
    "L'Économie de la Forêt, œuvre de l’été",
    "日本語の会議",
    "Привет, мир 12e5 3.5",
    "हिन्दी में",
    "a' | b & !c:* <-> 'd' OR NEAR(e)",
]
_QUERIES = {
    "economie foret": [1],
    "OEUVRE": [1],
    '"de la forêt"': [1],
    '"forêt de"': [],
    "会議": [2],
    "мир": [3],
    "12E5": [3],
    "हिन्दी": [4],
    "or near": [5],
    "econom*": [1],
    "nul": [],
}


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql", "encrypted"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[tuple[SqlStore, str], None]:
    url, texts = f"sqlite:///{tmp_path}/x.db", None
    if request.param == "postgresql":
        url = await new_database(request.getfixturevalue("postgres"))
    if request.param == "encrypted":
        texts = EncryptedTexts(KeyRing(tmp_path / "keys", MasterKey(b"k" * 32)))
    opened = await SqlStore.open(url, texts=texts)
    yield opened, request.param
    await opened.close()


def _passages(*texts: str) -> list[Passage]:
    return [Passage("speech", n, "fr", text) for n, text in enumerate(texts, start=1)]


async def test_the_same_is_found_everywhere(store: tuple[SqlStore, str], tmp_path: Path) -> None:
    opened, kind = store
    index = opened.search()
    await opened.create(row("s1"))
    await opened.create(row("s1", tenant="other"))
    await index.put("dgfip", "s1", _passages(*_TEXTS))
    await index.put("other", "s1", _passages("forêt économie"))

    async def segments(query: str, tenant: str = "dgfip") -> list[int]:
        found = await index.find(tenant, parse_query(query), Scope())
        assert all(one.row.tenant == tenant for one in found)
        return [one.passage.segment for one in found]

    for query, expected in _QUERIES.items():
        blind = kind == "encrypted" and query.endswith("*")
        assert await segments(query) == ([] if blind else expected), query
    # Written anew: what changed is found as it is now, what is gone is not.
    await index.replace("dgfip", "s1", _passages("Une clairière", *_TEXTS[1:3]))
    assert (await segments("foret"), await segments("clairiere")) == ([], [1])
    assert await segments("near") == []
    assert await segments("foret", "other") == [1]
    await opened.delete("dgfip", "s1")
    assert (await segments("мир"), await segments("foret", "other")) == ([], [1])
    with pytest.raises(SessionNotFound):
        await index.put("dgfip", "s1", _passages("x"))
    if kind == "encrypted":
        raw = b"".join(_read(path) for path in _files(tmp_path))
        assert b"conomie" not in raw
        assert b"foret" not in raw


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("x.db*"))


def _read(path: Path) -> bytes:
    return path.read_bytes()
