"""Documents come to a session: read, searched for names and points, put on record; or go again."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from typing import Literal

from greffier_server.core.agenda import agenda_of, says_agenda
from greffier_server.core.attached import document_language
from greffier_server.core.document_events import Paragraph
from greffier_server.core.document_terms import document_terms
from greffier_server.core.events import DocumentAttached, DocumentDetached, Recorded
from greffier_server.documents.extraction import DocumentTooLong, extract
from greffier_server.errors import BadRequest, ServerError
from greffier_server.pipeline.editing import Editor, one_line
from greffier_server.pipeline.shelf import Shelved

__all__ = [
    "MAX_ATTACHED",
    "MAX_ATTACHED_CHARS",
    "DocumentNotFound",
    "Offered",
    "Purpose",
    "attach",
    "detach",
    "read_offered",
]

MAX_ATTACHED = 8
"""Documents of one session."""
_MAX_EVER = 64
"""With those that were taken back: their text stays on record."""
MAX_ATTACHED_CHARS = 120_000
"""Of text in one document: it goes into the session's log."""
_NAME_CHARS = 120
_WHO_CHARS = 80

Purpose = Literal["auto", "agenda", "briefing"]


class TooManyDocuments(BadRequest):
    """The session has as many documents as one may have."""

    code = "too_many_documents"
    status = 409


class DocumentKnown(BadRequest):
    """The same file is attached already."""

    code = "document_known"
    status = 409


class DocumentNotFound(ServerError):
    """No such document of this session."""

    code = "document_not_found"
    status = 404


@dataclass(frozen=True, slots=True)
class Offered:
    """A document as somebody gives it."""

    content: bytes
    name: str
    """Of the file."""
    who: str = ""
    purpose: Purpose = "auto"
    """``auto``: an agenda if it says so."""


async def attach(editor: Editor, tenant: str, session: str, offered: Offered) -> Recorded:
    """Read a document and put it on record; names are listened for from then on.

    Raises:
        SessionNotFound, SessionBusy, StorageFailed.
        DocumentUnreadable, DocumentTooLong: see `documents.extraction`.
        DocumentKnown, TooManyDocuments.
    """
    found = await read_offered(offered)

    def made(now: Shelved) -> DocumentAttached:
        state = now.state
        if any(one.digest == found.digest for one in state.documents):
            raise DocumentKnown("this document is attached to the session already")
        if len(state.documents) >= MAX_ATTACHED or state.documents_count >= _MAX_EVER:
            raise TooManyDocuments(f"a session has at most {MAX_ATTACHED} documents")
        return replace(found, number=state.documents_count + 1)

    return await editor.add(tenant, session, made)


async def read_offered(offered: Offered) -> DocumentAttached:
    """Return what a document gives; it has no number yet.

    Raises:
        DocumentUnreadable, DocumentTooLong: see `documents.extraction`.
    """
    paragraphs = await extract(offered.content)
    size = sum(len(one.text) for one in paragraphs)
    if size > MAX_ATTACHED_CHARS:
        raise DocumentTooLong(
            f"a document of a session has at most {MAX_ATTACHED_CHARS:,} characters of text; "
            "attach the part that matters"
        )
    return await asyncio.to_thread(_read, offered, paragraphs)


async def detach(editor: Editor, tenant: str, session: str, number: int, *, who: str) -> Recorded:
    """Take a document back: nothing comes of it from then on.

    Raises:
        SessionNotFound, SessionBusy, StorageFailed, DocumentNotFound.
    """

    def made(now: Shelved) -> DocumentDetached:
        if all(one.number != number for one in now.state.documents):
            raise DocumentNotFound("no such document is attached to the session")
        return DocumentDetached(number, one_line(who)[:_WHO_CHARS])

    return await editor.add(tenant, session, made)


def _read(offered: Offered, paragraphs: tuple[Paragraph, ...]) -> DocumentAttached:
    """Find what a document gives (pure, and some tens of milliseconds)."""
    name = one_line(offered.name).replace("\\", "/").rpartition("/")[2][:_NAME_CHARS] or "document"
    certain = offered.purpose == "agenda" or (
        offered.purpose == "auto" and says_agenda(name, paragraphs)
    )
    language = document_language(paragraphs, "")
    return DocumentAttached(
        number=0,
        who=one_line(offered.who)[:_WHO_CHARS],
        name=name,
        digest=hashlib.sha256(offered.content).hexdigest(),
        size_bytes=len(offered.content),
        pages=paragraphs[-1].page,
        language=language,
        paragraphs=paragraphs,
        terms=document_terms(paragraphs, language),
        agenda=agenda_of(paragraphs, certain=True) if certain else (),
    )
