"""The radio log as a document and as CSV: of the nets, lines and times that were chosen."""

import csv
import io
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from greffier_server.settings import Settings
from tests.support.archived import ArchiveKit, Said, archive_kit, session_events

pytestmark = pytest.mark.integration

BEGUN_MS = 1_770_000_000_000
BOTH = "sessions=net1,net2"


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncGenerator[ArchiveKit, None]:
    settings = Settings(
        alerts={"words": ("feu",)},  # type: ignore[arg-type]
        documents={"timezone": "Europe/Paris", "markings": {"default": "DIFFUSION RESTREINTE"}},  # type: ignore[arg-type]
    )
    async with archive_kit(tmp_path, settings=settings) as running:
        first = [
            Said(0, "CROSS Étel, ici Kermaria, contrôle radio."),
            Said(60_000, "Mayday mayday, ici Kermaria, feu à bord."),
            Said(600_000, "Kermaria, ici CROSS Étel, <script>reçu</script>."),
        ]
        second = [Said(300_000, "Rien à signaler.")]
        for name, title, said in (("net1", "Canal 16", first), ("net2", "Canal 72", second)):
            await running.keep(
                name, session_events(said, title=title), title=title, created_at_ms=BEGUN_MS
            )
        yield running


@pytest.fixture
async def client(kit: ArchiveKit) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(base_url=kit.http, trust_env=False, timeout=30) as asking:
        yield asking


async def document(client: httpx.AsyncClient, query: str, form: str = "md") -> str:
    answer = await client.get(f"/v1/radio/document?{query}&format={form}")
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_the_log_is_one_table_with_actions_and_notes(client: httpx.AsyncClient) -> None:
    action = {"kind": "action", "segment": 2}
    done = {"who": "Ana", "target": action, "old": "", "new": "SNSM alertée"}
    assert (await client.post("/v1/sessions/net1/corrections", json=done)).status_code == 201
    note = {
        "sessions": ["net1", "net2"],
        "who": "Ana",
        "relieved_by": "Bo",
        "from_at_ms": BEGUN_MS,
        "to_at_ms": BEGUN_MS + 900_000,
        "note": "Kermaria en feu\n\nSNSM en route",
    }
    assert (await client.post("/v1/radio/handovers", json=note)).status_code == 201
    text = await document(client, BOTH)
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert [row.split("|")[3].strip() for row in rows] == [
        "Canal 16",
        "Canal 16",
        "Canal 72",
        "Canal 16",
    ]
    assert "DÉTRESSE" in rows[1]
    assert "SNSM alertée" in rows[1]
    assert "03:41:00" in rows[1]  # of the zone of the settings
    assert "DIFFUSION RESTREINTE" in text
    assert "Ana → Bo" in text
    assert text.count("SNSM en route") == 1  # once, although both nets have it
    english = await document(client, f"{BOTH}&language=en")
    assert "DISTRESS" in english
    assert "Radio log" in english


async def test_it_holds_what_was_chosen_and_says_so(client: httpx.AsyncClient) -> None:
    chosen = f"from_at_ms={BEGUN_MS + 30_000}&to_at_ms={BEGUN_MS + 400_000}"
    text = await document(client, f"{BOTH}&{chosen}")
    assert "contrôle radio" not in text
    assert "Mayday" in text
    assert "Rien à signaler" in text
    assert "reçu" not in text
    assert "Choix" in text
    alerts = await document(client, f"{BOTH}&show=alerts")
    assert "Mayday" in alerts
    assert "Rien" not in alerts
    assert "alertes seulement" in alerts
    found = await document(client, f"{BOTH}&text=CANAL%2072")
    assert "Rien à signaler" in found
    assert "Mayday" not in found
    nothing = await document(client, f"{BOTH}&text=absent")
    assert "|" not in nothing
    alone = await document(client, "sessions=net2")
    assert "Réseau : Canal 72" in alone.replace("\u00a0", " ")


async def test_every_format_is_made_of_it(client: httpx.AsyncClient) -> None:
    for form, begins in (("pdf", b"%PDF-"), ("docx", b"PK"), ("html", b"<!"), ("txt", b"")):
        answer = await client.get(f"/v1/radio/document?{BOTH}&format={form}")
        assert answer.status_code == 200
        assert answer.content.startswith(begins)
        name = answer.headers["content-disposition"]
        assert name == f'attachment; filename="radio-log.{form}"'
        if form == "html":
            assert "<script>reçu" not in answer.text
    for wrong in ("format=csv", "show=some", "language=de", "from_at_ms=-1", f"text={'x' * 201}"):
        status = (await client.get(f"/v1/radio/document?{BOTH}&{wrong}")).status_code
        assert status in (400, 422), wrong
    assert (await client.get("/v1/radio/document?sessions=gone")).status_code == 404


async def test_the_csv_holds_the_same_lines(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/radio/csv?{BOTH}&show=alerts")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["number"] for row in rows] == ["2"]
    answer = await client.get(f"/v1/radio/csv?{BOTH}&text=etel&to_at_ms={BEGUN_MS + 1}")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["to"] for row in rows] == ["CROSS Étel"]
