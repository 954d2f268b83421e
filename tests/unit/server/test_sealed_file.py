"""Temporary files whose blocks on the disk tell nothing."""

import io
import os
import random

import pytest

from greffier_server.transport.sealed_file import SealedFile, SealedReader

pytestmark = pytest.mark.unit

CHUNK = 65_536


def written(content: bytes, step: int = 10_000) -> SealedFile:
    file = SealedFile()
    for at in range(0, len(content), step):
        assert file.write(content[at : at + step]) == len(content[at : at + step])
    file.finish()
    return file


def noise(count: int) -> bytes:
    return random.Random(count).randbytes(count)


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
def test_what_was_written_is_read_here_and_elsewhere_from_anywhere(length: int) -> None:
    content = noise(length)
    with written(content) as file:
        assert file.seek(0, os.SEEK_END) == length
        assert file.seek(0) == 0
        assert file.read(length + 5) == content
        assert file.read(5) == b""
        elsewhere = io.BufferedReader(SealedReader(os.dup(file.fileno()), file.key))
        assert elsewhere.read() == content
        at = length // 2
        assert elsewhere.seek(at - length, os.SEEK_END) == at
        assert elsewhere.read(100) == content[at : at + 100]
        assert file.seek(at) == at
        assert file.seek(1, os.SEEK_CUR) == at + 1
        assert file.read(70_000) == content[at + 1 : at + 1 + 70_000]


def test_the_disk_sees_no_byte_of_it_and_no_key() -> None:
    content = b"Conseil secret du mardi. " * 10_000
    with written(content) as file:
        stored = os.pread(file.fileno(), 10 * len(content), 0)
    assert len(stored) > len(content)
    assert b"secret" not in stored
    assert file.key not in stored
    assert len({stored[at : at + 16] for at in range(0, len(stored) - 16, 16)}) > 15_000


def test_two_files_of_the_same_bytes_have_nothing_in_common() -> None:
    with written(bytes(CHUNK)) as one, written(bytes(CHUNK)) as two:
        assert os.pread(one.fileno(), CHUNK, 0) != os.pread(two.fileno(), CHUNK, 0)


def test_what_was_changed_on_the_disk_or_has_another_key_is_an_error() -> None:
    with written(noise(3 * CHUNK)) as file:
        other = SealedReader(file.fileno(), bytes(32))
        with pytest.raises(OSError, match="changed"):
            other.read(1)
        file.seek(0)
        stored = os.pread(file.fileno(), 2 * CHUNK, 0)
        os.pwrite(file.fileno(), stored[CHUNK + 16 : CHUNK + 17], CHUNK + 20)
        assert len(file.read(CHUNK)) == CHUNK
        with pytest.raises(OSError, match="changed"):
            file.read(1)


def test_it_is_written_once_then_only_read_and_not_after_it_was_closed() -> None:
    file = written(b"abc")
    assert not file.writable()
    with pytest.raises(ValueError, match="finished"):
        file.write(b"d")
    with pytest.raises(ValueError, match="before the beginning"):
        file.seek(-1)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
