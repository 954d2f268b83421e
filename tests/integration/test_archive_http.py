"""Corrections, search, radio log and figures over HTTP, on stored and on live sessions."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import greffier
from greffier.protocol import Correction
from greffier.transcript import Transcript
from greffier_server.core.events import SegmentClosed, SegmentOpened, SessionStarted, WordsCommitted
from greffier_server.core.records import GENESIS, encode_record, record_hash
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.archived import (
    ArchiveKit,
    Said,
    archive_kit,
    council,
    said,
    session_events,
    tone,
    words,
)

pytestmark = pytest.mark.integration

_TOKENS = {"mairie": "m" * 20, "marine": "n" * 20}


@asynccontextmanager
async def _asking(kit: ArchiveKit, token: str = "") -> AsyncGenerator[httpx.AsyncClient, None]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(
        base_url=kit.http, headers=headers, trust_env=False, timeout=20
    ) as client:
        yield client


def _words(first: int, end: int, old: str, new: str, *, segment: int = 2) -> dict[str, Any]:
    target = {"kind": "words", "segment": segment, "first": first, "end": end}
    return {"who": "Mme Élue", "target": target, "old": old, "new": new}


async def test_a_finished_session_is_corrected_and_its_chain_holds(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        before = await kit.keep("council", council())
        url = "/v1/sessions/council"
        answer = await client.post(f"{url}/corrections", json=_words(7, 8, "quarente", "quarante"))
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["who"], made["old"], made["new"]) == ("Mme Élue", "quarente", "quarante")
        assert made["seq"] == len(before) + 1
        assert made["at_ms"] > 0
        captions = (await client.get(f"{url}/captions?format=txt")).text
        assert "quarante mille euros" in captions
        assert "quarente" not in captions
        assert "quarente" in (await client.get(f"{url}/captions?format=txt&corrections=false")).text
        # What was committed is as it was, and the correction is in the chain behind it.
        after = await kit.events("council")
        assert [encode_record(r) for r in after[:-1]] == [encode_record(r) for r in before]
        previous = GENESIS
        for record in after:
            assert record.prev_hash == previous
            previous = record_hash(record)


async def test_who_saw_an_older_text_is_told_what_stands_there(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        url = "/v1/sessions/council/corrections"
        both = await asyncio.gather(
            client.post(url, json=_words(7, 8, "quarente", "quarante")),
            client.post(url, json=_words(7, 8, "quarente", "cinquante")),
        )
        assert sorted(answer.status_code for answer in both) == [201, 409]
        refused = next(answer.json() for answer in both if answer.status_code == 409)
        assert refused["code"] == "correction_conflict"
        won = next(answer.json() for answer in both if answer.status_code == 201)
        assert refused["present"] == won["new"]
        # A range through the middle of a correction, and one beyond the words, are nowhere.
        wide = await client.post(url, json=_words(6, 8, f"de {won['new']}", "de 40"))
        assert wide.status_code == 201
        for first, end in ((7, 9), (90, 91), (3, 3)):
            answer = await client.post(url, json=_words(first, end, "x", "y"))
            assert (answer.status_code, answer.json()["code"]) == (404, "nothing_there")


_REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"who": ""}, 400),
    ({"who": "\x00\u200b"}, 400),
    ({"who": "x" * 81}, 422),
    ({"new": "y" * 2_001}, 422),
    ({"new": "quarente"}, 400),
    ({"target": {"kind": "verdict", "section": "actions"}, "old": "", "new": "maybe"}, 400),
    ({"target": {"kind": "minutes", "section": "title", "item": 0}, "old": ""}, 404),
    ({"target": {"kind": "minutes", "section": "__class__", "item": 0}, "old": ""}, 404),
    ({"target": {"kind": "speaker", "speaker": "nobody"}, "old": "nobody"}, 404),
    ({"target": {"kind": "translation", "segment": 2, "language": "de"}, "old": ""}, 404),
    ({"target": {"kind": "title"}}, 422),
    ({"target": {"kind": "words", "segment": -1}}, 422),
    ({"extra": 1}, 422),
]


async def test_what_cannot_be_a_correction_is_refused(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        before = await kit.keep("council", council())
        for body, status in _REFUSED:
            asked = _words(7, 8, "quarente", "quarante") | body
            answer = await client.post("/v1/sessions/council/corrections", json=asked)
            assert answer.status_code == status, (body, answer.text)
            assert answer.json()["message"]
        assert len(await kit.events("council")) == len(before)


async def test_a_page_of_another_site_corrects_nothing(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        answer = await client.post(
            "/v1/sessions/council/corrections",
            json=_words(7, 8, "quarente", "quarante"),
            headers={"Origin": "https://evil.example"},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")


async def test_a_live_session_is_corrected_while_it_grows(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        log = await kit.live("now", session_events([Said(0, "Bonjour mondde")], finished=False))
        waiting = asyncio.create_task(client.get("/v1/sessions/now/corrections?wait_s=20"))
        await log.append(
            SegmentOpened(2, 5_000, "fr"), WordsCommitted(2, words("Le ?butget", 5_000))
        )
        answer = await client.post(
            "/v1/sessions/now/corrections", json=_words(1, 2, "butget", "budget")
        )
        assert answer.status_code == 201, answer.text
        heard = (await waiting).json()["corrections"]
        assert [one["new"] for one in heard] == ["budget"]  # long before 20 s
        await log.append(
            WordsCommitted(2, words("communal", 6_000)), SegmentClosed(2, 5_000, 6_280)
        )
        text = (await client.get("/v1/sessions/now/captions?format=txt")).text
        assert "Le budget communal" in text


async def test_names_translations_and_minutes_are_corrected(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        url = "/v1/sessions/council"
        wanted: list[tuple[dict[str, Any], str, str]] = [
            ({"kind": "speaker", "speaker": "2"}, "2", "M. Adjoint"),
            ({"kind": "translation", "segment": 2, "language": "en"}, "Forty thousand.", "40,000."),
            ({"kind": "minutes", "section": "actions", "item": 0}, "Demander un devis.", "Devis."),
            ({"kind": "verdict", "section": "decisions", "item": 0}, "", "rejected"),
            ({"kind": "action", "segment": 3}, "", "Noté par le secrétariat"),
        ]
        for target, old, new in wanted:
            body = {"who": "A", "target": target, "old": old, "new": new}
            answer = await client.post(f"{url}/corrections", json=body)
            assert answer.status_code == 201, answer.text
        vtt = (await client.get(f"{url}/captions")).text
        assert vtt.count("<v M. Adjoint>") == 2
        assert "40,000." in (await client.get(f"{url}/translations/en?format=txt")).text
        minutes = (await client.get(f"{url}/minutes")).json()
        assert minutes["decisions"] == []
        assert (minutes["actions"][0]["text"], minutes["actions"][0]["verified"]) == (
            "Devis.",
            False,
        )
        assert "Devis." in (await client.get(f"{url}/minutes?format=md")).text
        record = (await client.get(f"{url}/record")).json()
        assert record["segments"][1]["speaker"] == "M. Adjoint"
        assert record["segments"][1]["voice"] == "2"
        rejected = record["minutes"]["sections"][1]["items"][0]
        assert (rejected["verdict"], rejected["text"]) == ("rejected", "Le vote aura lieu demain.")


async def test_viewers_get_corrections_live_and_behind_the_end(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        log = await kit.live("now", session_events([Said(0, "Bonjour mondde")], finished=False))
        url = f"ws://127.0.0.1:{kit.port}"
        body = _words(1, 2, "mondde", "monde", segment=1)
        assert (await client.post("/v1/sessions/now/corrections", json=body)).status_code == 201
        async with asyncio.timeout(20), aclosing(greffier.watch(url, "now")) as live:
            first = await anext(message async for message in live if type(message) is Correction)
        assert (first.who, first.new) == ("Mme Élue", "monde")
        log.close()
        body = _words(7, 8, "quarente", "quarante")
        assert (await client.post("/v1/sessions/council/corrections", json=body)).status_code == 201
        async with asyncio.timeout(20):
            told = Transcript([message async for message in greffier.watch(url, "council")])
        assert "quarante mille" in told.segments[2].text
        assert told.finished is not None


async def test_training_pairs_and_proposals_come_from_corrections(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        url = "/v1/sessions/council"
        await client.post(f"{url}/corrections", json=_words(1, 2, "Dupond", "Dupont", segment=4))
        await client.post(f"{url}/corrections", json=_words(0, 1, "Le", "le", segment=2))
        lines = (await client.get(f"{url}/training")).text.splitlines()
        pairs = [json.loads(line) for line in lines]
        assert [pair["segment"] for pair in pairs] == [2, 4]
        assert "Dupond" in pairs[1]["recognised"]
        assert "Dupont" in pairs[1]["corrected"]
        assert pairs[1]["audio"].endswith("?from_ms=40000&to_ms=42080")
        proposals = (await client.get("/v1/corrections/proposals")).json()["proposals"]
        assert [(one["term"], one["heard"], one["count"]) for one in proposals] == [
            ("Dupont", "Dupond", 1)  # the change of case is no term
        ]


async def test_search_finds_without_accents_and_highlights_by_offsets(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        found = (await client.get("/v1/search", params={"q": "SEANCE ouverte"})).json()
        assert [(hit["kind"], hit["segment"]) for hit in found["hits"]] == [("speech", 1)]
        hit = found["hits"][0]
        marked = [hit["text"][start:end] for start, end in hit["highlights"]]
        assert marked == ["séance", "ouverte"]
        assert found["pending"] == 0
        phrase = await client.get("/v1/search", params={"q": '"mille euros"'})
        assert [hit["segment"] for hit in phrase.json()["hits"]] == [2]
        assert (await client.get("/v1/search", params={"q": '"euros mille"'})).json()["hits"] == []
        begun = await client.get("/v1/search", params={"q": "entrep*", "language": "fr"})
        assert [hit["segment"] for hit in begun.json()["hits"]] == [4]
        minutes = await client.get("/v1/search", params={"q": "voirie", "limit": 1})
        assert minutes.json()["more"] is True
        for hostile in ('" OR 1', "a' OR 'b", "NEAR(x", "терм:*", 'terms: "x"', "-*", '"'):
            answer = await client.get("/v1/search", params={"q": hostile})
            assert answer.status_code in (200, 400), (hostile, answer.text)


async def test_search_follows_live_text_corrections_and_deletion(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        log = await kit.live("now", [SessionStarted_("Réunion")])
        events = said(1, Said(0, "Le barrage de Serre-Ponçon", english="The dam"))
        await log.append(*events)
        kit.archive.indexer.note(await kit.events("now"))
        await kit.archive.indexer.run_once()

        async def hits(query: str) -> list[str]:
            found = await client.get("/v1/search", params={"q": query})
            return [hit["kind"] for hit in found.json()["hits"]]

        assert await hits("serre poncon") == ["speech"]
        assert await hits("dam") == ["translation"]
        target = {"kind": "words", "segment": 1, "first": 1, "end": 2}
        body = {"who": "A", "target": target, "old": "barrage", "new": "réservoir"}
        assert (await client.post("/v1/sessions/now/corrections", json=body)).status_code == 201
        await kit.archive.indexer.run_once()
        # `note` is told by the sink; here the log has its own.
        kit.archive.indexer.note((await kit.events("now"))[-1:])
        await kit.archive.indexer.run_once()
        assert (await hits("barrage"), await hits("reservoir")) == ([], ["speech"])
        assert (await client.delete("/v1/sessions/now")).status_code == 204
        assert await hits("reservoir") == []
        raw = await asyncio.to_thread(_database, tmp_path)
        assert b"poncon" not in raw
        assert b"reservoir" not in raw


async def test_tenants_never_see_each_other(tmp_path: Path) -> None:
    tokens = tuple(
        TenantToken(tenant=tenant, digest=hash_token(token)) for tenant, token in _TOKENS.items()
    )
    async with archive_kit(tmp_path, settings=Settings(tokens=tokens)) as kit:
        await kit.keep("council", council(), tenant="mairie")
        async with _asking(kit, _TOKENS["marine"]) as other:
            assert (await other.get("/v1/search?q=budget")).json()["hits"] == []
            assert (await other.get("/v1/usage")).json()["sessions"] == 0
            for path in ("record", "corrections", "training", "waveform?from_ms=0&to_ms=9"):
                answer = await other.get(f"/v1/sessions/council/{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
            answer = await other.get("/v1/radio?sessions=council")
            assert answer.status_code == 404
            body = _words(7, 8, "quarente", "quarante")
            answer = await other.post("/v1/sessions/council/corrections", json=body)
            assert answer.status_code == 404
        async with _asking(kit, _TOKENS["mairie"]) as own:
            assert len((await own.get("/v1/search?q=budget")).json()["hits"]) == 1
        async with _asking(kit) as nobody:
            assert (await nobody.get("/v1/search?q=budget")).status_code == 401


async def test_the_radio_log_has_calls_alerts_actions_and_a_safe_csv(tmp_path: Path) -> None:
    async with archive_kit(tmp_path, settings=Settings(alerts={"words": ("feu",)})) as kit:  # type: ignore[arg-type]
        net = session_events(
            [
                Said(0, "CROSS Étel, ici Kermaria, radio check."),
                Said(9_000, "Mayday mayday, ici Kermaria, feu à bord."),
                Said(30_000, "=HYPERLINK(1) reçu"),
            ],
            title="=Canal 16",
        )
        await kit.keep("net1", net, title="=Canal 16")
        await kit.keep("net2", session_events([Said(20_000, "Rien à signaler.")]), title="Canal 72")
        async with _asking(kit) as client:
            url = "/v1/radio?sessions=net1,net2"
            log = (await client.get(url)).json()
            lines = log["transmissions"]
            assert [(line["session"], line["number"]) for line in lines] == [
                ("net1", 1),
                ("net1", 2),
                ("net2", 1),
                ("net1", 3),
            ]
            assert (lines[0]["addressed_to"], lines[0]["sent_by"]) == ("CROSS Étel", "Kermaria")
            levels = [alert["level"] for alert in lines[1]["alerts"]]
            assert levels == ["distress", "distress", "watchword"]
            again = (await client.get(f"{url}&cursor={log['cursor']}")).json()
            assert (again["changed"], again["transmissions"]) == (False, [])
            body = {
                "who": "Opérateur",
                "target": {"kind": "action", "segment": 2},
                "old": "",
                "new": "SNSM alertée",
            }
            assert (
                await client.post("/v1/sessions/net1/corrections", json=body)
            ).status_code == 201
            note = {
                "sessions": ["net1", "net2"],
                "who": "Ana",
                "relieved_by": "Bo",
                "from_at_ms": 1,
                "to_at_ms": 2,
                "note": "Kermaria\nen feu",
            }
            assert (await client.post("/v1/radio/handovers", json=note)).status_code == 201
            late = {**note, "from_at_ms": 3}
            assert (await client.post("/v1/radio/handovers", json=late)).status_code == 400
            lost = {**note, "sessions": ["net1", "gone"]}
            assert (await client.post("/v1/radio/handovers", json=lost)).status_code == 404
            now = (await client.get(f"{url}&cursor={log['cursor']}")).json()
            assert now["transmissions"][1]["action"] == "SNSM alertée"
            assert [(one["who"], one["note"]) for one in now["handovers"]] == [
                ("Ana", "Kermaria\nen feu")  # once, although both nets have it
            ]
            text = (await client.get("/v1/radio/csv?sessions=net1,net2")).text
            rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
            assert [row["net"] for row in rows] == ["'=Canal 16"] * 2 + ["Canal 72", "'=Canal 16"]
            assert rows[1]["alert"].startswith("distress: mayday")
            assert rows[3]["message"] == "'=HYPERLINK(1) reçu"


async def test_figures_outlive_sessions_and_are_counted_once(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council())
        await client.post(
            "/v1/sessions/council/corrections", json=_words(7, 8, "quarente", "quarante")
        )
        await kit.archive.indexer.run_once()
        await kit.archive.indexer.catch_up()
        span = {"from_day": "2023-11-01", "to_day": "2023-12-01"}
        figures = (await client.get("/v1/usage", params=span)).json()
        assert (figures["sessions"], figures["hours"], figures["corrections"]) == (1, 0.02, 1)
        assert figures["languages"] == ["fr"] or figures["days"][0]["sessions"] == 1
        await client.delete("/v1/sessions/council")
        assert (await client.get("/v1/usage", params=span)).json()["sessions"] == 1
        rows = (await client.get("/v1/usage/csv", params=span)).text.splitlines()
        assert len(rows) == 2
        assert rows[0].endswith("day,language,sessions,duration_ms,words,corrections")
        given = await client.post("/v1/usage/feedback", json={"rating": 4, "comment": "Bien"})
        assert given.status_code == 204
        bad = await client.post("/v1/usage/feedback", json={"rating": 6})
        assert bad.status_code == 422
        now = (await client.get("/v1/usage")).json()["satisfaction"]
        assert (now["count"], now["mean"], now["ratings"]) == (1, 4.0, [0, 0, 0, 1, 0])
        assert now["comments"] == ["Bien"]
        for span in (
            {"from_day": "2024-02-31"},
            {"from_day": "2024-03-01", "to_day": "2024-01-01"},
        ):
            assert (await client.get("/v1/usage", params=span)).status_code == 400


async def test_the_outline_of_the_sound_is_where_the_sound_is(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        await kit.keep("council", council(), audio=tone(4_000))
        url = "/v1/sessions/council/waveform"
        found = (await client.get(f"{url}?from_ms=1000&to_ms=3000&points=4")).json()
        assert [peak > 20 for peak in found["peaks"]] == [True, False, True, False]
        beyond = (await client.get(f"{url}?from_ms=3000&to_ms=9000&points=6")).json()
        assert beyond["to_ms"] == 4_000
        assert (await client.get(f"{url}?from_ms=8000&to_ms=9000")).status_code == 404
        assert (await client.get(f"{url}?from_ms=0&to_ms=9999999")).status_code == 400
        await kit.keep("mute", council())
        assert (await client.get("/v1/sessions/mute/waveform?from_ms=0&to_ms=9")).status_code == 404


async def test_load_and_lag_are_told(tmp_path: Path) -> None:
    async with archive_kit(tmp_path) as kit, _asking(kit) as client:
        pulse = (await client.get("/v1/pulse")).json()
        assert pulse["cores"] >= 1
        assert pulse["samples"][-1]["memory_bytes"] == 80_000_000


def _database(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("greffier.db*"))


def SessionStarted_(title: str) -> SessionStarted:  # noqa: N802 - a short one
    started = session_events([], title=title, finished=False)[0]
    assert isinstance(started, SessionStarted)
    return started
