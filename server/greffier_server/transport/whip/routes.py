"""HTTP of WHIP (RFC 9725): an offer makes a publication, which is changed and ended at its URL."""

from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, FastAPI, Header, Query, Request
from starlette.responses import Response

from greffier.protocol import AudioProfile, ChannelUse, Resume, Start
from greffier_server.settings import Settings
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.guest import Doorway
from greffier_server.transport.parameters import Tenant
from greffier_server.transport.refusals import FrameTooLarge, OriginRefused
from greffier_server.transport.whip.publications import Publications
from greffier_server.transport.whip.refusals import NotAnOffer
from greffier_server.transport.whip.sdp import parse_fragment, parse_offer

__all__ = ["RESUME_HEADER", "SESSION_HEADER", "add_whip_routes"]

SESSION_HEADER: Final = "Greffier-Session"
"""Of the answer: id of the session, to watch it or to read it later."""
RESUME_HEADER: Final = "Greffier-Resume"
"""Of the answer: token with which the session is resumed; of the request that resumes it."""
_MAX_BODY: Final = 65_536
_OFFER: Final = "application/sdp"
_FRAGMENT: Final = "application/trickle-ice-sdpfrag"
_EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not listened on
_PREFLIGHT_S: Final = 600


def add_whip_routes(app: FastAPI, settings: Settings) -> Publications:
    """Add the routes; `Doorway` is in ``app.state``. Whoever calls closes what is returned."""
    addresses = settings.webrtc.addresses
    if not addresses and settings.host not in _EVERYWHERE:
        addresses = (settings.host.strip("[]"),)
    if addresses == ("localhost",):
        addresses = ("127.0.0.1",)
    publications = Publications(
        cast("Doorway", app.state.doorway), settings.webrtc, addresses=addresses
    )
    app.state.publications = publications
    app.include_router(_routes)
    return publications


_routes = APIRouter(
    prefix="/v1/whip",
    tags=["webrtc"],
    responses={
        status: {"model": ErrorBody, "description": description}
        for status, description in {
            400: "Not an offer, or a parameter that cannot be used.",
            401: "No token was given.",
            403: "The token is not one of this server's, or a page of another site asks.",
            404: "No such session to go on with.",
            409: "The session has ended, and cannot be gone on with.",
            413: "The body is too long.",
            415: "The body has another media type.",
            421: "Not a name of this server.",
            422: "Nothing in the offer that the server takes, or a parameter is out of range.",
            429: "Too many wrong tokens for the session.",
            500: "The server failed.",
            501: "This server has no WebRTC.",
            503: "No room, or the models are not loaded.",
            507: "Storage failed.",
        }.items()
    },
)
_CHANGES: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorBody, "description": "No such publication, or it has ended."},
    412: {"model": ErrorBody, "description": "ICE was restarted in the meantime."},
    428: {"model": ErrorBody, "description": "If-Match is missing."},
}


def _body(media_type: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}}}
    return {"requestBody": {"required": True, "content": content}}


@_routes.post(
    "",
    summary="Publish by WebRTC",
    status_code=201,
    response_class=Response,
    responses={201: {"content": {_OFFER: {"schema": {"type": "string"}}}}},
    openapi_extra=_body(_OFFER),
)
async def publish(
    request: Request,
    tenant: Tenant,
    language: Annotated[str, Query(description="Of the speech, or auto.")] = "auto",
    translate_to: Annotated[str, Query(description="Languages, with commas between.")] = "",
    title: Annotated[str, Query(description="Of the session.")] = "",
    channels: Annotated[
        ChannelUse | None, Query(description="`separate` by default where several tracks come.")
    ] = None,
    speakers: Annotated[str, Query(description="Names of the tracks, commas between.")] = "",
    minutes: Annotated[bool, Query(description="Write minutes at the end.")] = True,
    profile: Annotated[AudioProfile | None, Query(description="Kind of audio.")] = None,
    session: Annotated[
        str, Query(description="Go on with this session; `Greffier-Resume` holds its token.")
    ] = "",
    after_seq: Annotated[
        int, Query(ge=0, description="Of the resumed session: last event that was seen.")
    ] = 0,
    token: Annotated[
        str, Header(alias=RESUME_HEADER, description="Of the answer that began the session.")
    ] = "",
) -> Response:
    """Body: an SDP offer. Answer: the SDP answer, and where the publication is (``Location``).

    After a lost connection, or a restart of the server, the same request with `session` and its
    token goes on with the session: what was said meanwhile is a gap.
    """
    publications = _publications(request)
    text = await _text(request, _OFFER)
    if channels is None:
        channels = "separate" if len(parse_offer(text).audio) > 1 else "mix"
    start = Start(
        language=language,
        translate_to=_listed(translate_to),
        title=title,
        channels=channels,
        speakers=_listed(speakers),
        minutes=minutes,
        profile=profile,
    )
    if session:
        resume = Resume(session, token, after_seq=after_seq)
        address = request.client.host if request.client is not None else ""
        publication = await publications.resume(tenant, text, start, resume, address=address)
    else:
        publication = await publications.open(tenant, text, start)
    headers = {
        "Location": f"/v1/whip/{publication.id}",
        "ETag": publication.etag,
        "Accept-Patch": _FRAGMENT,
        "Cache-Control": "no-store",
        SESSION_HEADER: publication.session,
        RESUME_HEADER: publication.token,
        **_links(publications),
        **_cors(request),
    }
    return Response(publication.answer, 201, headers, media_type=_OFFER)


