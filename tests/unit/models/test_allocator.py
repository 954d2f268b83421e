"""Heaps: limited on glibc alone and never over what the user has set; holes are given back."""

import platform
import threading

import pytest

from greffier_models.allocator import give_back, giving_back, limit_heaps, resident_bytes

pytestmark = pytest.mark.unit


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc only")
def test_glibc_takes_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    assert limit_heaps()


def test_what_the_user_has_set_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert not limit_heaps()


def test_nothing_is_done_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not limit_heaps()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc only")
def test_holes_between_what_is_used_are_given_back() -> None:
    give_back()
    held = [bytes(2_000) for _ in range(40_000)]  # 80 MB, in pieces that pymalloc leaves to malloc
    full = resident_bytes()
    held = held[::32]
    before = resident_bytes()
    assert give_back()
    after = resident_bytes()
    assert full - after > 50_000_000
    assert before - after > 20_000_000
    assert len(held) == 1_250


def test_the_thread_ends_with_the_block() -> None:
    with giving_back(every_s=0.001):
        assert "give-back-memory" in {thread.name for thread in threading.enumerate()}
    assert "give-back-memory" not in {thread.name for thread in threading.enumerate()}
