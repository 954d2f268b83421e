"""What is read of a process, on this one."""

import os

import psutil
import pytest

from benchmarks.processes import Usage, usage

pytestmark = pytest.mark.unit


def test_this_process_uses_something_of_each() -> None:
    now = usage(os.getpid())
    assert now.cpu_s > 0
    assert now.resident_mb >= now.memory_mb > 1
    assert now.open_files > 0
    assert now.threads >= 1


def test_an_open_file_is_seen() -> None:
    before = usage(os.getpid())
    descriptors = os.pipe()
    try:
        assert (usage(os.getpid()) - before).open_files == len(descriptors)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_a_difference_is_taken_of_every_part() -> None:
    assert Usage(3, 30, 40, 5, 6) - Usage(1, 10, 15, 2, 4) == Usage(2, 20, 25, 3, 2)


def test_a_process_that_is_gone_is_an_error() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        usage(2**22 + 1)
