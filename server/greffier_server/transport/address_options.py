"""What a client of another protocol can ask of this server in the address, beside its protocol."""

from dataclasses import replace
from typing import Final

from starlette.datastructures import QueryParams

from greffier.protocol import AudioProfile, Start
from greffier_server.errors import MalformedMessage

__all__ = ["with_options"]

_PROFILES: Final[dict[str, AudioProfile]] = {
    "wide": "wide",
    "telephone": "telephone",
    "radio": "radio",
}
_FALSE: Final = ("false", "0", "no")


def with_options(start: Start, query: QueryParams) -> Start:
    """Return what is asked with ``title``, ``minutes``, ``profile`` and ``translate_to``.

    Args:
        start: of the protocol's own messages.
        query: of the address; ``translate_to`` is a list with commas.

    Raises:
        MalformedMessage: there is no such profile.
    """
    if profile := query.get("profile", ""):
        if profile not in _PROFILES:
            raise MalformedMessage(f"profile: is one of {', '.join(_PROFILES)}")
        start = replace(start, profile=_PROFILES[profile])
    languages = [name.strip() for name in query.get("translate_to", "").split(",")]
    into = dict.fromkeys([*start.translate_to, *(name for name in languages if name)])
    return replace(
        start,
        title=query.get("title", start.title),
        minutes=start.minutes and query.get("minutes", "").lower() not in _FALSE,
        translate_to=tuple(into),
    )
