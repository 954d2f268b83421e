"""The text of a document that was sent, taken out by a process of its own (`text_extractor`).

The document goes to it through a pipe: no disk ever holds it.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any, Final, cast

from greffier_server.core.document_events import Paragraph
from greffier_server.documents import text_extractor
from greffier_server.errors import BadRequest

__all__ = ["MAX_DOCUMENT_BYTES", "DocumentTooLong", "DocumentUnreadable", "extract"]

MAX_DOCUMENT_BYTES: Final = 20 << 20
_ANSWER_S: Final = 60.0
_ANSWER_BYTES: Final = 8 << 20
_KEPT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG")
_REASONS: Final = {
    "unreadable": "the document is damaged, or nothing that can be read; send PDF, DOCX, Markdown "
    "or plain text",
    "unknown": "the document is of no known kind; send PDF, DOCX, Markdown or plain text",
    "encrypted": "the PDF is protected by a password; send a copy without",
    "no_text": "the document holds no text; a scan must go through character recognition first",
}


class DocumentUnreadable(BadRequest):
    """No text can be taken out of the document."""

    code = "document_unreadable"
    status = 422


class DocumentTooLong(BadRequest):
    """More bytes, pages or text than a document may have."""

    code = "document_too_long"
    status = 413


async def extract(content: bytes) -> tuple[Paragraph, ...]:
    """Return the paragraphs of a PDF, DOCX, Markdown or text file, known by its first bytes.

    Raises:
        DocumentUnreadable: damaged, protected, a scan, or of another kind.
        DocumentTooLong: more than `text_extractor` reads.
    """
    answer = await _child(content)
    try:
        told = cast("dict[str, Any]", json.loads(answer))
        refused = str(told["refused"])
        found = tuple(
            Paragraph(number, int(page), str(text), str(role))
            for number, (page, text, role) in enumerate(told["paragraphs"], start=1)
        )
    except (ValueError, KeyError, TypeError):  # the process fell
        refused, found = "unreadable", ()
    if refused in ("too_long", "too_many_pages"):
        raise DocumentTooLong(
            f"a document has at most {text_extractor.MAX_PAGES} pages and "
            f"{text_extractor.MAX_CHARS:,} characters; send it in parts"
        )
    if refused:
        raise DocumentUnreadable(_REASONS.get(refused, _REASONS["unreadable"]))
    return found


async def _child(content: bytes) -> bytes:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        text_extractor.__name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it may repeat what the document holds
        env=_environment(),
    )
    assert child.stdin is not None  # noqa: S101 - asked for above
    assert child.stdout is not None  # noqa: S101
    try:
        async with asyncio.timeout(_ANSWER_S):
            with suppress(BrokenPipeError, ConnectionResetError):  # it fell: no answer comes
                child.stdin.write(content)
                await child.stdin.drain()
            child.stdin.close()
            answer = await _read(child.stdout)
            if answer is not None:
                await child.wait()
            return answer or b""
    except TimeoutError:
        raise DocumentUnreadable("the document could not be read in time") from None
    finally:
        child.stdin.close()
        if child.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and nobody was told yet
                child.kill()
            await child.wait()


async def _read(out: asyncio.StreamReader) -> bytes | None:
    """Return all of the answer; None = it is too long, and was not read to its end."""
    answer = bytearray()
    while piece := await out.read(1 << 16):
        answer += piece
        if len(answer) > _ANSWER_BYTES:
            return None
    return bytes(answer)


def _environment() -> dict[str, str]:
    """What the process needs and nothing else: no setting, no secret."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
