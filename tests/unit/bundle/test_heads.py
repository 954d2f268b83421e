"""The register of heads: what it notes, and that no line of it can be changed unseen."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from greffier_server.bundle.heads import Head, HeadRegister, read_heads
from greffier_server.core.events import Recorded, SecondPassFinished, SecondPassStarted
from greffier_server.core.records import record_hash
from tests.support.bundles import KEY, OTHER_KEY
from tests.support.sessions import chain, meeting

pytestmark = pytest.mark.unit

Lines = list[bytes]


async def _noted(path: Path, *batches: Sequence[Recorded]) -> None:
    register = HeadRegister(path, KEY)
    for batch in batches:
        await register.note(batch)


def note(path: Path, *batches: Sequence[Recorded]) -> None:
    asyncio.run(_noted(path, *batches))


def known(path: Path, session: str = "s1") -> tuple[list[str], list[int]]:
    found = read_heads(path, KEY.public, "dgfip", session)
    return [head.head for head in found.heads], list(found.broken_lines)


def test_the_ends_of_sessions_are_noted_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    one, two = meeting(), meeting("s2")
    more = chain(SecondPassStarted("fr", 5), SecondPassFinished(1, 0, 0, 0), after=one)
    note(path, one[:-1])
    assert not path.exists()
    note(path, [*one[-1:], *two], more)
    assert known(path) == ([record_hash(one[-1]), record_hash(more[-1])], [])
    assert known(path, "s2") == ([record_hash(two[-1])], [])
    assert known(path, "s3") == ([], [])
    (head, _) = read_heads(path, KEY.public, "dgfip", "s1").heads
    last = one[-1]
    assert head == Head("dgfip", "s1", last.seq, record_hash(last), last.at_ms)
    assert path.stat().st_mode & 0o077 == 0


def test_no_register_knows_nothing(tmp_path: Path) -> None:
    assert known(tmp_path / "heads.jsonl") == ([], [])


def forge(lines: Lines) -> Lines:
    plain = json.loads(lines[1])
    plain["statement"]["head"] = "0" * 64
    return [lines[0], json.dumps(plain, sort_keys=True, separators=(",", ":")).encode(), lines[2]]


CHANGES: list[tuple[Callable[[Lines], Lines], int, list[int]]] = [
    (lambda lines: lines, 1, []),
    (forge, 0, [2, 3]),
    (lambda lines: [lines[0], lines[2]], 0, [2]),
    (lambda lines: [lines[1], lines[0], lines[2]], 0, [1, 2, 3]),
    (lambda lines: [lines[0], b"{}", lines[2]], 0, [3]),
    (lambda lines: lines[1:], 0, [1]),
    (lambda lines: lines[:2], 1, []),
]


@pytest.mark.parametrize(("change", "heads", "broken"), CHANGES)
def test_a_changed_line_is_found(
    tmp_path: Path, change: Callable[[Lines], Lines], heads: int, broken: list[int]
) -> None:
    path = tmp_path / "heads.jsonl"
    note(path, meeting("s0"), meeting("s1"), meeting("s2"))
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    found, lines = known(path)
    assert (len(found), lines) == (heads, broken)


def test_another_key_attests_nothing(tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    note(path, meeting())
    found = read_heads(path, OTHER_KEY.public, "dgfip", "s1")
    assert (found.heads, found.broken_lines) == ((), (1,))


@pytest.mark.parametrize("torn", [1, 40])
def test_a_line_cut_short_by_a_crash_breaks_nothing(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "heads.jsonl"
    note(path, meeting("s0"), meeting("s1"))
    path.write_bytes(path.read_bytes()[:-torn])
    note(path, meeting("s2"))
    assert known(path, "s2")[1] == []
    assert len(known(path, "s2")[0]) == 1
    assert len(known(path, "s0")[0]) == 1


def test_a_register_that_cannot_be_written_ends_no_session(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note(tmp_path / "none" / "heads.jsonl", meeting())
    assert "could not be noted" in caplog.text
