"""Forms with files: what starlette would write to a disk in the clear is sealed."""

from collections.abc import AsyncGenerator

import pytest
from starlette.datastructures import Headers, UploadFile
from starlette.requests import ClientDisconnect

from greffier_server.transport.sealed_file import SealedFile
from greffier_server.transport.sealed_form import SealedFormParser

pytestmark = pytest.mark.unit

CONTENT = bytes(range(256)) * 12_000
HEADERS = Headers({"content-type": "multipart/form-data; boundary=x"})
PART = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


async def body(*parts: bytes, end: bytes = b"--x--\r\n") -> AsyncGenerator[bytes, None]:
    whole = b"".join(parts) + end
    for at in range(0, len(whole), 60_000):
        yield whole[at : at + 60_000]


async def test_a_file_is_sealed_and_reads_as_it_was_sent() -> None:
    parts = (PART % (b"file", b'; filename="a.wav"', CONTENT), PART % (b"model", b"", b"whisper"))
    fields = await SealedFormParser(HEADERS, body(*parts)).parse()
    assert fields["model"] == "whisper"
    file = fields["file"]
    assert isinstance(file, UploadFile)
    assert isinstance(file.file, SealedFile)
    assert file.filename == "a.wav"
    assert await file.read(len(CONTENT)) == CONTENT
    await fields.close()
    assert file.file.closed


async def test_a_form_that_breaks_off_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SealedFile] = []

    class Seen(SealedFile):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("greffier_server.transport.sealed_form.SealedFile", Seen)

    async def torn() -> AsyncGenerator[bytes, None]:
        async for piece in body(PART % (b"file", b'; filename="a.wav"', CONTENT)):
            yield piece
        raise ClientDisconnect

    parser = SealedFormParser(HEADERS, torn())
    with pytest.raises(ClientDisconnect):
        await parser.parse()
    assert [file.closed for file in made] == [True]
