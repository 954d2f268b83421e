"""Recorded events as canonical JSON, and the hash chain over them.

The canonical form is JSON with sorted keys, no white space and plain UTF-8; a record's hash is the
SHA-256 of that form, and the next record carries it as `prev_hash`.
"""

import hashlib
import json
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from greffier.plain import from_plain, to_plain
from greffier_server.core.events import (
    LATER,
    Event,
    MinutesWritten,
    PassageRevised,
    Recorded,
    SessionStarted,
    WordsCommitted,
)

__all__ = ["GENESIS", "MalformedRecord", "decode_record", "encode_record", "record_hash"]

GENESIS = "0" * 64
"""`prev_hash` of the first record."""

_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}


class MalformedRecord(ValueError):
    """A stored record cannot be read."""


def encode_record(record: Recorded) -> str:
    """Return the canonical JSON of `record`, on one line."""
    plain = to_plain(record)
    for later in fields(record.event):
        if (
            LATER.items() <= later.metadata.items()
            and getattr(record.event, later.name) == later.default
        ):
            del plain["event"][later.name]
    if isinstance(record.event, WordsCommitted | PassageRevised):
        for word in plain["event"]["words"]:
            if not word["heard"]:  # later than the first records, as above
                del word["heard"]
    if isinstance(record.event, SessionStarted):
        for term in plain["event"]["glossary"]:
            for name, empty in _LATER_OF_TERMS.items():
                if term[name] == empty:
                    del term[name]
    if isinstance(record.event, MinutesWritten):
        _drop_later_of_minutes(plain["event"]["minutes"])
    plain["event"]["type"] = type(record.event).__name__
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _drop_later_of_minutes(plain: dict[str, Any]) -> None:
    """Leave out what the first minutes did not have, where it has its default."""
    for name in ("chapters", "agenda"):
        if not plain[name]:
            del plain[name]
    for name in ("summary", "topics", "decisions", "actions", "questions", "figures", "annex"):
        for item in plain[name]:
            if item["status"] is None:
                del item["status"]


def decode_record(text: str) -> Recorded:
    """Read what `encode_record` wrote.

    Raises:
        MalformedRecord: not such a record, or an event of a newer version.
    """
    try:
        plain = json.loads(text)
        kind = _KINDS[plain["event"].pop("type")]
        event = from_plain(kind, plain.pop("event"))
        fields = {key: from_plain(hint, plain[key]) for key, hint in _SCALARS.items()}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise MalformedRecord(f"record cannot be read: {type(error).__name__}") from error
    return Recorded(event=event, **fields)


def record_hash(record: Recorded) -> str:
    """SHA-256 of the canonical form, hexadecimal."""
    return hashlib.sha256(encode_record(record).encode()).hexdigest()


_LATER_OF_TERMS: dict[str, object] = {
    "variants": [],
    "do_not_translate": False,
    "pronunciation": [],
    "language": "",
}
"""Fields of glossary terms that the first records do not have."""

_SCALARS: dict[str, type[Any]] = {
    name: hint for name, hint in get_type_hints(Recorded).items() if name != "event"
}
