"""Documents over HTTP and by the command line, from one server."""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pypdf
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from greffier.cli import build
from greffier.http import Archive
from greffier.protocol import AudioFormat, Minutes, MinutesItem, Start
from greffier_models.types import Word
from greffier_server.core.events import (
    MinutesWritten,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    WordsCommitted,
)
from greffier_server.documents.settings import DocumentSettings
from greffier_server.settings import Settings
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

WORDS = (Word(" Nous fermons", 0, 600, 0.9), Word(" la salle.", 600, 1200, 0.9))
MINUTES = Minutes(
    0,
    "fr",
    "Point du jour",
    decisions=(MinutesItem("Nous fermons la salle.", (1,), verified=True),),
)


async def recorded(server: Served, *, minutes: bool = True) -> str:
    session, _ = await server.desk.open(
        "default", Start(AudioFormat(), "fr", title='À "l\'été"\r\nX')
    )
    await session.log.append(
        SegmentOpened(1, 0, "fr"), WordsCommitted(1, WORDS), SegmentClosed(1, 0, 1200)
    )
    if minutes:
        await session.log.append(MinutesWritten(MINUTES), SessionFinished("finish"))
    return session.id


@pytest_asyncio.fixture(loop_scope="function")
async def server(tmp_path: Path) -> AsyncGenerator[Served, None]:
    (tmp_path / "email.html").write_text("<p>{{ broken }}</p>")
    documents = DocumentSettings(markings={"default": "USAGE INTERNE"}, templates_dir=tmp_path)
    async with served(Settings(documents=documents)) as running:
        yield running


async def test_documents_over_http(server: Served) -> None:
    session = await recorded(server)
    path = f"/v1/sessions/{session}"
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
        pdf = await http.get(f"{path}/minutes?format=pdf&marking=DIFFUSION RESTREINTE")
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.headers["content-disposition"] == (
            'attachment; filename="a-l-ete-x-compte-rendu.pdf"'
        )
        text = pypdf.PdfReader(io.BytesIO(pdf.content), strict=True).pages[0].extract_text()
        assert "DIFFUSION RESTREINTE" in text
        assert "USAGE INTERNE" not in text
        word = await http.get(f"{path}/minutes?format=docx&kind=proces-verbal")
        assert zipfile.ZipFile(io.BytesIO(word.content)).testzip() is None
        page = await http.get(f"{path}/minutes?format=html")
        assert "sandbox" in page.headers["content-security-policy"]
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "USAGE INTERNE" in page.text
        log = await http.get(f"{path}/minutes?format=csv")
        assert log.headers["content-type"] == "text/csv; charset=utf-8"
        assert "Nous fermons la salle." in log.text
        data = (await http.get(f"{path}/minutes")).json()
        assert data["coverage"]["share"] == 100
        for form, media in (("ass", "text/x-ssa"), ("ttml", "application/ttml+xml")):
            captions = await http.get(f"{path}/captions?format={form}")
            assert captions.headers["content-type"].startswith(media)
            assert "Nous fermons la salle." in captions.text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("format=exe", 422, "invalid_request"),
        ("format=pdf&kind=../../etc", 422, "invalid_request"),
        ("format=pdf&language=../x", 422, "invalid_request"),
        ("format=pdf&language=de", 400, "bad_request"),
        ("format=csv&kind=sitrep", 400, "bad_request"),
        ("format=txt&kind=digest&every_minutes=0", 422, "invalid_request"),
        (f"format=txt&marking={'x' * 81}", 422, "invalid_request"),
        ("format=txt&kind=email", 500, "settings_invalid"),
    ],
)
async def test_what_cannot_be_made_is_refused(
    server: Served, query: str, status: int, code: str
) -> None:
    session = await recorded(server)
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
        answer = await http.get(f"/v1/sessions/{session}/minutes?{query}")
        assert answer.status_code == status, answer.text
        assert answer.json()["code"] == code
        assert "salle" not in answer.text


async def test_without_minutes_there_is_a_log_and_a_transcript(server: Served) -> None:
    session = await recorded(server, minutes=False)
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
        path = f"/v1/sessions/{session}/minutes?format=txt&kind="
        assert "Nous fermons la salle." in (await http.get(f"{path}transcript")).text
        assert "Nous fermons la salle." in (await http.get(f"{path}main-courante")).text
        assert (await http.get(f"{path}sitrep")).json()["code"] == "no_minutes"


async def test_the_client_fetches_documents(server: Served) -> None:
    session = await recorded(server)
    archive = Archive(server.http)
    made = await archive.document(
        session,
        "docx",
        kind="releve-de-decisions",
        language="fr",
        marking="X",
        every_minutes=5,
        sources=True,
    )
    assert made.startswith(b"PK")
    assert "Nous fermons" in (await archive.captions(session, "ttml"))


async def test_the_command_line_writes_documents(server: Served, tmp_path: Path) -> None:
    session = await recorded(server)

    async def run(*arguments: str) -> Result:
        given = [*arguments, session, "--server", f"ws://127.0.0.1:{server.port}"]
        return await asyncio.to_thread(CliRunner().invoke, build("en"), given)

    file = tmp_path / "deep" / "pv.docx"
    made = await run("minutes", "--format", "docx", "--kind", "proces-verbal", "-o", str(file))
    assert made.exit_code == 0, made.output
    assert zipfile.ZipFile(file).testzip() is None
    shown = await run(
        "minutes", "--kind", "summary", "--marking", "SECRET", "--every", "5", "--sources"
    )
    assert "SECRET" in shown.output
    assert (await run("minutes", "--format", "pdf")).stdout_bytes.startswith(b"%PDF")
    refused = await run("minutes", "--kind", "nothing", "--format", "md")
    assert refused.exit_code != 0
    assert "<tt " in (await run("export", "--format", "ttml")).output