@_routes.patch(
    "/{publication}",
    summary="More candidates, or an ICE restart",
    response_class=Response,
    responses={204: {"description": "Candidates were taken."}, **_CHANGES},
    openapi_extra=_body(_FRAGMENT),
)
async def change(request: Request, tenant: Tenant, publication: str) -> Response:
    """Body: an SDP fragment (RFC 8840). New credentials restart ICE; the answer has ours."""
    publications = _publications(request)
    found = publications.get(tenant, publication)
    fragment = parse_fragment(await _text(request, _FRAGMENT))
    answer = await found.change(fragment, if_match=request.headers.get("if-match"))
    headers = {"ETag": found.etag, "Cache-Control": "no-store", **_cors(request)}
    if answer is None:
        return Response(status_code=204, headers=headers)
    return Response(answer, 200, headers, media_type=_FRAGMENT)


@_routes.delete(
    "/{publication}", summary="End a publication", response_class=Response, responses=_CHANGES
)
async def finish(request: Request, tenant: Tenant, publication: str) -> Response:
    """The session is finished: all that came is worked on."""
    await _publications(request).end(tenant, publication)
    return Response(headers=_cors(request))


@_routes.options("", include_in_schema=False)
@_routes.options("/{publication}", include_in_schema=False)
async def preflight(request: Request) -> Response:
    """What a browser asks before it sends a token (Fetch, CORS preflight): needs no token.

    GStreamer asks so, too, which servers it may use.
    """
    cors = _cors(request)
    links = _links(cast("Publications", request.app.state.publications))
    if cors:
        cors |= {
            "Access-Control-Allow-Methods": "POST, PATCH, DELETE",
            "Access-Control-Allow-Headers": (
                f"Authorization, Content-Type, If-Match, {RESUME_HEADER}"
            ),
            "Access-Control-Max-Age": str(_PREFLIGHT_S),
        }
    return Response(status_code=204, headers={"Accept-Post": _OFFER, **links, **cors})


def _publications(request: Request) -> Publications:
    publications = cast("Publications", request.app.state.publications)
    publications.doorway.gate.check_origin(request)
    return publications


def _links(publications: Publications) -> dict[str, str]:
    """Servers that clients may use (RFC 9725 §4.6); credentials are told to nobody."""
    stun = publications.settings.stun
    return {} if stun is None else {"Link": f'<{stun}>; rel="ice-server"'}


def _cors(request: Request) -> dict[str, str]:
    """Headers for a page of another origin that may ask."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    try:
        cast("Publications", request.app.state.publications).doorway.gate.check_origin(request)
    except OriginRefused:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": (
            f"Location, ETag, Link, {SESSION_HEADER}, {RESUME_HEADER}"
        ),
        "Vary": "Origin",
    }


async def _text(request: Request, media_type: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != media_type:
        raise NotAnOffer(f"send the body as {media_type}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BODY:
            raise FrameTooLarge(f"the body has at most {_MAX_BODY} bytes")
    return body.decode("utf-8", "replace")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
