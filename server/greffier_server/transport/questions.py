"""HTTP: questions to a session, or to all of a tenant's sessions, answered with citations."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from greffier_server.core.answers import MAX_QUESTION_CHARS, Answer, Sentence
from greffier_server.core.answers_sources import Source
from greffier_server.core.languages import canonical
from greffier_server.errors import BadRequest, UnknownLanguage
from greffier_server.pipeline.answering import Answering, OneAtATime
from greffier_server.services import Services
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.http import SessionId, Tenant
from greffier_server.transport.kept import REFUSALS, Kept, SameSite
from greffier_server.transport.model_use import places_of, while_there

__all__ = [
    "MODEL_REFUSALS",
    "AnswerBody",
    "CitationBody",
    "QuestionBody",
    "add_question_routes",
    "asked_language",
]

MODEL_REFUSALS: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    429: {"model": ErrorBody, "description": "The tenant's last request is still running."},
    502: {"model": ErrorBody, "description": "The language model answered with junk."},
    503: {"model": ErrorBody, "description": "The language model does not answer."},
}
_routes = APIRouter(prefix="/v1", tags=["texts"], responses=MODEL_REFUSALS)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class QuestionBody(_Body):
    """What somebody wants to know."""

    question: Annotated[str, Field(min_length=1, max_length=MAX_QUESTION_CHARS)]
    language: Annotated[str | None, Field(max_length=16)] = None
    """Of the answer; that of the question when absent."""


class CitationBody(_Body):
    """Where it was said."""

    session: str
    segment: int
    start_ms: int
    end_ms: int
    speaker: str
    language: str
    text: str

    @classmethod
    def of(cls, source: Source) -> "CitationBody":
        """Publish a source."""
        segment = source.segment
        return cls(
            session=source.session,
            segment=segment.id,
            start_ms=segment.start_ms,
            end_ms=segment.end_ms,
            speaker=segment.speaker or "",
            language=segment.language,
            text=segment.text,
        )


class SentenceBody(_Body):
    """A sentence of an answer."""

    text: str
    verified: bool = True
    """Always: what could not be verified is left out, or stands as a quotation."""
    cites: tuple[CitationBody, ...]

    @classmethod
    def of(cls, sentence: Sentence) -> "SentenceBody":
        """Publish a sentence."""
        cites = tuple(map(CitationBody.of, sentence.cites))
        return cls(text=sentence.text, cites=cites)


class AnswerBody(_Body):
    """What was said about it, or that nothing was."""

    said: bool
    """False: no passage found gives an answer; there are no sentences then."""
    language: str
    sentences: tuple[SentenceBody, ...]
    unheard: tuple[str, ...]
    """Words of the question that nobody has said in the passages found."""
    pending: int
    """Sessions that are not in the index yet, and were not looked into."""

    @classmethod
    def of(cls, answer: Answer, *, pending: int = 0) -> "AnswerBody":
        """Publish an answer."""
        return cls(
            said=answer.said,
            language=answer.language,
            sentences=tuple(map(SentenceBody.of, answer.sentences)),
            unheard=answer.unheard,
            pending=pending,
        )


def add_question_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.state.model_places = OneAtATime()
    app.include_router(_routes)


def asked_language(code: str | None) -> str | None:
    """Return the known code for what was asked.

    Raises:
        UnknownLanguage: there is none.
    """
    if code is None:
        return None
    known = canonical(code)
    if known is None:
        raise UnknownLanguage("language is not a language code this server knows")
    return known


def _answering(request: Request, kept: Kept) -> Answering:
    services = cast("Services", request.app.state.services)
    return Answering(services.generator, kept.shelf, kept.search, places=places_of(request))


Answers = Annotated[Answering, Depends(_answering)]


@_routes.post("/sessions/{session}/questions", summary="Ask a session", dependencies=[SameSite])
async def ask_session(
    request: Request, tenant: Tenant, answers: Answers, session: SessionId, body: QuestionBody
) -> AnswerBody:
    """The answer, each sentence with the passages that bear it out, or that it was not said."""
    work = answers.ask(
        tenant, _asked(body), session=session, language=asked_language(body.language)
    )
    answer = await while_there(request, work)
    return AnswerBody.of(answer or Answer(""))


@_routes.post("/questions", summary="Ask all sessions", dependencies=[SameSite])
async def ask_all(
    request: Request, tenant: Tenant, answers: Answers, kept: Kept, body: QuestionBody
) -> AnswerBody:
    """As of one session; the four whose words are nearest to the question are read."""
    work = answers.ask(tenant, _asked(body), language=asked_language(body.language))
    answer = await while_there(request, work)
    return AnswerBody.of(answer or Answer(""), pending=await kept.search.pending(tenant))


def _asked(body: QuestionBody) -> str:
    question = " ".join(body.question.split())
    if not any(char.isalnum() for char in question):
        raise BadRequest("ask a question in words")
    return question
