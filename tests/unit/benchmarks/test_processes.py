"""What is read of a process, on this one."""

import os
import subprocess
import sys

import psutil
import pytest

from benchmarks.processes import Usage, resident_mb, usage

pytestmark = pytest.mark.unit


def test_this_process_uses_something_of_each() -> None:
    now = usage(os.getpid())
    assert now.cpu_s > 0
    assert now.resident_mb >= now.memory_mb > 1
    assert now.open_files > 0
    assert now.threads >= 1


def test_children_are_counted_apart() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            own, children = resident_mb(os.getpid())
        finally:
            child.kill()
    assert own > 1
    assert children > 0.1


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
