"""Greffier: live captions, translations and cited minutes. This is its client.

``async with greffier.connect(url) as session`` speaks into a session, ``greffier.watch`` reads one,
`greffier.sync` does both without ``async``. Names are loaded when they are first used, so that
importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from greffier._version import __version__

if TYPE_CHECKING:
    from greffier.backoff import Reconnection, RetryPolicy
    from greffier.client import connect, forward, watch
    from greffier.errors import (
        AudioKept,
        AuthenticationFailed,
        ConnectionFailed,
        ConnectionLost,
        EventsUnread,
        ExtraMissing,
        FileUnreadable,
        GreffierError,
        InputClosed,
        MalformedFrame,
        MisalignedAudio,
        ProtocolViolation,
        ServerRefused,
        SourceFailed,
        SpoolUnusable,
    )
    from greffier.http import Archive
    from greffier.live import LiveSession
    from greffier.protocol import (
        AgendaPoint,
        AudioFormat,
        Caption,
        CaptionWord,
        Chapter,
        Correction,
        CorrectionTarget,
        Error,
        Finished,
        Gap,
        GlossaryTerm,
        Minutes,
        MinutesItem,
        Quality,
        Speaker,
        Translation,
        Withheld,
    )
    from greffier.spool_seal import SpoolSecret
    from greffier.spooled import SpooledSession
    from greffier.transcript import Transcript

__all__ = [
    "AgendaPoint",
    "Archive",
    "AudioFormat",
    "AudioKept",
    "AuthenticationFailed",
    "Caption",
    "CaptionWord",
    "Chapter",
    "ConnectionFailed",
    "ConnectionLost",
    "Correction",
    "CorrectionTarget",
    "Error",
    "EventsUnread",
    "ExtraMissing",
    "FileUnreadable",
    "Finished",
    "Gap",
    "GlossaryTerm",
    "GreffierError",
    "InputClosed",
    "LiveSession",
    "MalformedFrame",
    "Minutes",
    "MinutesItem",
    "MisalignedAudio",
    "ProtocolViolation",
    "Quality",
    "Reconnection",
    "RetryPolicy",
    "ServerRefused",
    "SourceFailed",
    "Speaker",
    "SpoolSecret",
    "SpoolUnusable",
    "SpooledSession",
    "Transcript",
    "Translation",
    "Withheld",
    "__version__",
    "connect",
    "forward",
    "watch",
]

_HOMES = {
    "greffier.backoff": ("Reconnection", "RetryPolicy"),
    "greffier.client": ("connect", "forward", "watch"),
    "greffier.errors": (
        "AudioKept",
        "AuthenticationFailed",
        "ConnectionFailed",
        "ConnectionLost",
        "EventsUnread",
        "ExtraMissing",
        "FileUnreadable",
        "GreffierError",
        "InputClosed",
        "MalformedFrame",
        "MisalignedAudio",
        "ProtocolViolation",
        "ServerRefused",
        "SourceFailed",
        "SpoolUnusable",
    ),
    "greffier.http": ("Archive",),
    "greffier.live": ("LiveSession",),
    "greffier.protocol": (
        "AgendaPoint",
        "AudioFormat",
        "Caption",
        "CaptionWord",
        "Chapter",
        "Correction",
        "CorrectionTarget",
        "Error",
        "Finished",
        "Gap",
        "GlossaryTerm",
        "Minutes",
        "MinutesItem",
        "Quality",
        "Speaker",
        "Translation",
        "Withheld",
    ),
    "greffier.spool_seal": ("SpoolSecret",),
    "greffier.spooled": ("SpooledSession",),
    "greffier.transcript": ("Transcript",),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
