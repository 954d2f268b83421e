"""A tenant's glossary over a real socket, from the command line, and in the sessions it opens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from greffier.cli import build
from greffier.protocol import GlossaryTerm
from greffier_server.errors import StorageFailed
from greffier_server.settings import Settings
from greffier_server.storage.glossaries import Glossaries, MemoryGlossaries
from greffier_server.storage.keys import KeyRing, MasterKey
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.texts import EncryptedTexts
from tests.support import served as serving
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

FIRE = {"term": "feu", "language": "fr", "translations": {"en": "fire"}}
HEADERS = {"Authorization": "Bearer secret-secret-one"}
TOKENS = {"one": "secret-secret-one", "two": "secret-secret-two"}


@asynccontextmanager
async def site(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[tuple[Served, httpx.AsyncClient, MemoryGlossaries]]:
    kept = MemoryGlossaries()
    plain = serving.Services

    def with_glossaries(**parts: Any) -> Any:
        return plain(**parts, glossaries=kept)

    monkeypatch.setattr(serving, "Services", with_glossaries)
    async with (
        served(Settings.model_validate({"tokens": TOKENS})) as server,
        httpx.AsyncClient(base_url=server.http, headers=HEADERS, trust_env=False) as client,
    ):
        yield server, client, kept


async def test_terms_are_put_added_read_and_deleted_each_tenant_its_own(
    monkeypatch: pytest.MonkeyPatch,
):
    async with site(monkeypatch) as (_, client, kept):
        assert (await client.put("/v1/glossary", json=[FIRE])).json() == {
            "received": 1,
            "total": 1,
        }
        added = await client.post("/v1/glossary", json={"terms": [{"term": "SDIS"}, FIRE]})
        assert added.json() == {"received": 2, "total": 2}
        terms = (await client.get("/v1/glossary")).json()["terms"]
        assert [term["term"] for term in terms] == ["feu", "SDIS"]
        other = {"Authorization": "Bearer secret-secret-two"}
        assert (await client.get("/v1/glossary", headers=other)).json() == {"terms": []}
        assert (await client.get("/v1/glossary", headers={"Authorization": ""})).status_code == 401
        for form, media in (("csv", "text/csv"), ("tbx", "application/x-tbx+xml")):
            text = await client.get("/v1/glossary", params={"format": form})
            again = await client.put(
                "/v1/glossary?language=fr", content=text.content, headers={"Content-Type": media}
            )
            assert again.json() == {"received": 2, "total": 2}
            assert (await kept.terms("one"))[0].translations == {"en": "fire"}
        gone = await client.delete("/v1/glossary", params={"term": "Feu", "language": "fr"})
        assert gone.json() == {"received": 1, "total": 1}
        assert (await client.delete("/v1/glossary")).json() == {"received": 1, "total": 0}


REFUSED: list[tuple[bytes, str, int, str]] = [
    (b"{", "application/json", 422, "glossary_invalid"),
    (b'[{"translations": {}}]', "application/json", 422, "glossary_invalid"),
    (b'[{"term": "a"}, {"term": ""}]', "application/json", 422, "glossary_invalid"),
    (b"\xff\xfe", "text/csv", 422, "glossary_invalid"),
    (b"nothing", "image/png", 415, "unsupported_media_type"),
    (b'<!DOCTYPE t [<!ENTITY a "b">]><tbx/>', "text/xml", 422, "glossary_invalid"),
    (b"term\n" + b"x" * (4 << 20), "text/csv", 413, "request_too_large"),
    (b"term\n" + b"\n".join(b"t%d" % n for n in range(2_001)), "text/csv", 422, "glossary_invalid"),
]


async def test_what_cannot_be_used_is_refused_and_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    async with site(monkeypatch) as (_, client, kept):
        await kept.put("one", [GlossaryTerm("feu")])
        for body, media, status, code in REFUSED:
            answer = await client.put("/v1/glossary", content=body, headers={"Content-Type": media})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert await kept.terms("one") == (GlossaryTerm("feu"),)


async def test_a_server_without_glossaries_says_so():
    async with served() as server, httpx.AsyncClient(base_url=server.http) as client:
        assert (await client.get("/v1/glossary")).json()["code"] == "no_glossaries"


async def test_the_command_line_imports_exports_and_lists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    table = tmp_path / "terms.csv"
    table.write_text("term,en\nfeu,fire\n", encoding="utf-8")
    async with site(monkeypatch) as (server, _, _kept):
        options = ["--server", server.http, "--token", TOKENS["one"]]

        async def run(*arguments: str) -> Any:
            call = CliRunner().invoke
            return await asyncio.to_thread(call, build("en"), ["glossary", *arguments, *options])

        done = await run("import", str(table), "--replace")
        assert (done.exit_code, "1 terms read" in done.output) == (0, True)
        assert "en: fire" in (await run("list")).output
        out = tmp_path / "out.tbx"
        assert (await run("export", "--format", "tbx", "-o", str(out))).exit_code == 0
        assert "<term>fire</term>" in out.read_text(encoding="utf-8")
        assert (await run("import", str(out))).exit_code == 0
        odd = tmp_path / "terms.doc"
        odd.write_text("x", encoding="utf-8")
        assert (await run("import", str(odd))).exit_code == 2


async def test_terms_survive_in_the_database_and_are_not_read_without_their_key(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/greffier.db"
    term = GlossaryTerm("Fisichella", {"en": "Fisichella"}, pronunciation=("fisikella",))
    keys = KeyRing(tmp_path / "keys", MasterKey(bytes(32)))
    store = await SqlStore.open(url, texts=EncryptedTexts(keys))
    kept: Glossaries = store.glossaries
    assert await kept.put("one", [term, term]) == 1
    assert await kept.put("one", [GlossaryTerm("feu")]) == 2
    assert await kept.put("two", [GlossaryTerm("eau")], replace=True) == 1
    await store.close()
    assert b"isichella" not in (tmp_path / "greffier.db").read_bytes()
    store = await SqlStore.open(url, texts=EncryptedTexts(keys))
    assert await store.glossaries.terms("one") == (GlossaryTerm("feu"), term)
    assert await store.glossaries.remove("one", [GlossaryTerm("FEU")]) == 1
    assert await store.glossaries.remove("one") == 1
    await store.close()
    plain = await SqlStore.open(url)
    with pytest.raises(StorageFailed):
        await plain.glossaries.terms("two")
    await plain.close()
