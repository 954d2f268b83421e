"""One page with a document of every kind, made from speech by a real server with real models.

    python -m benchmarks.samples --llm NAME                       # docs/explanation/samples.md
    python -m benchmarks.samples --llm NAME --pictures docs/images

The scenes of ``tests/data/scenes`` are streamed to the server one after the other; when a session
has ended its documents are fetched over HTTP. They stand on the page as they came. Of the page only
what lies behind the marker is written anew: what is said about the samples is by hand, and must be
read again after each run. ``--pictures`` draws the first page of one PDF and of the same
document as DOCX (by LibreOffice, ``soffice``).
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import greffier
from benchmarks.corpora import RATE, SCENES_DIR, load_scenes, read_pcm
from benchmarks.results import environment
from greffier.http import Archive
from greffier.protocol import Finished, GlossaryTerm
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer

__all__ = ["SAMPLES", "Sample", "main", "page"]

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "samples.md"
MARKER = "<!-- samples: written by python -m benchmarks.samples -->"
_CHUNK = RATE * 2
_PATIENCE_S = 3600.0
_PIXELS = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A document to be fetched."""

    scene: str
    kind: str
    heading: str
    every_minutes: int | None = None


SAMPLES = (
    Sample("meeting-fr", "compte-rendu", "Compte rendu"),
    Sample("meeting-fr", "proces-verbal", "Procès-verbal"),
    Sample("meeting-fr", "releve-de-decisions", "Relevé de décisions"),
    Sample("meeting-fr", "summary", "Summary"),
    Sample("meeting-fr", "digest", "Digest for late joiners", 1),
    Sample("meeting-fr", "email", "Email draft"),
    Sample("meeting-fr", "transcript", "Transcript"),
    Sample("meeting-bilingual", "compte-rendu", "Compte rendu of a meeting in two languages"),
    Sample("radio-fr", "main-courante", "Main courante"),
    Sample("radio-fr", "sitrep", "Point de situation"),
    Sample("radio-en", "main-courante", "Radio log"),
    Sample("radio-en", "sitrep", "SITREP"),
)

TITLES = {
    "meeting-fr": "Comité de déploiement",
    "meeting-bilingual": "Exercice commun de mars",
    "radio-fr": "Feu de broussailles",
    "radio-en": "Medical evacuation",
}
GLOSSARY = {
    "radio-fr": ("CODIS", "VSAV", "FPT", "Privas", "Aubenas"),
    "radio-en": ("Zulu Control", "Bravo Two", "Medic One"),
}
"""What a station would have in its glossary: its own call signs."""


def page(samples: Mapping[Sample, str], *, models: str, on: str) -> str:
    """Return what stands behind the marker."""
    parts = [f"Made on {on} with {models}."]
    scene = ""
    for sample, text in samples.items():
        if sample.scene != scene:
            scene = sample.scene
            parts.append(f"## From `{scene}.flac`")
        fence = "````"
        parts.append(f"### {sample.heading}\n\n{fence}markdown\n{text.strip()}\n{fence}")
    return "\n\n".join(parts) + "\n"


async def _heard(url: str, scene: str) -> str:
    """Stream a scene as fast as it is taken; return the session when it has its minutes."""
    recording = next(each for each in load_scenes() if each.id == scene)
    pcm = read_pcm(recording.path)
    glossary = [GlossaryTerm(term, do_not_translate=True) for term in GLOSSARY.get(scene, ())]
    both = ("fr", "en") if recording.language == "auto" else ()
    async with (
        asyncio.timeout(_PATIENCE_S),
        greffier.connect(
            url,
            language=recording.language,
            translate_to=both,
            minutes=True,
            title=TITLES[scene],
            glossary=glossary,
        ) as session,
    ):

        async def read() -> None:
            async for message in session:
                if isinstance(message, Finished):
                    return

        reader = asyncio.create_task(read())
        for offset in range(0, len(pcm), _CHUNK):
            await session.send(pcm[offset : offset + _CHUNK])
        await session.finish()
        await reader
        return session.id


def _pictures(server: ChildServer, session: str, folder: Path, scratch: Path) -> None:
    archive, marking = Archive(server.url), "DIFFUSION RESTREINTE"
    folder.mkdir(parents=True, exist_ok=True)
    pdf, docx = scratch / "compte-rendu.pdf", scratch / "word" / "compte-rendu.docx"
    docx.parent.mkdir()
    pdf.write_bytes(asyncio.run(archive.document(session, "pdf", marking=marking)))
    docx.write_bytes(asyncio.run(archive.document(session, "docx", marking=marking)))
    _draw(pdf, folder / "sample-pdf.png")
    office = ["soffice", "--headless", "--convert-to", "pdf", "--outdir", str(docx.parent)]
    subprocess.run([*office, str(docx)], check=True, timeout=300)
    _draw(docx.with_suffix(".pdf"), folder / "sample-docx.png")


def _draw(pdf: Path, target: Path) -> None:
    """Draw the first page; few colours are enough for text and its marks."""
    pdfium = cast("Any", import_module("pypdfium2"))  # it has no types
    page = pdfium.PdfDocument(pdf)[0]
    drawn = page.render(scale=_PIXELS / page.get_height()).to_pil()
    drawn.convert("P", palette=1, colors=32).save(target, optimize=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samples")
    parser.add_argument("--llm", required=True, help="language model of the catalogue")
    parser.add_argument("--recognition", default="whisper-base", help="speech model")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of a PDF and a DOCX")
    parser.add_argument("--scene", action="append", help="only this one (repeatable)")
    options = parser.parse_args(arguments)
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.recognition,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "llama",
        "GREFFIER_LANGUAGE_MODEL__MODEL": options.llm,
        "GREFFIER_DOCUMENTS__TIMEZONE": "Europe/Paris",
    }
    chosen = [each for each in SAMPLES if not options.scene or each.scene in options.scene]
    sessions: dict[str, str] = {}
    texts: dict[Sample, str] = {}
    with (
        tempfile.TemporaryDirectory(prefix="greffier-samples-") as scratch,
        ChildServer(
            data_dir=Path(scratch) / "data", models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        for sample in chosen:
            if sample.scene not in sessions:
                print(SCENES_DIR / f"{sample.scene}.flac", flush=True)
                sessions[sample.scene] = asyncio.run(_heard(server.url, sample.scene))
            document = Archive(server.url).document(
                sessions[sample.scene],
                "md",
                kind=sample.kind,
                every_minutes=sample.every_minutes,
            )
            texts[sample] = asyncio.run(document).decode()
        if options.pictures is not None and "meeting-fr" in sessions:
            _pictures(server, sessions["meeting-fr"], options.pictures, Path(scratch))
    models = f"`{options.recognition}` and `{options.llm}` (commit {environment()['commit']})"
    written = page(texts, models=models, on=f"{datetime.now(UTC):%d %B %Y}")
    before = options.page.read_text("utf-8") if options.page.exists() else ""
    by_hand = before.partition(MARKER)[0] or "# Samples\n\n"
    options.page.write_text(f"{by_hand}{MARKER}\n\n{written}", encoding="utf-8")
    print(options.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
