"""The first message of a WebSocket, and the limits on what it may ask for."""

import re
from typing import Final

from greffier.codec import UnknownMessage, decode_client
from greffier.errors import MalformedFrame
from greffier.protocol import AudioFormat, ClientMessage, Start, Watch
from greffier_server.core.channels import check_speakers
from greffier_server.errors import (
    MalformedMessage,
    UnexpectedMessage,
    UnknownLanguage,
    UnsupportedAudio,
)
from greffier_server.transport.refusals import UnknownMessageType

__all__ = ["SESSION_ID", "check_format", "check_start", "check_watch", "parse", "parse_first"]

SESSION_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_RATES = range(8_000, 192_001)
_CHANNELS = range(1, 9)
_MAX_TITLE_CHARS = 500
_MAX_LANGUAGES = 32
_MAX_TERMS = 2_000
_MAX_TERM_CHARS = 200
_MAX_TERM_FORMS = 64
_MAX_TOKEN_CHARS = 512


def parse(frame: str) -> ClientMessage:
    """Read a text frame.

    Raises:
        MalformedMessage: not a message of the protocol.
        UnknownMessageType: a type of another version.
        UnsupportedAudio: a ``start`` with an encoding that is not known.
    """
    try:
        message = decode_client(frame)
    except MalformedFrame as error:
        # str(error) names the field and the rule, and never repeats what was sent.
        if str(error).startswith("start.format.encoding"):
            raise UnsupportedAudio(str(error)) from None
        raise MalformedMessage(str(error)) from None
    if isinstance(message, UnknownMessage):
        raise UnknownMessageType("this server does not know this type of message; it was ignored")
    return message


def parse_first(frame: str | bytes) -> Start | Watch:
    """Read the message that says what the connection is for, and check it.

    Raises:
        MalformedMessage, UnknownMessageType, UnsupportedAudio, UnknownLanguage: as in `parse`, and
            for values out of range.
        UnexpectedMessage: anything but ``start`` or ``watch``.
    """
    if isinstance(frame, bytes):
        raise UnexpectedMessage("audio came before start; send start first")
    message = parse(frame)
    match message:
        case Start():
            check_start(message)
        case Watch():
            check_watch(message)
        case _:
            raise UnexpectedMessage("the first message must be start or watch")
    return message


def check_format(audio: AudioFormat) -> None:
    """Check rate and channels.

    Raises:
        UnsupportedAudio: out of range.
    """
    if audio.rate not in _RATES:
        raise UnsupportedAudio(
            f"start.format.rate: must be {_RATES.start} to {_RATES.stop - 1} samples a second"
        )
    if audio.channels not in _CHANNELS:
        raise UnsupportedAudio("start.format.channels: must be 1 to 8")


def check_start(start: Start) -> None:
    """Check what a session is asked to do.

    Raises:
        UnsupportedAudio, UnknownLanguage, MalformedMessage: out of range, or speakers of channels
            that there are not.
    """
    check_format(start.format)
    if start.language != "auto":
        _check_language(start.language, "start.language")
    if start.minutes_language is not None:
        _check_language(start.minutes_language, "start.minutes_language")
    _check_languages(start.translate_to, "start.translate_to")
    if len(start.title) > _MAX_TITLE_CHARS:
        raise MalformedMessage(f"start.title: has at most {_MAX_TITLE_CHARS} characters")
    if len(start.glossary) > _MAX_TERMS:
        raise MalformedMessage(f"start.glossary: has at most {_MAX_TERMS} terms")
    for term in start.glossary:
        _check_languages(tuple(term.translations), "start.glossary.translations")
        if term.language:
            _check_language(term.language, "start.glossary.language")
        texts = (term.term, *term.translations.values(), *term.variants, *term.pronunciation)
        if len(texts) > _MAX_TERM_FORMS:
            raise MalformedMessage(f"start.glossary: a term has at most {_MAX_TERM_FORMS} forms")
        if not term.term.strip() or any(len(text) > _MAX_TERM_CHARS for text in texts):
            raise MalformedMessage(f"start.glossary: a term has 1 to {_MAX_TERM_CHARS} characters")
    check_speakers(start)
    if start.continues is not None:
        _check_session(start.continues.session, "start.continues.session")
        if start.continues.from_ms < 0:
            raise MalformedMessage("start.continues.from_ms: is not negative")
    if start.resume is not None:
        _check_session(start.resume.session, "start.resume.session")
        if len(start.resume.token) > _MAX_TOKEN_CHARS:
            raise MalformedMessage("start.resume.token: is too long")
        if start.resume.from_sample < 0 or start.resume.after_seq < 0:
            raise MalformedMessage("start.resume: from_sample and after_seq are not negative")


def check_watch(watch: Watch) -> None:
    """Check what a viewer asks for.

    Raises:
        MalformedMessage, UnknownLanguage: out of range.
    """
    _check_session(watch.session, "watch.session")
    if watch.after_seq < 0:
        raise MalformedMessage("watch.after_seq: is not negative")
    _check_languages(watch.languages or (), "watch.languages")


def _check_session(session: str, where: str) -> None:
    if not SESSION_ID.fullmatch(session):
        raise MalformedMessage(f"{where}: is not a session's id")


def _check_languages(languages: tuple[str, ...], where: str) -> None:
    if len(languages) > _MAX_LANGUAGES:
        raise MalformedMessage(f"{where}: has at most {_MAX_LANGUAGES} languages")
    for language in languages:
        _check_language(language, where)


def _check_language(language: str, where: str) -> None:
    if not _LANGUAGE.fullmatch(language):
        raise UnknownLanguage(f"{where}: write a language as its ISO 639-1 code, such as fr")
