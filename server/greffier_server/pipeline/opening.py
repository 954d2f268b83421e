"""How a session begins: what may be asked for, and its first row and first event."""

from collections.abc import Collection

from greffier.protocol import GlossaryTerm, Start
from greffier_server.core.events import SessionStarted
from greffier_server.core.languages import canonical, name
from greffier_server.errors import TranslationUnsupported, UnknownLanguage
from greffier_server.storage.store import SessionRow

__all__ = ["check_languages", "first_event", "first_row"]

_MAX_LANGUAGES = 8


def check_languages(start: Start, spoken: Collection[str], translated: frozenset[str]) -> None:
    """Check the languages that a client asks for.

    Args:
        start: what it asks for.
        spoken: languages that the speech model knows.
        translated: languages that the language model knows; empty = not known, or there is none.

    Raises:
        UnknownLanguage: one is not a language, or not written as one is here.
        TranslationUnsupported: the language model does not translate one.
    """
    if start.language != "auto" and start.language not in spoken:
        raise UnknownLanguage(
            "The speech language is not one the loaded model knows; "
            'use an ISO 639-1 code such as "fr", or "auto".'
        )
    targets = [*start.translate_to]
    if start.minutes_language:
        targets.append(start.minutes_language)
    # One spelling of each language: "en" and "en-GB" would be translated twice into one text.
    if not all(canonical(code) == code for code in targets):
        raise UnknownLanguage(
            "A target language is unknown, or is written with a region; "
            'use ISO 639-1 codes such as "en".'
        )
    if len(set(start.translate_to)) != len(start.translate_to):
        raise UnknownLanguage("A target language is named twice.")
    if len(start.translate_to) > _MAX_LANGUAGES:
        raise UnknownLanguage(f"At most {_MAX_LANGUAGES} target languages a session.")
    if start.translate_to and translated:
        _check_pairs(start, translated)


def _check_pairs(start: Start, languages: frozenset[str]) -> None:
    spoken = canonical(start.language)
    wanted = set(start.translate_to) - {spoken}
    if spoken is not None and wanted:
        wanted.add(spoken)
    unknown = sorted(wanted - languages)
    if unknown:
        raise TranslationUnsupported(
            f"The loaded language model does not translate {', '.join(map(name, unknown))}; "
            f"it knows {', '.join(sorted(languages))}. Leave the language out of "
            "translate_to, or have the server load another model."
        )


def first_row(
    start: Start,
    *,
    tenant: str,
    session: str,
    now_ms: int,
    token_hash: str,
    retention_ms: int | None,
) -> SessionRow:
    """Return the row of a session that begins now."""
    return SessionRow(
        tenant=tenant,
        session=session,
        title=start.title,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
        state="open",
        language="" if start.language == "auto" else start.language,
        translate_to=start.translate_to,
        duration_ms=0,
        last_seq=0,
        token_hash=token_hash,
        expires_at_ms=None if retention_ms is None else now_ms + retention_ms,
    )


def first_event(start: Start, glossary: tuple[GlossaryTerm, ...]) -> SessionStarted:
    """Return the event that says what was asked for; `glossary` holds the tenant's terms too."""
    return SessionStarted(
        format=start.format,
        language=start.language,
        translate_to=start.translate_to,
        glossary=glossary,
        title=start.title,
        minutes=start.minutes,
        minutes_language=start.minutes_language,
        channels=start.channels,
        speakers=start.speakers,
        profile=start.profile,
        spooled=start.spooled,
        continues=start.continues,
        recorded=start.recorded,
    )
