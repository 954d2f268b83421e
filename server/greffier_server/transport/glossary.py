"""HTTP: the glossary of a tenant as JSON, CSV or TBX."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, cast

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from greffier.plain import PlainError, from_plain, to_plain
from greffier.protocol import GlossaryTerm
from greffier_server.core.glossary import GlossaryFault, checked
from greffier_server.core.glossary_csv import read_csv, write_csv
from greffier_server.core.glossary_tbx import read_tbx, write_tbx
from greffier_server.errors import BadRequest, ServerError
from greffier_server.storage.glossaries import Glossaries
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.parameters import Parts, Tenant

__all__ = ["GlossaryFormat", "GlossaryReceipt", "add_glossary_routes"]

MAX_BYTES = 4 << 20


class GlossaryFormat(StrEnum):
    """How a glossary is written."""

    JSON = "json"
    CSV = "csv"
    TBX = "tbx"


_MEDIA = {
    GlossaryFormat.JSON: "application/json",
    GlossaryFormat.CSV: "text/csv; charset=utf-8",
    GlossaryFormat.TBX: "application/x-tbx+xml",
}
_WRITERS: dict[GlossaryFormat, Callable[[Sequence[GlossaryTerm]], str]] = {
    GlossaryFormat.JSON: lambda terms: json.dumps({"terms": to_plain(terms)}, ensure_ascii=False),
    GlossaryFormat.CSV: write_csv,
    GlossaryFormat.TBX: write_tbx,
}
_XML = frozenset({"application/x-tbx+xml", "application/tbx+xml", "application/xml", "text/xml"})
_routes = APIRouter(
    prefix="/v1/glossary",
    tags=["glossary"],
    responses={
        401: {"model": ErrorBody, "description": "No token was given."},
        403: {"model": ErrorBody, "description": "The token is not one of this server's."},
        413: {"model": ErrorBody, "description": "Too large."},
        415: {"model": ErrorBody, "description": "Neither JSON nor CSV nor TBX."},
        422: {"model": ErrorBody, "description": "A term cannot be used; none was changed."},
        501: {"model": ErrorBody, "description": "This server keeps no glossaries."},
        507: {"model": ErrorBody, "description": "Storage failed."},
    },
)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media.partition(";")[0]: {
                "schema": {"type": "array", "items": {"type": "object"}}
                if media.endswith("json")
                else {"type": "string"}
            }
            for media in _MEDIA.values()
        },
    }
}


class GlossaryInvalid(BadRequest):
    """A term, or the file, cannot be used."""

    code = "glossary_invalid"
    status = 422


class GlossaryTooLarge(BadRequest):
    """The body is above the limit."""

    code = "request_too_large"
    status = 413


class GlossaryFormatUnknown(BadRequest):
    """A content type that holds no glossary."""

    code = "unsupported_media_type"
    status = 415


class NoGlossaries(ServerError):
    """This server keeps no glossaries of tenants."""

    code = "no_glossaries"
    status = 501


class GlossaryReceipt(BaseModel):
    """What a change has done."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    received: int
    """Terms in the request, or terms deleted."""
    total: int
    """Terms the tenant has now."""


@dataclass(frozen=True, slots=True)
class _Terms:
    terms: tuple[GlossaryTerm, ...]


Language = Annotated[
    str,
    Query(
        pattern=r"^$|^[a-z]{2,3}$",
        description="Language of the terms looked for, where a TBX file does not say it.",
    ),
]


def add_glossary_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get(
    "",
    summary="Read the glossary",
    response_class=Response,
    responses={200: {"content": {media: {} for media in _MEDIA.values()}, "description": "Terms."}},
)
async def get_glossary(
    tenant: Tenant,
    parts: Parts,
    form: Annotated[
        GlossaryFormat, Query(alias="format", description="How it is written.")
    ] = GlossaryFormat.JSON,
) -> Response:
    """Every term of the token's tenant, by spelling."""
    terms = await _kept(parts.glossaries).terms(tenant)
    return Response(_WRITERS[form](terms), media_type=_MEDIA[form])


@_routes.put("", summary="Replace the glossary", openapi_extra=_BODY)
async def put_glossary(
    request: Request, tenant: Tenant, parts: Parts, language: Language = ""
) -> GlossaryReceipt:
    """The body takes the place of all terms; nothing is changed when one cannot be used."""
    return await _store(request, tenant, parts.glossaries, language, replace=True)


@_routes.post("", summary="Add terms", openapi_extra=_BODY)
async def post_glossary(
    request: Request, tenant: Tenant, parts: Parts, language: Language = ""
) -> GlossaryReceipt:
    """Terms of the same spelling and language are replaced; nothing is changed when one fails."""
    return await _store(request, tenant, parts.glossaries, language, replace=False)


@_routes.delete("", summary="Delete terms")
async def delete_glossary(
    tenant: Tenant,
    parts: Parts,
    term: Annotated[
        str | None, Query(max_length=200, description="Only this term; all when absent.")
    ] = None,
    language: Annotated[
        str, Query(pattern=r"^$|^[a-z]{2,3}$", description="Its language, where it has one.")
    ] = "",
) -> GlossaryReceipt:
    """One term, or all of them."""
    kept = _kept(parts.glossaries)
    chosen = None if term is None else [GlossaryTerm(term, language=language)]
    removed = await kept.remove(tenant, chosen)
    return GlossaryReceipt(received=removed, total=len(await kept.terms(tenant)))


async def _store(
    request: Request, tenant: str, glossaries: Glossaries | None, language: str, *, replace: bool
) -> GlossaryReceipt:
    kept = _kept(glossaries)
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    body = await _read(request)
    try:
        terms = await asyncio.to_thread(_parse, body, media.lower(), language)
        total = await kept.put(tenant, terms, replace=replace)
    except GlossaryFault as fault:
        raise GlossaryInvalid(str(fault)) from None
    return GlossaryReceipt(received=len(terms), total=total)


def _kept(glossaries: Glossaries | None) -> Glossaries:
    if glossaries is None:
        raise NoGlossaries("This server keeps no glossaries; give each session its own.")
    return glossaries


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise GlossaryTooLarge(f"a glossary file has at most {MAX_BYTES >> 20} MiB")
    return bytes(body)


def _parse(body: bytes, media: str, language: str) -> list[GlossaryTerm]:
    if media in _XML:
        return read_tbx(body, source=language)
    if media not in ("text/csv", "application/json"):
        raise GlossaryFormatUnknown(
            "send a glossary as application/json, text/csv or application/x-tbx+xml"
        )
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GlossaryFault("the file is not UTF-8; save it as CSV UTF-8") from None
    return read_csv(text) if media == "text/csv" else _from_json(text)


def _from_json(text: str) -> list[GlossaryTerm]:
    try:
        given: object = json.loads(text)
    except (ValueError, RecursionError):
        raise GlossaryFault("the body is not JSON") from None
    whole = cast("object", given) if isinstance(given, dict) else {"terms": given}
    try:
        terms = from_plain(_Terms, whole, where="glossary").terms
    except PlainError as error:
        raise GlossaryFault(str(error)) from None
    return [checked(term) for term in terms]
