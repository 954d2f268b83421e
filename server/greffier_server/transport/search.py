"""HTTP: full-text search over all that a tenant's sessions say."""

from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict

from greffier_server.core.search import Query as Sought
from greffier_server.core.search import highlights, parse_query
from greffier_server.errors import BadRequest
from greffier_server.storage.search import Found, Scope
from greffier_server.transport.kept import REFUSALS, Kept
from greffier_server.transport.parameters import Tenant

__all__ = ["HitBody", "SearchBody", "add_search_routes"]

_MAX = (1 << 53) - 1
_routes = APIRouter(prefix="/v1", tags=["search"], responses=REFUSALS)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class HitBody(_Body):
    """A passage that holds what was sought."""

    session: str
    title: str
    state: str
    created_at_ms: int
    kind: Literal["title", "speech", "translation", "minutes"]
    segment: int
    """Of the session; of minutes, the number of the sentence."""
    language: str
    start_ms: int
    end_ms: int
    text: str
    highlights: tuple[tuple[int, int], ...]
    """Stretches of `text` that match: from, to, in code points."""

    @classmethod
    def of(cls, found: Found, query: Sought) -> "HitBody":
        """Publish a hit."""
        passage = found.passage
        return cls(
            session=found.row.session,
            title=found.row.title,
            state=found.row.state,
            created_at_ms=found.row.created_at_ms,
            kind=passage.kind,
            segment=passage.segment,
            language=passage.language,
            start_ms=passage.start_ms,
            end_ms=passage.end_ms,
            text=passage.text,
            highlights=tuple(highlights(passage.text, query)),
        )


class SearchBody(_Body):
    """Passages, of the newest sessions first."""

    hits: tuple[HitBody, ...]
    more: bool
    """There are more: ask with a larger `offset`."""
    pending: int
    """Sessions that are not in the index yet; 0 = everything was looked through."""


def add_search_routes(app: FastAPI) -> None:
    """Add the route; it finds `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("/search", summary="Search all text")
async def get_search(
    tenant: Tenant,
    kept: Kept,
    q: Annotated[str, Query(min_length=1, max_length=400, description='Words, "phrases", begin*.')],
    language: Annotated[
        str | None, Query(pattern=r"^[a-z]{2,3}$", description="Only text in this language.")
    ] = None,
    session: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Only this session.")
    ] = None,
    from_ms: Annotated[
        int | None,
        Query(ge=0, le=_MAX, alias="from", description="Sessions begun at or after (ms)."),
    ] = None,
    to_ms: Annotated[
        int | None, Query(ge=0, le=_MAX, alias="to", description="Sessions begun before (ms).")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Hits at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000, description="Hits to leave out.")] = 0,
) -> SearchBody:
    """What was said, its translations, minutes and titles; without case and accents.

    A live session's text is found from the end of each segment on, about a second later.
    """
    query = parse_query(q)
    if not query.clauses:
        raise BadRequest("give at least one word to search for")
    scope = Scope(language, session, from_ms, to_ms, limit + 1, offset)
    found = await kept.search.find(tenant, query, scope)
    return SearchBody(
        hits=tuple(HitBody.of(one, query) for one in found[:limit]),
        more=len(found) > limit,
        pending=await kept.search.pending(tenant),
    )
