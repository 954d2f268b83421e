"""The form that a recording comes in, read and checked."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, cast

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from greffier.protocol import GlossaryTerm, Start
from greffier_server.transport.openai.errors import ParameterRefused
from greffier_server.transport.openai.hints import language_of, terms_of
from greffier_server.transport.sealed_file import SealedFile
from greffier_server.transport.sealed_form import SealedFormParser
from greffier_server.transport.uploads import Uploads

__all__ = ["Form", "ResponseFormat", "read_form"]

_MAX_FIELDS: Final = 128
_MAX_FIELD_BYTES: Final = 65_536
_MAX_TITLE_CHARS: Final = 200
_TRUE: Final = frozenset({"true", "1", "yes", "on"})


class ResponseFormat(StrEnum):
    """How the text is given back."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"
    DIARIZED_JSON = "diarized_json"


@dataclass(frozen=True, slots=True)
class Form:
    """What is asked for; fields that are not named here are not read."""

    recording: SealedFile
    model: str
    language: str
    """Code, or ``auto``."""
    terms: tuple[GlossaryTerm, ...]
    response_format: ResponseFormat
    words: bool
    """Times of words are wanted."""
    segments: bool
    """Segments are wanted."""
    logprobs: bool
    stream: bool
    title: str
    """Name of the file."""

    def start(self, *, translate_to: tuple[str, ...] = ()) -> Start:
        """Return the session that it asks for."""
        return Start(
            language=self.language,
            translate_to=translate_to,
            glossary=self.terms,
            title=self.title,
            minutes=False,
        )


async def read_form(request: Request, uploads: Uploads) -> tuple[FormData, Form]:
    """Read the body; the caller closes the form's data.

    Raises:
        ParameterRefused: not such a form, or a field with a value that cannot be used.
        RecordingTooLarge: the body goes on beyond the limit.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ParameterRefused("send the recording as multipart/form-data", param="file")
    parser = SealedFormParser(
        request.headers,
        uploads.bounded(request.stream()),
        max_files=1,
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        fields = await parser.parse()
    except MultiPartException:
        raise ParameterRefused(
            "the form cannot be read; it holds one file and short fields", param="file"
        ) from None
    try:
        return fields, _checked(fields)
    except ParameterRefused:
        await fields.close()
        raise


def _checked(fields: FormData) -> Form:
    file = fields.get("file")
    recording = cast("object", file.file) if isinstance(file, UploadFile) else None
    if not isinstance(file, UploadFile) or not isinstance(recording, SealedFile):
        raise ParameterRefused("send the recording in the field file", param="file")
    wanted = _many(fields, "timestamp_granularities")
    if not set(wanted) <= {"word", "segment"}:
        raise ParameterRefused("write word, segment or both", param="timestamp_granularities")
    try:
        response_format = ResponseFormat(_text(fields, "response_format") or "json")
    except ValueError:
        raise ParameterRefused(
            f"write one of {', '.join(ResponseFormat)}", param="response_format"
        ) from None
    return Form(
        recording=recording,
        model=_text(fields, "model"),
        language=_language(fields),
        terms=terms_of(
            _text(fields, "prompt"),
            (*_many(fields, "keywords"), *_many(fields, "context_bias")),
        ),
        response_format=response_format,
        words="word" in wanted,
        segments="segment" in wanted or not wanted,
        logprobs="logprobs" in _many(fields, "include"),
        stream=_text(fields, "stream").lower() in _TRUE,
        title="".join(filter(str.isprintable, file.filename or ""))[:_MAX_TITLE_CHARS],
    )


def _language(fields: FormData) -> str:
    one = _text(fields, "language")
    several = _many(fields, "languages")
    if not one and len(several) == 1:
        return language_of(several[0], param="languages")
    return language_of(one)


def _text(fields: FormData, name: str) -> str:
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def _many(fields: FormData, name: str) -> tuple[str, ...]:
    """The values of a field that may come several times, with or without brackets."""
    values = [*fields.getlist(f"{name}[]"), *fields.getlist(name)]
    return tuple(value for value in values if isinstance(value, str) and value)
