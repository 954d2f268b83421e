"""HTTP: figures of use for those who evaluate the service, and what people think of it."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from greffier_server.archive import Archive
from greffier_server.core.radio import defused
from greffier_server.errors import BadRequest
from greffier_server.storage.usage import Feedback, UsageDay
from greffier_server.transport.kept import REFUSALS, Kept, SameSite
from greffier_server.transport.parameters import Tenant

__all__ = ["UsageBody", "add_usage_routes"]

_routes = APIRouter(prefix="/v1/usage", tags=["usage"], responses=REFUSALS)
_DEFAULT_DAYS = 365
_COMMENT = 2_000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DayBody(_Body):
    """Finished sessions of a day in one language."""

    day: str
    language: str
    """Empty where none was found."""
    sessions: int
    duration_ms: int
    words: int
    corrections: int


class SatisfactionBody(_Body):
    """What people think of the service."""

    count: int
    mean: float | None
    """Of ratings from 1 to 5."""
    ratings: tuple[int, int, int, int, int]
    """How many gave 1, 2, 3, 4 and 5."""
    comments: tuple[str, ...]
    """The newest that are not empty."""


class UsageBody(_Body):
    """Figures of use."""

    from_day: str
    to_day: str
    """Not included."""
    sessions: int
    hours: float
    words: int
    corrections: int
    languages: tuple[str, ...]
    days: tuple[DayBody, ...]
    satisfaction: SatisfactionBody


class FeedbackRequest(_Body):
    """What you think of the service."""

    rating: int = Field(ge=1, le=5)
    comment: str = Field(default="", max_length=_COMMENT)


def add_usage_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


Day = Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}$", description="ISO 8601, UTC.")]


@_routes.get("", summary="Figures of use")
async def get_usage(
    tenant: Tenant, kept: Kept, from_day: Day = None, to_day: Day = None
) -> UsageBody:
    """Finished sessions by day and language; deleting a session leaves its sums."""
    begin, end = _span(kept, from_day, to_day)
    days = await kept.usage.days(tenant, from_day=begin.isoformat(), to_day=end.isoformat())
    given = await kept.usage.given(tenant, from_ms=_ms(begin), to_ms=_ms(end))
    ratings = [one.rating for one in given]
    comments = [one.comment for one in reversed(given) if one.comment]
    one, two, three, four, five = (ratings.count(rating) for rating in range(1, 6))
    return UsageBody(
        from_day=begin.isoformat(),
        to_day=end.isoformat(),
        sessions=sum(day.sessions for day in days),
        hours=round(sum(day.duration_ms for day in days) / 3_600_000, 2),
        words=sum(day.words for day in days),
        corrections=sum(day.corrections for day in days),
        languages=tuple(sorted({day.language for day in days if day.language})),
        days=tuple(DayBody(**{name: getattr(day, name) for name in _COLUMNS}) for day in days),
        satisfaction=SatisfactionBody(
            count=len(ratings),
            mean=round(sum(ratings) / len(ratings), 2) if ratings else None,
            ratings=(one, two, three, four, five),
            comments=tuple(comments[:20]),
        ),
    )


@_routes.get(
    "/csv",
    summary="Figures of use as CSV",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_usage_csv(
    tenant: Tenant, kept: Kept, from_day: Day = None, to_day: Day = None
) -> Response:
    """One line for each day and language, for spreadsheets."""
    begin, end = _span(kept, from_day, to_day)
    days = await kept.usage.days(tenant, from_day=begin.isoformat(), to_day=end.isoformat())
    return Response(
        _csv(days),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="usage-{begin}-{end}.csv"'},
    )


@_routes.post("/feedback", status_code=204, summary="Say what you think", dependencies=[SameSite])
async def post_feedback(tenant: Tenant, kept: Kept, given: FeedbackRequest) -> None:
    """Kept without a name and without a session."""
    now_ms = kept.clock.now_ms()
    await kept.usage.give(tenant, Feedback(now_ms, given.rating, given.comment.strip()))


_COLUMNS = ("day", "language", "sessions", "duration_ms", "words", "corrections")


def _span(kept: Archive, from_day: str | None, to_day: str | None) -> tuple[date, date]:
    today = datetime.fromtimestamp(kept.clock.now_ms() / 1000, UTC).date()
    try:
        end = date.fromisoformat(to_day) if to_day else today + timedelta(days=1)
        begin = date.fromisoformat(from_day) if from_day else end - timedelta(days=_DEFAULT_DAYS)
        if not date(1970, 1, 1) <= begin < end:
            raise ValueError
    except (ValueError, OverflowError):
        raise BadRequest("give days that exist, the first before the last") from None
    return begin, end


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _csv(days: Sequence[UsageDay]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for day in days:
        writer.writerow([defused(str(getattr(day, name))) for name in _COLUMNS])
    return "\ufeff" + text.getvalue()
