"""The register of heads: how each finished session ended, signed, in a file beside the database.

A chain of hashes shows what was changed inside it. It does not show that its end was cut off, nor
that somebody wrote all of it anew: for that, its last hash must be kept where the one who rewrites
does not reach, or signed with a key that he does not have. The register is both: copy it elsewhere
(it holds no content), and it says later what the records must still contain.
"""

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from greffier_server.bundle.signing import SigningKey
from greffier_server.bundle.verify import verify_signature
from greffier_server.core.events import Recorded, SecondPassFinished, SessionFinished
from greffier_server.core.records import GENESIS, record_hash

__all__ = ["HEADS_FILE", "Head", "HeadRegister", "Known", "read_heads"]

_log = logging.getLogger(__name__)

HEADS_FILE = "heads.jsonl"
"""In the data directory."""
_FORMAT = "greffier-head/1"
_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a session at one moment."""

    tenant: str
    session: str
    seq: int
    head: str
    """SHA-256 of the record, hexadecimal."""
    at_ms: int
    """When the record was written, milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a register says of one session."""

    heads: tuple[Head, ...] = ()
    broken_lines: tuple[int, ...] = ()
    """Lines, from 1, of whatever session, that were changed, or where some are missing."""


class HeadRegister:
    """Appends to the register; one server at a time.

    Args:
        path: of the file.
        key: signs each line.
    """

    def __init__(self, path: Path, key: SigningKey) -> None:
        self._path = path
        self._key = key
        self._writing = asyncio.Lock()

    async def note(self, records: Sequence[Recorded]) -> None:
        """Note the heads of the sessions that these stored records end.

        A failure is logged and nothing more: the session is whole without it.
        """
        last = {(record.tenant, record.session): record for record in records}
        ending = {
            (record.tenant, record.session)
            for record in records
            if isinstance(record.event, SessionFinished | SecondPassFinished)
        }
        for key in sorted(ending):
            record = last[key]
            head = Head(*key, record.seq, record_hash(record), record.at_ms)
            # Also for a log that is collected elsewhere: a second witness.
            _log.info("head of session %s: record %d, %s", head.session, head.seq, head.head)
            try:
                async with self._writing:
                    await asyncio.to_thread(self._append, head)
            except OSError as error:
                _log.warning("the head of a session could not be noted (%s)", error.strerror)

    async def known(self, tenant: str, session: str) -> Known:
        """Return what the register says of a session.

        Raises:
            OSError: the file cannot be read.
        """
        async with self._writing:
            return await asyncio.to_thread(
                read_heads, self._path, self._key.public, tenant, session
            )

    def _append(self, head: Head) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LONGEST_LINE))
            previous, torn = _last_line(file.read())
            statement = {"format": _FORMAT, "previous": previous, **asdict(head)}
            signature = self._key.sign(_canonical(statement)).hex()
            line = _canonical({"signature": signature, "statement": statement})
            file.write((b"\n" if torn else b"") + line + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read_heads(path: Path, public: bytes, tenant: str, session: str) -> Known:
    """Read what the register says of a session (blocking); nothing where there is no register.

    Args:
        path: of the register.
        public: the key that must have signed it.
        tenant: owner.
        session: id.

    Raises:
        OSError: the file cannot be read.
    """
    if not path.exists():
        return Known()
    heads: list[Head] = []
    broken: list[int] = []
    previous = GENESIS
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            octets = line.rstrip(b"\n")
            found = _read(octets)
            if found is not None:  # else cut short by a crash: the next line knows it as it is
                statement, signature, head = found
                ours = (head.tenant, head.session) == (tenant, session)
                signed = not ours or verify_signature(public, signature, _canonical(statement))
                if statement.get("previous") != previous or not signed:
                    broken.append(number)
                elif ours:
                    heads.append(head)
            previous = hashlib.sha256(octets).hexdigest()
    return Known(tuple(heads), tuple(broken))


def _read(line: bytes) -> tuple[dict[str, Any], bytes, Head] | None:
    try:
        plain = cast("dict[str, Any]", json.loads(line))
        statement = cast("dict[str, Any]", plain["statement"])
        signature = bytes.fromhex(plain["signature"])
        return statement, signature, Head(**{name: statement[name] for name in Head.__slots__})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _last_line(content: bytes) -> tuple[str, bool]:
    """Return the hash of the last line, and whether it was cut short by a crash."""
    if not content:
        return GENESIS, False
    line = content.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    return hashlib.sha256(line).hexdigest(), not content.endswith(b"\n")


def _canonical(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
