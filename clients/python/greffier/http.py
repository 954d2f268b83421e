"""Stored sessions over HTTP: list, read, export, delete (standard library, in a thread)."""

import asyncio
import json
import ssl as tls
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Literal, NoReturn, cast
from urllib.parse import quote, urlencode

from greffier._version import __version__
from greffier.address import ServerAddress
from greffier.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ProtocolViolation,
    ServerRefused,
)
from greffier.plain import PlainError, from_plain
from greffier.protocol import Minutes

__all__ = ["Archive", "CaptionFormat", "DocumentFormat", "GlossaryFormat", "Purpose", "Revision"]

CaptionFormat = Literal["srt", "vtt", "txt", "json", "ass", "ttml"]
DocumentFormat = Literal["md", "txt", "html", "docx", "pdf", "csv"]
Revision = Literal["live", "second"]
GlossaryFormat = Literal["json", "csv", "tbx"]
Purpose = Literal["auto", "agenda", "briefing"]

_GLOSSARY_MEDIA: dict[GlossaryFormat, str] = {
    "json": "application/json",
    "csv": "text/csv",
    "tbx": "application/x-tbx+xml",
}

_TIMEOUT_S = 60.0
_MODEL_TIMEOUT_S = 180.0
"""For what a language model does; the server gives up sooner."""
_DOCUMENT_TIMEOUT_S = 960.0
"""For minutes that must be translated first, and reports of several sessions."""
_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """The sessions a server keeps, as far as the token may see them.

    Every call raises `ConnectionFailed` when nobody answers, `AuthenticationFailed` and
    `ServerRefused` with the server's own code, and `ProtocolViolation` when the answer is not what
    the interface promises.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ssl: tls.SSLContext | None = field(default=None, repr=False)

    async def sessions(self) -> list[dict[str, object]]:
        """Return the sessions, as the server describes them."""
        answer = await self._json("GET", "/v1/sessions")
        if isinstance(answer, dict):
            answer = cast("dict[str, object]", answer).get("sessions")
        if not isinstance(answer, list):
            raise ProtocolViolation("the server's list of sessions is not a list")
        rows = cast("list[object]", answer)
        return [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]

    async def session(self, session: str) -> dict[str, object]:
        """Return one session's description."""
        return _object(await self._json("GET", f"/v1/sessions/{_segment(session)}"))

    async def captions(
        self, session: str, form: CaptionFormat, *, revision: Revision | None = None
    ) -> str:
        """Return the captions as a file of that format; of the second pass where there is one."""
        path = f"/v1/sessions/{_segment(session)}/captions?format={form}"
        if revision is not None:
            path += f"&revision={revision}"
        return await self._text("GET", path)

    async def translation(self, session: str, language: str, form: CaptionFormat) -> str:
        """Return the captions of one translation as a file of that format."""
        path = f"/v1/sessions/{_segment(session)}/translations/{_segment(language)}?format={form}"
        return await self._text("GET", path)

    async def minutes(self, session: str) -> Minutes:
        """Return the minutes as values."""
        answer = _object(
            await self._json("GET", f"/v1/sessions/{_segment(session)}/minutes?format=json")
        )
        try:
            return from_plain(Minutes, {"seq": 0, **answer}, where="minutes")
        except PlainError as error:
            raise ProtocolViolation(str(error)) from None

    async def minutes_markdown(self, session: str) -> str:
        """Return the minutes as a Markdown document."""
        return await self._text("GET", f"/v1/sessions/{_segment(session)}/minutes?format=md")

    async def document(
        self,
        session: str,
        form: DocumentFormat,
        *,
        kind: str | None = None,
        language: str | None = None,
        marking: str | None = None,
        every_minutes: int | None = None,
        sources: bool = False,
    ) -> bytes:
        """Return a document as a file: the minutes, or another `kind` the server knows.

        Args:
            session: its id.
            form: the file format.
            kind: such as ``proces-verbal`` or ``main-courante``; the minutes when absent.
            language: of the document; that of the minutes when absent. Minutes in another
                language are translated when they are asked for, which takes a model its time.
            marking: classification marking on each page; the server's own when absent.
            every_minutes: length of a digest's stretches.
            sources: add the passages that sentences rest on.
        """
        asked: dict[str, str] = {"format": form}
        if kind is not None:
            asked["kind"] = kind
        if language is not None:
            asked["language"] = language
        if marking is not None:
            asked["marking"] = marking
        if every_minutes is not None:
            asked["every_minutes"] = str(every_minutes)
        if sources:
            asked["sources"] = "true"
        path = f"/v1/sessions/{_segment(session)}/minutes?{urlencode(asked)}"
        timeout_s = _TIMEOUT_S if language is None else _DOCUMENT_TIMEOUT_S
        return await asyncio.to_thread(self._bytes, "GET", path, timeout_s=timeout_s)

    async def ask_second_pass(self, session: str, *, minutes: bool = False) -> dict[str, object]:
        """Have the recording read again when the server is idle, and the minutes redone."""
        path = f"/v1/sessions/{_segment(session)}/second-pass"
        return _object(await self._json("POST", f"{path}?minutes={str(minutes).lower()}"))

    async def second_pass(self, session: str) -> dict[str, object]:
        """Return what became of the second pass."""
        return _object(await self._json("GET", f"/v1/sessions/{_segment(session)}/second-pass"))

    async def ask(
        self, question: str, *, session: str | None = None, language: str | None = None
    ) -> dict[str, object]:
        """Return the answer to a question, from one session or from all."""
        asked = {"question": question} | ({} if language is None else {"language": language})
        body = ("application/json", json.dumps(asked).encode())
        path = "/v1/questions" if session is None else f"/v1/sessions/{_segment(session)}/questions"
        return _object(await self._json("POST", path, body=body, timeout_s=_MODEL_TIMEOUT_S))

    async def redo_minutes(self, session: str) -> dict[str, object]:
        """Have the minutes of a finished session written anew, from the corrected text."""
        return _object(await self._json("POST", f"/v1/sessions/{_segment(session)}/minutes"))

    async def attach(
        self, session: str, name: str, content: bytes, *, who: str = "", purpose: Purpose = "auto"
    ) -> dict[str, object]:
        """Attach a document to a session: PDF, DOCX, Markdown or text; return what it gives.

        Args:
            session: its id; live or finished.
            name: of the file.
            content: of the file.
            who: attaches it.
            purpose: ``agenda``: the minutes go by its points; ``auto``: where it says that it is
                one. Names in it are listened for in any case.
        """
        asked = {"name": name, "purpose": purpose} | ({"who": who} if who else {})
        path = f"/v1/sessions/{_segment(session)}/attachments?{urlencode(asked)}"
        body = ("application/octet-stream", content)
        return _object(await self._json("POST", path, body=body, timeout_s=_MODEL_TIMEOUT_S))

    async def attachments(self, session: str) -> list[dict[str, object]]:
        """Return the documents of a session, without their text."""
        path = f"/v1/sessions/{_segment(session)}/attachments"
        listed = _object(await self._json("GET", path)).get("attachments")
        if not isinstance(listed, list):
            raise ProtocolViolation("the server's list of documents is not a list")
        rows = cast("list[object]", listed)
        return [cast("dict[str, object]", row) for row in rows if isinstance(row, dict)]

    async def attachment(self, session: str, number: int) -> dict[str, object]:
        """Return a document of a session with its text."""
        path = f"/v1/sessions/{_segment(session)}/attachments/{number}"
        return _object(await self._json("GET", path))

    async def detach(self, session: str, number: int, *, who: str = "") -> None:
        """Take a document back: nothing comes of it from then on."""
        path = f"/v1/sessions/{_segment(session)}/attachments/{number}?{urlencode({'who': who})}"
        await self._text("DELETE", path)

    async def synthesis(
        self, sessions: Sequence[str], *, language: str | None = None, title: str = ""
    ) -> dict[str, object]:
        """Return one report of several sessions, each sentence with session and segment."""
        body = _report_of(sessions, language, title)
        answer = self._json(
            "POST", "/v1/synthesis?format=json", body=body, timeout_s=_DOCUMENT_TIMEOUT_S
        )
        return _object(await answer)

    async def synthesis_document(
        self,
        sessions: Sequence[str],
        form: DocumentFormat,
        *,
        language: str | None = None,
        title: str = "",
        marking: str = "",
    ) -> bytes:
        """Return the same report as a file (``csv`` is none of its formats)."""
        body = _report_of(sessions, language, title, marking)
        path = f"/v1/synthesis?format={form}"
        return await asyncio.to_thread(
            self._bytes, "POST", path, body, timeout_s=_DOCUMENT_TIMEOUT_S
        )

    async def delete(self, session: str) -> None:
        """Delete a session and all that is kept of it."""
        await self._text("DELETE", f"/v1/sessions/{_segment(session)}")

    async def glossary(self, form: GlossaryFormat) -> str:
        """Return the tenant's glossary as a file of that format."""
        return await self._text("GET", f"/v1/glossary?format={form}")

    async def import_glossary(
        self, document: bytes, form: GlossaryFormat, *, language: str = "", replace: bool = False
    ) -> dict[str, object]:
        """Add the terms of a file to the tenant's glossary, or put them in place of all."""
        method = "PUT" if replace else "POST"
        path = f"/v1/glossary?language={_segment(language)}"
        return _object(await self._json(method, path, body=(_GLOSSARY_MEDIA[form], document)))

    async def _json(
        self,
        method: str,
        path: str,
        *,
        body: tuple[str, bytes] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> object:
        text = await self._text(method, path, body=body, timeout_s=timeout_s)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ProtocolViolation("the server's answer is not JSON") from None

    async def _text(
        self,
        method: str,
        path: str,
        *,
        body: tuple[str, bytes] | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> str:
        return await asyncio.to_thread(self._request, method, path, body, timeout_s)

    def _request(
        self, method: str, path: str, content: tuple[str, bytes] | None, timeout_s: float
    ) -> str:
        try:
            return self._bytes(method, path, content, timeout_s=timeout_s).decode()
        except UnicodeDecodeError:
            raise ProtocolViolation("the server's answer is not UTF-8") from None

    def _bytes(
        self,
        method: str,
        path: str,
        content: tuple[str, bytes] | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> bytes:
        address = ServerAddress.parse(self.url)
        headers = {"User-Agent": f"greffier/{__version__}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if content is not None:
            headers["Content-Type"] = content[0]
        request = urllib.request.Request(  # noqa: S310  # `ServerAddress` gives http(s) alone
            address.http_url + path,
            data=None if content is None else content[1],
            method=method,
            headers=headers,
        )
        opener = urllib.request.build_opener(
            _WithoutRedirects(),
            urllib.request.HTTPSHandler(context=self.ssl),
            *([urllib.request.ProxyHandler({})] if address.is_loopback else []),
        )
        where = f"{address.host} ({address.http_url})"
        try:
            with opener.open(request, timeout=timeout_s) as response:
                body: bytes = response.read(_MAX_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                _refuse(error.code, error.read(1 << 16), where)
        except (OSError, HTTPException) as error:  # URLError is an OSError
            raise ConnectionFailed(f"cannot reach {where}; is the server running?") from error
        if len(body) > _MAX_BYTES:
            raise ProtocolViolation("the server's answer is too long")
        return body


class _WithoutRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the token elsewhere than the address the user gave."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _segment(text: str) -> str:
    return quote(text, safe="")


def _report_of(
    sessions: Sequence[str], language: str | None, title: str, marking: str = ""
) -> tuple[str, bytes]:
    asked: dict[str, object] = {"sessions": list(sessions), "title": title, "marking": marking}
    if language is not None:
        asked["language"] = language
    return "application/json", json.dumps(asked).encode()


def _object(answer: object) -> dict[str, object]:
    if not isinstance(answer, dict):
        raise ProtocolViolation("the server's answer is not an object")
    return cast("dict[str, object]", answer)


def _refuse(status: int, body: bytes, where: str) -> NoReturn:
    code, message, retryable = f"http_{status}", f"{where} answered HTTP {status}", status >= 500
    try:
        said: object = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict):
        fields = cast("dict[str, object]", said)
        inner = fields.get("error")
        fields = cast("dict[str, object]", inner) if isinstance(inner, dict) else fields
        code = str(fields.get("code") or code)
        message = str(fields.get("message") or message)
        retryable = fields.get("retryable") is True
    kind = AuthenticationFailed if status in (401, 403) else ServerRefused
    raise kind(code, message, retryable=retryable)
