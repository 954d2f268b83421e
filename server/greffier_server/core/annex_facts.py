"""What an annex of minutes states of the record itself, in French and in English.

These sentences are no speech and no model's: they are said in the other language by their form.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

__all__ = ["fact", "fact_in"]

_FORMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no_speech": ("Aucune parole n'a été enregistrée.", "No speech was recorded."),
        "gap": ("Enregistrement interrompu : {span}.", "Recording interrupted: {span}."),
        "gaps": (
            "Enregistrement interrompu par moments : {span}, {lost} en tout.",
            "Recording interrupted at times: {span}, {lost} in all.",
        ),
        "withheld": (
            "Passages entendus et non retenus ({reason}) : {count}.",
            "Passages heard and withheld ({reason}): {count}.",
        ),
        "failure": (
            "Traitement incomplet : {stage}, {code} ({count}).",
            "Incomplete processing: {stage}, {code} ({count}).",
        ),
        "orders": (
            "Paroles qui donnent des consignes à la rédaction, laissées de côté : {places}.",
            "Speech that gives orders to the writer of the minutes, left aside: {places}.",
        ),
        "document_orders": (
            "Consignes à la rédaction dans « {name} », laissées de côté : {places}.",
            "Orders to the writer of the minutes in “{name}”, left aside: {places}.",
        ),
        "unread": (
            "Passages non résumés : {count} segments, {span}.",
            "Not summed up: {count} segments, {span}.",
        ),
        "share": (
            "Part du temps de parole citée dans ce compte rendu : {share} %.",
            "Share of the speech cited in these minutes: {share}%.",
        ),
    }
)


def fact(form: str, language: str, **values: object) -> str:
    """Return a sentence about the record: French in French minutes, English in all others."""
    return _FORMS[form][0 if language == "fr" else 1].format_map(values)


def fact_in(text: str, language: str) -> str | None:
    """Return such a sentence in another language; None = `text` is none of them."""
    for form, patterns in _patterns().items():
        for pattern in patterns:
            match = pattern.fullmatch(text)
            if match is not None:
                return fact(form, language, **match.groupdict())
    return None


@cache
def _patterns() -> Mapping[str, tuple[re.Pattern[str], ...]]:
    return {form: tuple(map(_pattern, texts)) for form, texts in _FORMS.items()}


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(text)))
